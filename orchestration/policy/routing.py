"""Which models a task may use, in order of preference, why, and which to go on with when these fail."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches

from orchestration.policy.families import (
    KnownModel,
    answers,
    is_labelled,
    is_made_for,
    judges_only,
    shared_labels,
    suits,
)
from orchestration.policy.kinds import Found, named

__all__ = [
    "AgentModels",
    "KnownModel",
    "Route",
    "chain",
    "full_name",
    "route",
    "suggestion",
    "suits",
    "why_not",
    "with_room",
]

MOST_FALLBACKS = 8
_DEFAULT_PREFIX = "registry.ollama.ai/library/"


def full_name(name: str) -> str:
    """A model name as Ollama compares it: lower case, without the default registry and folder, with its tag."""
    plain = name.strip().lower().removeprefix(_DEFAULT_PREFIX).removeprefix("library/")
    return plain if not plain or ":" in plain.rpartition("/")[2] else f"{plain}:latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentModels:
    """What an agent says about models; no ``models`` means any. ``preferences``: a model by kind of task."""

    models: Sequence[str] = ()
    default_model: str = ""
    default_words: str = "is the agent's default"
    preferences: Mapping[str, str] | None = None
    prefer_labels: Sequence[str] = ()
    fallbacks: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The models a task may use, best first, and those to go on with when these fail.

    ``installed`` says whether any node has one of them. ``kind``: of the task, where that decided; ``why``: what else
    did, in words.
    """

    models: tuple[str, ...]
    installed: bool
    kind: str = ""
    why: str = ""
    fallbacks: tuple[str, ...] = ()

    def reason(self, found: Sequence[Found]) -> str:
        """For people: the kind of task with what told it, and what follows."""
        because = next((it.because for it in found if it.kind == self.kind), "")
        return "; ".join(filter(None, (f"{self.kind}: {because}" if because else "", self.why)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What holds for one task."""

    task_type: str
    images: bool
    agent: AgentModels
    known: Mapping[str, KnownModel]
    instead: Mapping[str, Sequence[str]] = field(default_factory=dict)
    fall_back: bool = True

    def why_not(self, name: str) -> str:
        return why_not(self.known.get(name), self.task_type, images=self.images)

    def usable(self, names: Iterable[str]) -> tuple[str, ...]:
        return tuple(name for name in names if not self.why_not(name))

    def could(self, name: str) -> bool:
        """Whatever the team has decided about it."""
        return suits(self.known[name], self.task_type, images=self.images)

    def chain(self, models: Collection[str]) -> tuple[str, ...]:
        return chain(models, agent=self.agent, instead=self.instead) if self.fall_back else ()


def why_not(model: KnownModel | None, task_type: str, *, images: bool = False) -> str:
    """Why such a task cannot go to the model, in words that follow its name; empty when it can."""
    if model is None:
        return "is on no node"
    if not model.enabled:
        return "is disabled"
    if not suits(model, task_type):
        return f"cannot do {task_type}"
    return "" if suits(model, task_type, images=images) else "takes no images"


def route(
    *,
    task_type: str,
    wanted: str,
    agent: AgentModels,
    known: Mapping[str, KnownModel],
    found: Sequence[Found] = (),
    images: bool = False,
    instead: Mapping[str, Sequence[str]] | None = None,
    fall_back: bool = True,
) -> Route:
    """The models for one task. ``known``: what is installed on any node, by full name. ``found``: its kinds.

    A model the task names is the only one. Else what the agent prefers for a kind of the task, the most telling first;
    else its default model; else any of its models (late binding) that can do it and are installed: those labelled as
    the agent likes, then those labelled or made for the kind. Where the choice cannot be used, the first of the
    fallbacks that can is taken; ``instead``: the fallbacks of models.
    """
    rules = _Rules(
        task_type=task_type,
        images=images,
        agent=agent,
        known=known,
        instead=instead or {},
        fall_back=fall_back,
    )
    kinds = [it.kind for it in found] or [task_type]
    if wanted:
        return _one(rules, full_name(wanted), "", "asked for by name") or _wish(rules, full_name(wanted))
    return _preferred(rules, kinds) or _any(rules, kinds)


def _one(rules: _Rules, name: str, kind: str, why: str) -> Route | None:
    """This model, or what stands in for it; None where nothing can."""
    rest = rules.chain([name])
    refused = rules.why_not(name)
    if not refused:
        return Route(models=(name,), installed=True, kind=kind, why=f"{name} {why}", fallbacks=rest)
    return _instead(rules, rest, kind, f"{name} {refused}")


def _instead(rules: _Rules, rest: tuple[str, ...], kind: str, why: str) -> Route | None:
    """The first of them that can be used; those behind it are left to go on with."""
    other = next(iter(rules.usable(rest)), "")
    if not other:
        return None
    left = rest[rest.index(other) + 1 :]
    return Route(models=(other,), installed=True, kind=kind, why=f"{why}, so {other}", fallbacks=left)


def _wish(rules: _Rules, name: str) -> Route:
    """A model that somebody insists on, though it cannot be used now."""
    return Route(models=(name,), installed=name in rules.known, why=f"{name} asked for by name")


def _preferred(rules: _Rules, kinds: Sequence[str]) -> Route | None:
    preferences = {named(key): name for key, name in (rules.agent.preferences or {}).items() if name}
    for kind in kinds:
        choice = preferences.get(kind)
        if choice and (chosen := _one(rules, full_name(choice), kind, "preferred by the agent")):
            return chosen
    if rules.agent.default_model:
        name = full_name(rules.agent.default_model)
        return _one(rules, name, "", rules.agent.default_words)
    return None


def _any(rules: _Rules, kinds: Sequence[str]) -> Route:
    """Any of the agent's models that can, or of all; narrowed to those that fit the task best."""
    candidates = _candidates(rules, kinds)
    usable = rules.usable(candidates)
    if not usable:
        return _stand_in(rules, candidates)
    liked = _liked(rules, usable)
    kind, words, fitting = _fitting(rules, liked, kinds)
    chosen = fitting or liked
    words = words or _which(rules, chosen, is_liked=len(liked) < len(usable))
    why = f"{_listed(chosen)} {words}" if fitting or len(chosen) == 1 else words
    return Route(models=chosen, installed=True, kind=kind, why=why, fallbacks=rules.chain(chosen))


def _candidates(rules: _Rules, kinds: Sequence[str]) -> tuple[str, ...]:
    agent, known = rules.agent, rules.known
    if agent.models:
        return tuple(dict.fromkeys(full_name(name) for name in agent.models))
    wish = [(agent.preferences or {}).get(kind, "") for kind in kinds] + [agent.default_model]
    if not known:
        return tuple(full_name(name) for name in wish if name)[:1]
    fit = [name for name, it in known.items() if not judges_only(it) and answers(it, rules.task_type)]
    return tuple(sorted(fit))


def _stand_in(rules: _Rules, candidates: tuple[str, ...]) -> Route:
    """None of them can: the first fallback that can, else they stay a wish."""
    why = f"{_listed(candidates) or 'every model'} cannot be used now"
    waiting = tuple(name for name in candidates if name in rules.known and rules.could(name))
    wish = Route(models=waiting or candidates, installed=bool(waiting))
    return _instead(rules, rules.chain(candidates), "", why) or wish


def _liked(rules: _Rules, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those with most of the labels that the agent prefers."""
    labels = rules.agent.prefer_labels
    shared = {name: shared_labels(rules.known[name], labels) for name in names}
    return tuple(name for name in names if shared[name] == max(shared.values()))


_FITS: tuple[tuple[str, Callable[[KnownModel, str], bool]], ...] = (
    ("labelled for it", is_labelled),
    ("made for it", is_made_for),
)


def _fitting(rules: _Rules, names: tuple[str, ...], kinds: Sequence[str]) -> tuple[str, str, tuple[str, ...]]:
    """The first kind of the task that some of the models are for, how that is known, and these models."""
    for kind in kinds:
        for words, fits in _FITS:
            fitting = tuple(name for name in names if fits(rules.known[name], kind))
            if fitting:
                return kind, words, fitting
    return "", "", ()


def _which(rules: _Rules, chosen: tuple[str, ...], *, is_liked: bool) -> str:
    """What is said of models that are not for any kind of task."""
    labels = f" labelled {', '.join(rules.agent.prefer_labels)}" if is_liked else ""
    if len(chosen) == 1:
        return f"is the only one{labels or ' that can'}"
    whose = "the agent's" if rules.agent.models else "the installed"
    return f"any of {whose} {len(chosen)}{labels or ' that can'}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def chain(models: Collection[str], *, agent: AgentModels, instead: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The models to go on with, in order: the agent's, then those of the models, then those of these.

    Each once and never one of the models themselves, so that no circle of fallbacks goes round. What an agent may not
    use it does not fall back to, unless it names it as a fallback itself.
    """
    own = [full_name(name) for name in agent.fallbacks if name.strip()]
    allowed = {full_name(name) for name in agent.models} | set(own)
    queue = own + [full_name(name) for model in models for name in instead.get(model, ())]
    seen: dict[str, None] = {}
    for name in queue:  # grows while it is read
        if not name or name in models or name in seen or (agent.models and name not in allowed):
            continue
        seen[name] = None
        queue += [full_name(other) for other in instead.get(name, ())]
    return tuple(seen)[:MOST_FALLBACKS]


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
