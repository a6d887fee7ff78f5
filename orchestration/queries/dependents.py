"""Who would miss a model: agents, workflows, decisions about models, fleet defaults, conversations, waiting tasks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import F
from typing_extensions import TypedDict

from orchestration.models import Agent, Conversation, FleetDefaults, Lane, ModelConfig, Task, WorkflowVersion
from orchestration.policy.routing import full_name
from orchestration.policy.states import UNFINISHED, ErrandType

_SHOWN = 5


class Dependent(TypedDict):
    """``kind``: agent, workflow, model-config or defaults; ``how``: what it names the model as, for people."""

    kind: str
    id: int
    name: str
    how: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependents:
    """Of one model. ``conversations``: with agents that name it; ``tasks``: unfinished ones that may use it."""

    model: str
    named_by: tuple[Dependent, ...] = ()
    conversations: int = 0
    tasks: int = 0

    def __bool__(self) -> bool:
        return bool(self.named_by or self.tasks)

    def of_kind(self, kind: str) -> list[Dependent]:
        return [each for each in self.named_by if each["kind"] == kind]

    @property
    def words(self) -> str:
        """For people: ``agent writer (default model), workflow digest (step plan) and 3 unfinished tasks``."""
        parts = [_in_words(each) for each in self.named_by[:_SHOWN]]
        if len(self.named_by) > _SHOWN:
            parts.append(f"{len(self.named_by) - _SHOWN} more")
        parts += [_counted(self.conversations, "conversation")] if self.conversations else []
        parts += [_counted(self.tasks, "unfinished task")] if self.tasks else []
        return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _in_words(each: Dependent) -> str:
    return each["how"] if each["kind"] == "defaults" else f"{each['kind']} {each['name']} ({each['how']})"


def dependents(name: str) -> Dependents:
    """What would work otherwise or not at all without the model, whether or not it is installed now."""
    wanted = full_name(name)
    agents = list(_agents(wanted))
    talks = Conversation.objects.filter(agent_id__in=[each["id"] for each in agents]).count() if agents else 0
    return Dependents(
        model=wanted,
        named_by=(*agents, *_workflows(wanted), *_configs(wanted), *_defaults(wanted)),
        conversations=talks,
        tasks=_tasks(wanted),
    )


def _agents(wanted: str) -> Iterator[Dependent]:
    fields = ("pk", "name", "models", "default_model", "routing_preferences", "fallbacks")
    for row in Agent.objects.only(*fields):
        preferred = sorted(kind for kind, model in row.routing_preferences.items() if _is(model, wanted))
        ways = [
            "its only model" if len(row.models) == 1 and _among(row.models, wanted) else "",
            "one of its models" if len(row.models) > 1 and _among(row.models, wanted) else "",
            "default model" if _is(row.default_model, wanted) else "",
            f"preferred for {', '.join(preferred)}" if preferred else "",
            "fallback" if _among(row.fallbacks, wanted) else "",
        ]
        if how := ", ".join(filter(None, ways)):
            yield Dependent(kind="agent", id=row.pk, name=row.name, how=how)


def _workflows(wanted: str) -> Iterator[Dependent]:
    """As their latest versions have them: earlier ones are history."""
    latest = WorkflowVersion.objects.filter(number=F("workflow__latest")).select_related("workflow")
    for version in latest.order_by("workflow__name"):
        steps = [
            str(step.get("name"))
            for step in version.definition.get("steps") or ()
            if _is(step.get("model_name"), wanted)
        ]
        if steps:
            how = f"step{'s' if len(steps) > 1 else ''} {', '.join(steps)}"
            yield Dependent(kind="workflow", id=version.workflow_id, name=version.workflow.name, how=how)


def _configs(wanted: str) -> Iterator[Dependent]:
    for row in ModelConfig.objects.only("pk", "model_name", "fallbacks"):
        ways = [
            "what was decided about it" if _is(row.model_name, wanted) else "",
            "falls back to it" if _among(row.fallbacks, wanted) else "",
        ]
        if how := ", ".join(filter(None, ways)):
            yield Dependent(kind="model-config", id=row.pk, name=row.model_name, how=how)


def _defaults(wanted: str) -> Iterator[Dependent]:
    row = FleetDefaults.objects.first()
    if row and _is(row.default_model, wanted):
        yield Dependent(kind="defaults", id=row.pk, name="fleet", how="the default model of the fleet")


def _tasks(wanted: str) -> int:
    """Lanes are few, and name the models that their tasks may use. Errands name a model to act on it."""
    lanes = Lane.objects.exclude(type__in=list(ErrandType)).values_list("pk", "models")
    named = [pk for pk, models in lanes if wanted in models]
    return Task.objects.filter(lane_id__in=named, status__in=UNFINISHED).count() if named else 0


def _among(names: Iterable[Any], wanted: str) -> bool:
    return any(_is(name, wanted) for name in names)


def _is(name: Any, wanted: str) -> bool:
    return isinstance(name, str) and bool(name.strip()) and full_name(name) == wanted
