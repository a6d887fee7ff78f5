"""What a task is asked for with, and the checks that need no database."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.conf import settings

from orchestration.errors import InvalidInput, PayloadTooLarge
from orchestration.policy.routing import full_name
from orchestration.policy.schemas import check_schema
from orchestration.policy.states import Priority, TaskType
from orchestration.services.task_types import check_type, is_built_in, options_among

ROLES = ("system", "user", "assistant", "tool")
THINK_LEVELS = ("low", "medium", "high", "max")
LONGEST_MODEL_NAME = 200
PLAIN = "text"
"""The format that means none, not even the agent's. Servers refuse the word."""
MAX_IMAGES = 16
MAX_IMAGE_BYTES = 20 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What documents put into a prompt: ``passages``, or only the ``tokens`` kept free for those that are chosen when
    the tasks with the ids ``awaits``, of other runs, have ended."""

    passages: Sequence[Mapping[str, Any]] = ()
    note: str = ""
    tokens: int = 0
    awaits: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSpec:
    """One task as asked for. ``parameters`` are Ollama options, over those of the ``preset``; ``images`` are base64;
    ``system`` None is the agent's.

    ``needs`` and ``after`` are positions of earlier tasks of the same submission: those that must complete, and those
    that must only have ended. ``template``: what services/steps.py fills in when they have. ``node_id``: the only node
    that may run it; ``prefer_node_id`` is a wish. ``context``: texts with names to base the answer on, beside the
    documents; ``context_tokens``: how much of the prompt they may take. On submission ``papers`` is made of these.
    """

    type: str
    input: str | list[str] = ""
    messages: list[dict[str, Any]] | None = None
    system: str | None = None
    model_name: str = ""
    preset: str = ""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    priority: int = Priority.NORMAL
    images: Sequence[str] = ()
    client_ref: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    title: str = ""
    keep_alive_seconds: float | None = None
    timeout_seconds: float | None = None
    max_tries: int | None = None
    think: bool | str | None = None
    format: str | dict[str, Any] | None = None
    tools: list[dict[str, Any]] | None = None
    retried_from: int | None = None
    step: str = ""
    needs: Sequence[int] = ()
    after: Sequence[int] = ()
    template: Mapping[str, Any] | None = None
    agent_id: int | None = None
    node_id: int | None = None
    prefer_node_id: int | None = None
    content_hash: str = ""
    document_ids: Sequence[int] = ()
    context: Sequence[Mapping[str, str]] = ()
    context_tokens: int | None = None
    papers: Papers = field(default_factory=Papers)

    @property
    def own_options(self) -> Mapping[str, Any]:
        """Of Ollama, without the agent's."""
        return options_among(self.type, self.parameters)


def checked(spec: TaskSpec) -> TaskSpec:
    """The spec with options, tags and priority made right. Raises InvalidInput that says what to change."""
    task_type, parameters = check_type(spec.type, spec.parameters)
    spec = replace(spec, type=task_type, parameters=parameters)
    _check_content(spec)
    _check_size(spec)
    _check_extras(spec)
    for image in spec.images:
        check_image(image)
    if len(spec.images) > MAX_IMAGES:
        raise InvalidInput(f"A task has at most {MAX_IMAGES} images.", field="images")
    return replace(
        spec,
        priority=check_priority(spec.priority),
        tags=check_tags(spec.tags),
        images=[image.partition("base64,")[2] or image for image in spec.images],
        format="" if spec.format == PLAIN else spec.format,
    )


def _check_content(spec: TaskSpec) -> None:
    if not is_built_in(spec.type):
        _check_free_content(spec)
    elif spec.messages is not None:
        if spec.type != TaskType.CHAT:
            raise InvalidInput(f"messages go with type chat; {spec.type} takes input.", field="messages")
        _check_messages(spec.messages)
    elif spec.type == TaskType.EMBED and isinstance(spec.input, list):
        if not spec.input or not all(isinstance(text, str) and text.strip() for text in spec.input):
            raise InvalidInput("input is a text or a list of texts, none of them empty.", field="input")
    elif not isinstance(spec.input, str):
        raise InvalidInput("input is a text; only embed takes a list.", field="input")
    elif not spec.input.strip():
        raise InvalidInput("input is empty: say what the model should do.", field="input")
    if (spec.context or spec.document_ids) and spec.type == TaskType.EMBED:
        raise InvalidInput("A task of type embed takes no context: it answers nothing.", field="context")
    if spec.images and spec.type == TaskType.EMBED:
        raise InvalidInput("embed takes texts, no images.", field="images")


