"""Presets, and who uses them."""

from collections.abc import Iterator

from django.db.models import F
from typing_extensions import TypedDict

from orchestration import payloads
from orchestration.errors import NotFound
from orchestration.models import Agent, FleetDefaults, ModelConfig, Preset, WorkflowVersion
from orchestration.payloads import PresetPayload
from orchestration.queries.ids import by_id_or_name


class PresetUser(TypedDict):
    """``kind``: agent, model, defaults or workflow; ``words``: for people."""

    kind: str
    id: int
    name: str
    words: str


def presets() -> list[PresetPayload]:
    """The built-in ones first."""
    return [payloads.preset(row) for row in Preset.objects.all()]


def get_preset(id_or_name: str | int) -> Preset:
    row = by_id_or_name(Preset.objects.all(), str(id_or_name))
    if row is None:
        raise NotFound(f"There is no preset {id_or_name}.")
    return row


def users_of(name: str) -> list[PresetUser]:
    return [*_rows(name), *_workflows(name)]


def _rows(name: str) -> Iterator[PresetUser]:
    if FleetDefaults.objects.filter(preset=name).exists():
        yield PresetUser(kind="defaults", id=1, name="defaults", words="the fleet's defaults")
    for pk, model in ModelConfig.objects.filter(preset=name).order_by("model_name").values_list("pk", "model_name"):
        yield PresetUser(kind="model", id=pk, name=model, words=f"model {model}")
    for pk, agent in Agent.objects.filter(preset=name).order_by("name").values_list("pk", "name"):
        yield PresetUser(kind="agent", id=pk, name=agent, words=f"agent {agent}")


def _workflows(name: str) -> Iterator[PresetUser]:
    """As their latest versions have them."""
    latest = WorkflowVersion.objects.filter(number=F("workflow__latest")).select_related("workflow")
    for version in latest.order_by("workflow__name"):
        if any(step.get("preset") == name for step in version.definition.get("steps") or ()):
            called = version.workflow.name
            yield PresetUser(kind="workflow", id=version.workflow_id, name=called, words=f"workflow {called}")
