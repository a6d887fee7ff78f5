"""What a model is made for, as far as its name, its capabilities and the team's labels tell."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from orchestration.policy.kinds import Kind, named
from orchestration.policy.states import TaskType

_CODER = re.compile(
    r"(?<!de)(?<!en)coder|(?:^|[-_.])code(?:llama|gemma|qwen|stral|up|booga)?(?![a-z])|devstral|codestral"
)
_EMBEDDER = re.compile(r"embed|(?:^|[-_.])(?:bge|e5|gte|all-minilm|minilm)(?![a-z])")
_GUARD = re.compile(r"guard(?:ian)?(?![a-z])|(?:^|[-_.])shield|moderation|rerank")
_SEES = re.compile(r"llava|moondream|minicpm-v|(?:^|[-_.0-9])(?:vl|vision)(?![a-z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """``capabilities`` is empty, ``context_length`` None where the server is too old to tell. ``enabled``: the team
    lets it take work."""

    name: str
    capabilities: frozenset[str] = frozenset()
    context_length: int | None = None
    labels: frozenset[str] = frozenset()
    enabled: bool = True


_NEEDS: dict[str, str] = {
    TaskType.GENERATE: "completion",
    TaskType.CHAT: "completion",
    TaskType.EMBED: "embedding",
}


def suits(model: KnownModel, task_type: str, *, images: bool = False) -> bool:
    """Whether the model can do this type of task, as far as its server tells."""
    if not model.capabilities:
        return True
    needed = _NEEDS.get(task_type)
    return (needed is None or needed in model.capabilities) and (not images or "vision" in model.capabilities)


def is_made_for(model: KnownModel, kind: str) -> bool:
    """Whether it is of a family known for this kind of task."""
    title = _title(model.name)
    match kind:
        case Kind.CODE:
            return bool(_CODER.search(title))
        case Kind.EMBED:
            return "embedding" in model.capabilities or bool(_EMBEDDER.search(title))
        case Kind.VISION:
            return "vision" in model.capabilities or bool(_SEES.search(title))
        case _:
            return False


def judges_only(model: KnownModel) -> bool:
    """Guard, moderation and ranking models give verdicts, not answers: they are for those who name them."""
    return bool(_GUARD.search(_title(model.name)))


def answers(model: KnownModel, task_type: str) -> bool:
    """Whether it is a model for such tasks, where its server is too old to say so."""
    embeds = bool(_EMBEDDER.search(_title(model.name)))
    return bool(model.capabilities) or task_type not in _NEEDS or embeds == (task_type == TaskType.EMBED)


def is_labelled(model: KnownModel, kind: str) -> bool:
    """Whether the team says that it is for this kind of task."""
    return kind in {named(label) for label in model.labels}


def shared_labels(model: KnownModel, wanted: Collection[str]) -> int:
    """How many of the wanted labels it has."""
    return len({label.lower() for label in model.labels} & {label.strip().lower() for label in wanted})


def _title(name: str) -> str:
    """Without host, owner and tag: what a model is called says what it is for, who made it does not."""
    return name.rpartition("/")[2].partition(":")[0].lower()
