"""What people fill in: a task, an agent, a node. Shape only; the services decide what is allowed.

Errors of a service land beside the field they name, through ``place``.
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from typing import Any, TypeVar
from uuid import uuid4

from django import forms

from dashboard.image_fields import ImagesField, ModelSelect
from dashboard.option_forms import (
    TypedForm,
    initial_options,
    json_object,
    number_field,
    whole_field,
)
from orchestration.errors import DroverError, NotAllowed
from orchestration.models import Task
from orchestration.payloads import AgentPayload, DocumentPayload
from orchestration.policy.states import Priority, TaskType
from orchestration.services.specs import THINK_LEVELS, TaskSpec
from orchestration.services.task_types import OPTIONS, is_built_in, options_among

Saved = TypeVar("Saved")

GIGABYTE = 1_000_000_000
GIBIBYTE = 2**30
MESSAGE_ROLES = ("system", "user", "assistant")
ALIASES = {"input": "prompt", "document_ids": "documents", "vram_bytes": "vram_gb", "disk_bytes": "disk_gb"} | {
    "credentials": "token",
    "options": "",
}
THINK_WORDS: dict[str, bool | str | None] = {
    "": None,
    "on": True,
    "off": False,
    **{level: level for level in THINK_LEVELS},
}


def saved(form: forms.Form, save: Callable[[], Saved]) -> Saved | None:
    """What the service made; None when the form has to be looked at again. A missing role is not the form's affair."""
    try:
        return save()
    except NotAllowed:
        raise
    except DroverError as error:
        place(form, error)
        return None


def place(form: forms.Form, error: DroverError) -> None:
    """Puts what a service said beside the field that it is about."""
    named = error.detail.get("fields")
    problems = named if isinstance(named, dict) else {_field_of(error): error.message}
    for name, message in problems.items():
        field = ALIASES.get(name, name)
        form.add_error(field if field in form.fields else None, str(message))


def _field_of(error: DroverError) -> str:
    if error.code == "model_unavailable":
        return "model_name"
    return str(error.detail.get("field") or error.detail.get("option") or "")


def split(text: str) -> list[str]:
    """Names separated by commas or line ends, each once."""
    return list(dict.fromkeys(part.strip() for part in text.replace("\n", ",").split(",") if part.strip()))


