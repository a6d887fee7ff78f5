"""Which models a task may use, in order of preference, and the words for when there is none."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from orchestration.policy.states import TaskType

_DEFAULT_PREFIX = "registry.ollama.ai/library/"


def full_name(name: str) -> str:
    """A model name as Ollama compares it: lower case, without the default registry and folder, with its tag."""
    plain = name.strip().lower().removeprefix(_DEFAULT_PREFIX).removeprefix("library/")
    return plain if not plain or ":" in plain.rpartition("/")[2] else f"{plain}:latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownModel:
    """``capabilities`` is empty, ``context_length`` None where the server is too old to tell."""

    name: str
    capabilities: frozenset[str] = frozenset()
    context_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentModels:
    """What an agent says about models; no ``models`` means any."""

    models: Sequence[str] = ()
    default_model: str = ""
    preferences: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The models a task may use, best first. ``installed`` says whether any node has one of them."""

    models: tuple[str, ...]
    installed: bool


_NEEDS: dict[str, str] = {
    TaskType.GENERATE: "completion",
    TaskType.CHAT: "completion",
    TaskType.EMBED: "embedding",
}


def suits(model: KnownModel, task_type: str) -> bool:
    """Whether the model can do this type of task, as far as its server tells."""
    needed = _NEEDS.get(task_type)
    return needed is None or not model.capabilities or needed in model.capabilities


def route(*, task_type: str, wanted: str, agent: AgentModels, known: Mapping[str, KnownModel]) -> Route:
    """The models for one task. ``known``: what is installed on any node, by full name.

    A model the task names is the only one. Else the agent's preference for this type, else its default model, where
    a node has it; else any of its models (late binding), those that can do the type and are installed first.
    """
    if wanted:
        name = full_name(wanted)
        return Route(models=(name,), installed=name in known)
    preferred = (agent.preferences or {}).get(task_type) or agent.default_model
    if preferred and full_name(preferred) in known and suits(known[full_name(preferred)], task_type):
        return Route(models=(full_name(preferred),), installed=True)
    candidates = _candidates(agent, known, task_type, preferred)
    installed = tuple(name for name in candidates if name in known and suits(known[name], task_type))
    return Route(models=installed or candidates, installed=bool(installed))


def _candidates(agent: AgentModels, known: Mapping[str, KnownModel], task_type: str, preferred: str) -> tuple[str, ...]:
    if not agent.models:
        return (full_name(preferred),) if preferred and not known else tuple(sorted(known))
    return tuple(dict.fromkeys(full_name(name) for name in agent.models))


def suggestion(names: Collection[str], known: Collection[str]) -> str:
    """What to do about models that no node has, in one sentence."""
    near = [match for name in names for match in get_close_matches(name, known, n=2, cutoff=0.5)]
    if near:
        return f"Did you mean {' or '.join(dict.fromkeys(near))}?"
    if known:
        return f"Installed are {', '.join(sorted(known)[:8])}; or pull it on a node first."
    return "No node has any model yet; connect a node or pull one."


def with_room(models: Sequence[str], known: Mapping[str, KnownModel], tokens: int) -> tuple[tuple[str, ...], int]:
    """Those of the models whose context holds so many tokens, and as many. If none does, those with the longest
    context and its length."""
    contexts = {name: known[name].context_length if name in known else None for name in models}
    able = tuple(name for name, context in contexts.items() if context is None or context >= tokens)
    if able:
        return able, tokens
    longest = max(context for context in contexts.values() if context is not None)
    return tuple(name for name, context in contexts.items() if context == longest), longest
