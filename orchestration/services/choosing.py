"""The models for a task that is submitted: what its agent says, what is installed, what the prompt asks for."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from orchestration import extensions
from orchestration.errors import DroverError, ModelUnavailable, Unprocessable
from orchestration.models import Agent, ModelConfig, Node, NodeModel
from orchestration.policy.effective import Level
from orchestration.policy.families import KnownModel, suits
from orchestration.policy.fleet import may_run
from orchestration.policy.kinds import Found, find
from orchestration.policy.routing import AgentModels, Route, chain, full_name, route, suggestion, why_not
from orchestration.policy.states import TaskType
from orchestration.queries.levels import Levels
from orchestration.services.specs import TaskSpec


class Choice(NamedTuple):
    """``reason``: why these models, in words. ``fallbacks``: those to go on with when they fail. ``thinks``: whether
    all of them are known to think."""

    models: tuple[str, ...]
    reason: str = ""
    fallbacks: tuple[str, ...] = ()
    thinks: bool = False


class Decided(NamedTuple):
    """What the team decided about a model; like this where nobody did."""

    enabled: bool = True
    labels: Sequence[str] = ()
    fallbacks: Sequence[str] = ()
    num_ctx: int | None = None
    preset: str = ""
    allowed_nodes: Sequence[str] = ()


class Chooser:
    """For the tasks of one agent in one submission; asks the database once for each node that they are bound to."""

    def __init__(
        self, agent: Agent, *, allow_missing: bool, fall_back: bool = True, levels: Levels | None = None
    ) -> None:
        self._agent = agent
        self.levels = levels or Levels()
        self._models = agent_models(agent, self.levels.defaults.default_model)
        self._allow_missing = allow_missing
        self._fall_back = fall_back
        self._decided = decisions()
        self._instead = {name: it.fallbacks for name, it in self._decided.items()} if fall_back else {}
        self._known: dict[int | None, dict[str, KnownModel]] = {}
        self._routes: dict[tuple[object, ...], Route] = {}

    def known(self, node_id: int | None = None) -> dict[str, KnownModel]:
        if node_id not in self._known:
            self._known[node_id] = known_models(node_id, self._decided)
        return self._known[node_id]

    def level(self, model: str) -> Level:
        """What the team decided about its context."""
        decided = self._decided.get(model, Decided())
        return self.levels.model_num_ctx(model, decided.num_ctx, decided.preset)

    def choose(self, spec: TaskSpec, tokens: int) -> Choice:
        """Raises ModelUnavailable, Unprocessable. ``tokens``: of prompt and answer."""
        found = find(texts_of(spec), task_type=spec.type, images=images_of(spec), tokens=tokens)
        routed, words = self._asked_router(spec) if self._agent.router and not spec.model_name else (None, "")
        chosen = routed or self._route(spec, found)
        reason = "; ".join(filter(None, (words, chosen.reason(found))))
        return Choice(chosen.models, reason, chosen.fallbacks, self._thinks(spec, chosen.models))

    def _route(self, spec: TaskSpec, found: Sequence[Found]) -> Route:
        """Raises ModelUnavailable, Unprocessable."""
        key = (spec.type, spec.model_name, spec.node_id, images_of(spec) > 0, tuple(it.kind for it in found))
        if key not in self._routes:
            known = self.known(spec.node_id)
            waits = self._allow_missing and spec.model_name and full_name(spec.model_name) not in known
            chosen = route(
                task_type=_as_type(spec.type),
                wanted=spec.model_name,
                agent=self._models,
                known=known,
                found=found,
                images=images_of(spec) > 0,
                instead=self._instead,
                fall_back=self._fall_back and not waits,
            )
            self._check(chosen, spec)
            self._routes[key] = chosen
        return self._routes[key]

    def _check(self, chosen: Route, spec: TaskSpec) -> None:
        known = self.known(spec.node_id)
        there = [known[name] for name in chosen.models if name in known]
        if images_of(spec) and there and not any(suits(it, _as_type(spec.type), images=True) for it in there):
            raise self._blind(there, known)
        if not chosen.installed and not self._allow_missing:
            raise self._unavailable(chosen, spec)
        allowed = [full_name(name) for name in self._agent.models]
        if spec.model_name and allowed and full_name(spec.model_name) not in allowed:
            raise Unprocessable(
                f"The agent {self._agent.name} may not use {spec.model_name}; it may use {', '.join(allowed)}.",
                model=spec.model_name,
                allowed=allowed,
            )

    def _blind(self, there: Sequence[KnownModel], known: Mapping[str, KnownModel]) -> Unprocessable:
        names = ", ".join(it.name for it in there[:3])
        seeing = [name for name, it in known.items() if "vision" in it.capabilities]
        hint = f"These do: {', '.join(sorted(seeing)[:8])}." if seeing else "No node has a model that does."
        return Unprocessable(f"{names} cannot look at images. {hint}", field="model_name", models=sorted(seeing))

    def _unavailable(self, chosen: Route, spec: TaskSpec) -> ModelUnavailable:
        names, known = ", ".join(chosen.models) or f"a model for {spec.type}", self.known(spec.node_id)
        who = "No node has" if spec.node_id is None else "The node it is bound to has not"
        return ModelUnavailable(
            f"{who} {names}. {suggestion(chosen.models, known)}", models=list(chosen.models), installed=sorted(known)
        )

    def _asked_router(self, spec: TaskSpec) -> tuple[Route | None, str]:
        """What the agent's router chose, and what is to be said of it; without a choice the rule decides."""
        name, known = self._agent.router, self.known(spec.node_id)
        allowed = [full_name(model) for model in self._agent.models] or list(known)
        able = [
            known[model]
            for model in allowed
            if not why_not(known.get(model), _as_type(spec.type), images=images_of(spec) > 0)
        ]
        request = extensions.RouteRequest(
            type=spec.type,
            prompt="\n\n".join(texts_of(spec)),
            agent=self._agent.name,
            models=[_shown(model) for model in able],
            images=images_of(spec),
        )
        try:
            choice = extensions.router(name).route(request)
        except DroverError as error:
            return None, f"{error.message} The rule decided"
        if choice is None:
            return None, f"the router {name} left it to the rule"
        models = tuple(choice.models)
        rest = chain(models, agent=self._models, instead=self._instead) if self._fall_back else ()
        return Route(models=models, installed=True, fallbacks=rest), f"{choice.reason} (router {name})"

    def _thinks(self, spec: TaskSpec, models: Sequence[str]) -> bool:
        known = self.known(spec.node_id)
        return all(name in known and "thinking" in known[name].capabilities for name in models)