class TaskForm(TypedForm):
    agent = forms.TypedChoiceField(label="Agent", coerce=int)
    model_name = forms.CharField(label="Model", required=False, max_length=200)
    allow_missing = forms.BooleanField(label="Wait if no node has the model yet", required=False)
    prompt = forms.CharField(
        label="Prompt",
        required=False,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10, "class": "prompt", "placeholder": "What should the model do?"}),
    )
    images = ImagesField(required=False)
    keep_images = forms.BooleanField(required=False)
    documents = forms.TypedMultipleChoiceField(coerce=int, required=False)
    context_tokens = whole_field("Tokens of documents", "as usual", min_value=256, max_value=1_000_000)
    origin = forms.CharField(required=False, widget=forms.HiddenInput)
    form_key = forms.CharField(required=False, max_length=40, widget=forms.HiddenInput, initial=lambda: uuid4().hex)
    priority = forms.TypedChoiceField(
        label="Priority", coerce=int, choices=[(p.value, p.name.lower()) for p in Priority], initial=Priority.NORMAL
    )
    tags = forms.CharField(label="Tags", required=False, widget=forms.TextInput(attrs={"placeholder": "a, b"}))
    think = forms.ChoiceField(
        label="Thinking", required=False, choices=[("", "as the model does"), *((w, w) for w in THINK_WORDS if w)]
    )
    format = forms.ChoiceField(
        label="Answer",
        required=False,
        choices=[("", "as its agent has it"), ("text", "text"), ("json", "JSON"), ("schema", "JSON by a schema")],
    )
    schema = forms.CharField(
        label="JSON schema",
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 6, "class": "mono", "placeholder": '{"type": "object", "properties": {}}'}
        ),
    )
    timeout_seconds = number_field("Time-out, seconds", "none", min_value=1)
    max_tries = whole_field("Most tries", "as its agent says", min_value=1, max_value=100)

    def __init__(
        self,
        *args: Any,
        agents: Sequence[AgentPayload],
        models: Sequence[Mapping[str, Any]],
        documents: Sequence[DocumentPayload] = (),
        kept_images: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.kept_images = kept_images
        self._documents = documents
        choice = self.fields["agent"]
        assert isinstance(choice, forms.TypedChoiceField)
        choice.choices = [(agent["id"], agent["name"]) for agent in agents]
        able = {model["name"]: list(model["capabilities"]) for model in models}
        self.fields["model_name"].widget = ModelSelect(choices=model_choices(agents, models), capabilities=able)
        papers = self.fields["documents"]
        assert isinstance(papers, forms.TypedMultipleChoiceField)
        papers.choices = [(row["id"], row["name"]) for row in documents]

    blank_document = {"id": "", "name": "", "tokens": 0}

    @property
    def document_rows(self) -> list[dict[str, Any]]:
        chosen = {str(pk) for pk in self["documents"].value() or ()}
        return [{**row, "chosen": str(row["id"]) in chosen} for row in self._documents]

    roles = MESSAGE_ROLES
    blank_message = {"role": "user", "content": ""}

    @property
    def message_rows(self) -> list[dict[str, str]]:
        rows = self._sent_messages() if self.is_bound else self.initial.get("messages") or []
        return rows or [self.blank_message]

    def _sent_messages(self) -> list[dict[str, str]]:
        roles, contents = self.data.getlist("role"), self.data.getlist("content")  # type: ignore[attr-defined]
        return [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]

    def clean_schema(self) -> dict[str, Any] | None:
        text = self.cleaned_data["schema"]
        if self.data.get("format") != "schema":
            return None
        return json_object(text, "A schema is")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kind = cleaned.get("type")
        if kind == TaskType.CHAT and not any(row["content"].strip() for row in self._sent_messages()):
            self.errors["messages"] = self.error_class(["Write at least one message."])
        if kind in (TaskType.GENERATE, TaskType.EMBED) and not cleaned.get("prompt", "").strip():
            self.add_error("prompt", "Say what the model should do." if kind == "generate" else "Give a text to embed.")
        return cleaned

    def spec(self, original: Task | None) -> TaskSpec:
        """What the service is asked for; ``original`` is the task this one was made from."""
        data = self.cleaned_data
        kind = data["type"]
        return TaskSpec(
            type=kind,
            **self._said(kind, original),
            model_name=data["model_name"],
            preset="" if kind == TaskType.EMBED else data["preset"],
            parameters=self.own_parameters(),
            priority=data["priority"],
            images=[] if kind == TaskType.EMBED else self._images(original),
            tags=split(data["tags"]),
            think=THINK_WORDS[data["think"]],
            format=data["schema"] or data["format"] or None,
            timeout_seconds=data["timeout_seconds"],
            max_tries=data["max_tries"],
            document_ids=[] if kind == TaskType.EMBED else data["documents"],
            context_tokens=data["context_tokens"],
            retried_from=original.pk if original else None,
        )

    def idempotency_key(self, spec: TaskSpec) -> str | None:
        """The same form with the same content is the same task, however often it is sent."""
        key = self.cleaned_data["form_key"]
        content = f"{self.cleaned_data['agent']} {spec!r}"
        return f"form-{key}-{sha256(content.encode()).hexdigest()[:32]}" if key else None

    def _said(self, kind: str, original: Task | None) -> dict[str, Any]:
        """What an earlier task of an installed type was given in a shape that the form does not show stays."""
        if kind == TaskType.CHAT:
            return {"messages": self._spoken()}
        prompt = self.cleaned_data["prompt"]
        if original and kind == original.type and not is_built_in(kind):
            same = prompt.replace("\r\n", "\n") == _joined(original)
            return {"input": original.input if same else prompt, "messages": original.messages}
        return {"input": _texts(kind, prompt)}

    def _spoken(self) -> list[dict[str, Any]]:
        return [row for row in self._sent_messages() if row["content"].strip()]

    def _images(self, original: Task | None) -> list[str]:
        kept = list(original.images) if original and self.cleaned_data["keep_images"] else []
        return kept + [base64.b64encode(item.read()).decode() for item in self.cleaned_data["images"]]


def _texts(kind: str, prompt: str) -> str | list[str]:
    """An embed task takes one text a line."""
    lines = [line for line in prompt.splitlines() if line.strip()]
    return lines if kind == TaskType.EMBED and len(lines) > 1 else prompt


def _joined(task: Task) -> str:
    return "\n".join(task.input if isinstance(task.input, list) else [task.input])


def model_choices(agents: Sequence[AgentPayload], models: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Loaded first, then installed, then those that agents name but no node has."""
    known = {model["name"] for model in models}
    wanted = {name for agent in agents for name in (*agent["models"], agent["config"]["default_model"]) if name}
    groups = [
        ("Loaded", [(model["name"], _described(model)) for model in models if model["loaded_on"]]),
        ("Installed", [(model["name"], _described(model)) for model in models if not model["loaded_on"]]),
        ("On no node", [(name, name) for name in sorted(wanted) if not _on_a_node(name, known)]),
    ]
    return [("", "the agent chooses"), *(group for group in groups if group[1])]


def _on_a_node(name: str, known: set[str]) -> bool:
    return name in known or f"{name}:latest" in known


def _described(model: Mapping[str, Any]) -> str:
    where = model["loaded_on"] or model["installed_on"]
    size = f"{model['size_bytes'] / GIGABYTE:.1f} GB, " if model["size_bytes"] else ""
    return f"{model['name']}  ·  {size}{', '.join(where)}"


def initial_from_task(task: Task) -> dict[str, Any]:
    """A form filled with an earlier task."""
    options = options_among(task.type, task.parameters)
    own = {} if is_built_in(task.type) else {name: value for name, value in task.parameters.items() if name != OPTIONS}
    think = next((word for word, value in THINK_WORDS.items() if value == task.think and word), "")
    return {
        "type": task.type,
        "agent": task.agent_id,
        "model_name": task.model_name,
        "prompt": _joined(task),
        "parameters": json.dumps(own, indent=2, ensure_ascii=False) if own else "",
        "messages": task.messages,
        "priority": task.priority,
        "tags": ", ".join(task.tags),
        "think": think if task.think is not None else "",
        "format": "schema" if isinstance(task.format, dict) else task.format or "",
        "schema": json.dumps(task.format, indent=2) if isinstance(task.format, dict) else "",
        "timeout_seconds": task.timeout_seconds,
        "origin": f"task:{task.pk}",
        "keep_images": bool(task.images),
        "documents": list(task.documents.values_list("pk", flat=True)),
        "preset": task.preset,
        **initial_options(options),
    }