def _check_free_content(spec: TaskSpec) -> None:
    """Of a type that an extension brings, which may need no words at all."""
    if spec.messages is not None:
        _check_messages(spec.messages)
    if isinstance(spec.input, list) and not (spec.input and all(isinstance(text, str) for text in spec.input)):
        raise InvalidInput("input is a text or a list of texts.", field="input")


def _check_messages(messages: Sequence[Any]) -> None:
    if not messages:
        raise InvalidInput("messages is empty: give at least one.", field="messages")
    for number, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise InvalidInput(f"messages[{number}].role is one of {', '.join(ROLES)}.", field="messages")
        if not isinstance(message.get("content", ""), str):
            raise InvalidInput(f"messages[{number}].content is a text.", field="messages")
    if not any(message.get("content", "").strip() for message in messages):
        raise InvalidInput("All messages are empty: say what the model should do.", field="messages")


def _check_size(spec: TaskSpec) -> None:
    texts = [spec.input] if isinstance(spec.input, str) else list(spec.input)
    texts += [spec.system or "", *(message.get("content", "") for message in spec.messages or ())]
    length, most = sum(map(len, texts)), settings.DROVER_MAX_PROMPT_CHARS
    if length > most:
        raise PayloadTooLarge(f"The prompt has {length:,} characters; at most {most:,} are taken.", field="input")


def _check_extras(spec: TaskSpec) -> None:
    if len(full_name(spec.model_name)) > LONGEST_MODEL_NAME:
        raise InvalidInput(
            f"A model's name has at most {LONGEST_MODEL_NAME} characters with its tag.", field="model_name"
        )
    if isinstance(spec.format, str) and spec.format not in ("", PLAIN, "json"):
        raise InvalidInput(
            'format is "json" or a JSON schema; leave it out, or say "text", for plain text.', field="format"
        )
    if isinstance(spec.format, dict) and spec.format:
        check_schema(spec.format)
    if isinstance(spec.think, str) and spec.think not in THINK_LEVELS:
        raise InvalidInput(f"think is true, false or one of {', '.join(THINK_LEVELS)}.", field="think")
    if spec.tools and spec.type != TaskType.CHAT:
        raise InvalidInput("tools go with type chat.", field="tools")
    if spec.format and spec.format != PLAIN and spec.type == TaskType.EMBED:
        raise InvalidInput("format goes with types that are answered in words, not with embed.", field="format")
    for name in ("timeout_seconds", "keep_alive_seconds", "max_tries"):
        value = getattr(spec, name)
        if value is not None and value < (0 if name == "keep_alive_seconds" else 1):
            raise InvalidInput(f"{name} is too small.", field=name)


def check_image(image: str) -> None:
    """Plain base64 or a data URI, of a size that a model can take."""
    data = image.partition("base64,")[2] or image
    if len(data) * 3 // 4 > MAX_IMAGE_BYTES:
        raise PayloadTooLarge(f"An image has at most {MAX_IMAGE_BYTES // 2**20} MiB.", field="images")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput("images are base64 texts.", field="images") from error


def check_priority(priority: int) -> Priority:
    try:
        return Priority(priority)
    except ValueError as error:
        raise InvalidInput("priority is 0 (high), 1 (normal) or 2 (low).", field="priority") from error


def check_tags(tags: Sequence[str]) -> list[str]:
    """At most 20 tags of at most 40 characters, each once."""
    cleaned = list(dict.fromkeys(tag.strip() for tag in tags if tag.strip()))
    if len(cleaned) > 20 or any(len(tag) > 40 for tag in cleaned):
        raise InvalidInput("A task has at most 20 tags of at most 40 characters.", field="tags")
    return cleaned