def load_routers(agents: Iterable[Agent]) -> None:
    """Before a transaction begins: code that nobody has imported here yet may take its time, and all others wait for
    that transaction. What is wrong with it is said where it is asked."""
    for name in {agent.router for agent in agents if agent.router}:
        with suppress(DroverError):
            extensions.router(name)


def agent_models(agent: Agent, default_model: str = "") -> AgentModels:
    """``default_model``: the fleet's, for agents that name no model at all."""
    own = bool(agent.models or agent.default_model)
    return AgentModels(
        models=agent.models,
        default_model=agent.default_model if own else default_model,
        default_words="is the agent's default" if own else "is the fleet's default",
        preferences=agent.routing_preferences,
        prefer_labels=agent.prefer_labels,
        fallbacks=agent.fallbacks,
    )


def texts_of(spec: TaskSpec) -> list[str]:
    """What the user says, the latest last."""
    if spec.messages is None:
        return [spec.input] if isinstance(spec.input, str) else list(spec.input)
    return [each.get("content", "") for each in spec.messages if each.get("role") == "user"]


def images_of(spec: TaskSpec) -> int:
    return len(spec.images) + sum(len(each.get("images") or ()) for each in spec.messages or ())


def _as_type(task_type: str) -> str:
    """The type of Drover's own whose models do for it."""
    if task_type in set(TaskType):
        return task_type
    return TaskType.EMBED if extensions.need_of(task_type) == "embedding" else TaskType.GENERATE


def _shown(model: KnownModel) -> extensions.RouteModel:
    return extensions.RouteModel(
        name=model.name,
        capabilities=model.capabilities,
        labels=model.labels,
        context_length=model.context_length,
    )


def known_models(node_id: int | None = None, decided: Mapping[str, Decided] | None = None) -> dict[str, KnownModel]:
    """What is installed on any enabled node, or on this one, by full name; a node that is away still counts."""
    rows = NodeModel.objects.filter(installed=True, node__enabled=True)
    if node_id is not None:
        rows = NodeModel.objects.filter(installed=True, node=node_id)
    decided = decisions() if decided is None else decided
    fields = ("model__name", "model__capabilities", "model__context_length")
    found = {
        name: _known(name, capabilities, context, decided.get(name, Decided()))
        for name, capabilities, context in rows.values_list(*fields).distinct()
    }
    return found if node_id is None else _without_barred(found, node_id, decided)


def _without_barred(
    found: dict[str, KnownModel], node_id: int, decided: Mapping[str, Decided]
) -> dict[str, KnownModel]:
    """Without those that the team keeps to other nodes."""
    kept_to = {name: decided[name].allowed_nodes for name in found if name in decided and decided[name].allowed_nodes}
    if not kept_to:
        return found
    node, labels = Node.objects.values_list("name", "labels").get(pk=node_id)
    return {name: it for name, it in found.items() if may_run(kept_to.get(name, ()), node, labels)}


def _known(name: str, capabilities: Sequence[str], context: int | None, decided: Decided) -> KnownModel:
    return KnownModel(
        name=name,
        capabilities=frozenset(capabilities),
        context_length=context,
        labels=frozenset(decided.labels),
        enabled=decided.enabled,
    )


def decisions() -> dict[str, Decided]:
    """By model name."""
    fields = ("model_name", "enabled", "labels", "fallbacks", "options__num_ctx", "preset", "allowed_nodes")
    return {name: Decided(*rest) for name, *rest in ModelConfig.objects.order_by().values_list(*fields)}
