"""What goes to the model with a question: the system prompt, what the agent remembers, the earlier turns that fit."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from django.conf import settings
from django.db.models import Sum, TextField
from django.db.models.functions import Cast, Length

from orchestration import queries
from orchestration.models import Agent, Conversation, Memory, ModelConfig, Turn
from orchestration.policy.context import bucket, needed_tokens
from orchestration.policy.effective import first
from orchestration.policy.memory import Fact, system_prompt, told
from orchestration.policy.routing import full_name
from orchestration.policy.states import TaskType
from orchestration.policy.windows import TurnSize, Window, answer_room, window
from orchestration.queries.conversations import answered
from orchestration.queries.levels import Levels

IMAGE_CHARACTERS_KEPT = 8 * 1024 * 1024
"""Base64 of earlier images that goes along with a question. Each task keeps what it sends."""
DOCUMENTS_SHARE = 1 / 2
"""Of the context, at most, for what the documents of a conversation put into the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """``system`` None: the agent's own. ``document_tokens``: what documents may take of the context."""

    messages: list[dict[str, Any]]
    system: str | None
    document_tokens: int
    window: Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked next, after these turns."""

    path: Sequence[int]
    text: str = ""
    images: int = 0


def prompt(conversation: Conversation, agent: Agent, question: Question) -> Prompt:
    """The messages up to the question; its own images are the task's. Raises nothing: what does not fit stays out."""
    context = context_of(agent)
    earlier = answered(question.path)
    system = _system(agent, context)
    kept = _with_images(earlier)
    found = _window(conversation, agent, earlier, kept, question, system, context)
    images = _images(kept.intersection(earlier[position].pk for position in found.sent))
    spoken = [message for position in found.sent for message in _spoken(earlier[position], images)]
    return Prompt(
        messages=[*spoken, {"role": "user", "content": question.text}],
        system=system if agent.memory_enabled else None,
        document_tokens=_most_of_documents(context),
        window=found,
    )


def next_window(conversation: Conversation) -> Window | None:
    """What would go with the next question; None when the agent is gone."""
    agent = conversation.agent
    if agent is None:
        return None
    context = context_of(agent)
    earlier = answered(queries.conversations.tree(conversation.pk).path(conversation.head_id))
    system = _system(agent, context)
    return _window(conversation, agent, earlier, _with_images(earlier), Question(path=()), system, context)


def context_of(agent: Agent) -> int:
    """Tokens: what the agent names, else what is decided about its model, else what is usual."""
    levels = Levels()
    model = agent.routing_preferences.get(TaskType.CHAT) or agent.default_model or next(iter(agent.models), "")
    name = full_name(model or levels.defaults.default_model)
    config = ModelConfig.objects.filter(model_name=name).first() if name else None
    named = first("num_ctx", (levels.agent(agent), levels.model(config, name), levels.fleet, levels.settings))
    return bucket(named.value if named else None, default=settings.DROVER_DEFAULT_NUM_CTX)


def _system(agent: Agent, context: int) -> str:
    if not agent.memory_enabled:
        return agent.prompt_in_force
    rows = Memory.objects.filter(agent=agent)
    facts = [Fact(text=row.text, by_agent=row.source == "agent") for row in rows]
    return system_prompt(agent.prompt_in_force, told(facts, context))


def _window(
    conversation: Conversation,
    agent: Agent,
    earlier: Sequence[Turn],
    with_images: Collection[int],
    question: Question,
    system: str,
    context: int,
) -> Window:
    return window(
        turns=[_size(turn, turn.image_count if turn.pk in with_images else 0) for turn in earlier],
        question=needed_tokens([question.text], images=question.images),
        system=needed_tokens([system]) + _document_tokens(conversation, context),
        context=context,
        answer=answer_room(context, agent.options.get("num_predict") or 0),
    )


def _size(turn: Turn, images: int) -> TurnSize:
    output = turn.task.output if turn.task else ""
    return TurnSize(question=needed_tokens([turn.text], images=images), answer=needed_tokens([output]))


def _document_tokens(conversation: Conversation, context: int) -> int:
    whole = conversation.documents.aggregate(total=Sum("tokens"))["total"] or 0
    return min(whole, _most_of_documents(context))


def _most_of_documents(context: int) -> int:
    return min(settings.DROVER_CONTEXT_TOKENS, int(context * DOCUMENTS_SHARE))


def _with_images(earlier: Sequence[Turn]) -> set[int]:
    """The turns whose images go along: the newest first until they are too much to be sent again and again.

    The database measures them: every look at a conversation asks this, and nobody looks at the images.
    """
    wanted = [turn.pk for turn in earlier if turn.image_count]
    size = Length(Cast("images", TextField()))
    sizes = dict(Turn.objects.filter(pk__in=wanted).values_list("pk", size)) if wanted else {}
    totals = accumulate(sizes[turn_id] for turn_id in reversed(wanted))
    return {turn_id for turn_id, total in zip(reversed(wanted), totals, strict=True) if total <= IMAGE_CHARACTERS_KEPT}


def _images(turn_ids: Collection[int]) -> dict[int, list[str]]:
    return dict(Turn.objects.filter(pk__in=turn_ids).values_list("pk", "images")) if turn_ids else {}


def _spoken(turn: Turn, images: Mapping[int, list[str]]) -> list[dict[str, Any]]:
    asked: dict[str, Any] = {"role": "user", "content": turn.text}
    if turn.pk in images:
        asked["images"] = images[turn.pk]
    return [asked, {"role": "assistant", "content": turn.task.output if turn.task else ""}]
