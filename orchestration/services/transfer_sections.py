"""The sections of the configuration: how each is read from its table, and which services write it.

They stand in the order in which they are applied: what is named comes before who names it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F

from orchestration.errors import InvalidInput
from orchestration.models import Agent, FleetDefaults, ModelConfig, Node, Preset, RetentionRule, WorkflowVersion
from orchestration.permissions import Actor
from orchestration.policy.presets import BUILT_IN
from orchestration.policy.retention import problem
from orchestration.policy.routing import full_name
from orchestration.policy.transfer import FORMAT, VERSION, Column, Document, Fields, Kind, Shape
from orchestration.services import agents, defaults, model_configs, nodes, presets, retention, workflows

Row = tuple[int, Fields]
"""The key of a row, and its fields as the document has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """``kept``: objects that nobody can remove. ``samples``: values that are certainly right, for required fields
    whose own are wrong, so that what else is wrong with the object can be told too. ``{n}`` is a number."""

    shape: Shape
    rows: Callable[[], Iterable[Row]]
    update: Callable[[Actor, int, Fields], Any]
    create: Callable[[Actor, Fields], Any]
    delete: Callable[[Actor, int], Any]
    kept: frozenset[str] = frozenset()
    samples: Mapping[str, str] = field(default_factory=dict)
    removed_last: bool = False

    def complete(self, fields: Fields) -> Fields:
        """With what a field is where nobody says anything."""
        silent = {
            column.name: deepcopy(column.default)
            for column in self.shape.columns or ()
            if column.nullable or column.default is not None
        }
        return {**silent, **fields}


_KINDS: "tuple[tuple[type[models.Field[Any, Any]], Kind], ...]" = (
    (models.BooleanField, Kind.FLAG),
    (models.IntegerField, Kind.WHOLE),
    (models.FloatField, Kind.NUMBER),
    (models.CharField, Kind.TEXT),
    (models.TextField, Kind.TEXT),
)


def columns_of(table: type[models.Model], names: Iterable[str], **defaults: Any) -> tuple[Column, ...]:
    """Those of the names that are fields of the table, with what they hold and what they are at first."""
    known = {each.name: each for each in table._meta.concrete_fields}
    return tuple(_column(known[name], defaults) for name in names if name in known)


def _column(each: "models.Field[Any, Any]", defaults: Mapping[str, Any]) -> Column:
    optional = each.blank or each.has_default()
    default = defaults.get(each.name, each.get_default() if optional else None)
    return Column(name=each.name, kind=_kind(each), nullable=each.null, default=default)


def _kind(each: "models.Field[Any, Any]") -> Kind:
    if isinstance(each, models.JSONField):
        default = each.get_default()
        return Kind.TEXTS if isinstance(default, list) else Kind.OBJECT if isinstance(default, dict) else Kind.ANY
    return next(kind for table, kind in _KINDS if isinstance(each, table))


def read_rows(table: type[models.Model], columns: Sequence[Column]) -> Iterator[Row]:
    names = [column.name for column in columns]
    for pk, *values in table._default_manager.order_by().values_list("pk", *names):
        yield pk, dict(zip(names, values, strict=True))


def _presets() -> Section:
    columns = columns_of(Preset, presets.FIELDS)
    return Section(
        shape=Shape(name="presets", noun="preset", columns=columns),
        rows=lambda: read_rows(Preset, columns),
        create=lambda actor, fields: presets.create(actor=actor, **fields),
        update=lambda actor, pk, fields: presets.update(actor=actor, preset_id=pk, **fields),
        delete=lambda actor, pk: presets.delete(actor=actor, preset_id=pk),
        kept=frozenset(BUILT_IN),
        samples={"name": "sample {n}"},
        removed_last=True,
    )


def _fleet_defaults() -> Section:
    columns = columns_of(FleetDefaults, defaults.FIELDS)
    names = [column.name for column in columns]

    def rows() -> Iterable[Row]:
        return list(read_rows(FleetDefaults, columns)) or [
            (0, {name: getattr(FleetDefaults(), name) for name in names})
        ]

    def update(actor: Actor, _: int, fields: Fields) -> None:
        defaults.update(actor=actor, **fields)

    return Section(
        shape=Shape(name="fleet_defaults", noun="defaults", columns=columns, single=True, whole="the fleet"),
        rows=rows,
        create=lambda actor, fields: update(actor, 0, fields),
        update=update,
        delete=lambda actor, pk: None,
    )


def _nodes() -> Section:
    columns = columns_of(
        Node,
        (name for name in nodes.FIELDS if name not in _OF_THIS_PLACE),
        slots_per_model=settings.DROVER_SLOTS_PER_MODEL,
    )
    return Section(
        shape=Shape(name="nodes", noun="node", columns=columns),
        rows=lambda: read_rows(Node, columns),
        create=lambda actor, fields: nodes.create(actor=actor, **fields),
        update=lambda actor, pk, fields: nodes.update(actor=actor, node_id=pk, **fields),
        delete=lambda actor, pk: nodes.delete(actor=actor, node_id=pk),
        samples={"name": "sample {n}", "base_url": "http://sample-{n}.invalid:11434"},
    )


_OF_THIS_PLACE = frozenset({"sealed_headers", "header_names", "draining", "drain_note", "drain_until"})
"""Secrets, and what is only so for a while."""


def _model_configs() -> Section:
    columns = columns_of(ModelConfig, model_configs.FIELDS)
    return Section(
        shape=Shape(name="model_configs", noun="configuration", key="model_name", columns=columns, normal=full_name),
        rows=lambda: read_rows(ModelConfig, columns),
        create=lambda actor, fields: model_configs.create(actor=actor, **fields),
        update=lambda actor, pk, fields: model_configs.update(actor=actor, config_id=pk, **fields),
        delete=lambda actor, pk: model_configs.delete(actor=actor, config_id=pk),
        samples={"model_name": "sample:{n}"},
    )


def _agents() -> Section:
    columns = columns_of(Agent, agents.FIELDS)
    return Section(
        shape=Shape(name="agents", noun="agent", columns=columns),
        rows=lambda: read_rows(Agent, columns),
        create=lambda actor, fields: agents.create(actor=actor, **fields),
        update=lambda actor, pk, fields: agents.update(actor=actor, agent_id=pk, **fields),
        delete=lambda actor, pk: agents.delete(actor=actor, agent_id=pk),
        kept=frozenset({agents.DEFAULT}),
        samples={"name": "sample {n}"},
    )


def _workflows() -> Section:
    return Section(
        shape=Shape(name="workflows", noun="workflow"),
        rows=_definitions,
        create=lambda actor, fields: workflows.create(actor=actor, definition=fields, note=_NOTE),
        update=lambda actor, pk, fields: workflows.update(actor=actor, workflow_id=pk, definition=fields, note=_NOTE),
        delete=lambda actor, pk: workflows.delete(actor=actor, workflow_id=pk),
    )


_NOTE = "Imported"


def _definitions() -> Iterator[Row]:
    """The newest of each, which name their agents."""
    names = dict(Agent.objects.values_list("pk", "name"))
    newest = WorkflowVersion.objects.filter(number=F("workflow__latest")).order_by()
    for pk, definition in newest.values_list("workflow_id", "definition"):
        steps = [_by_name(step, names) for step in definition.get("steps", ())]
        yield pk, {**_by_name(definition, names), "steps": steps}


def _by_name(given: Fields, names: Mapping[int, str]) -> Fields:
    agent = str(given.get("agent", ""))
    return {**given, "agent": names[int(agent)]} if agent.isdecimal() and int(agent) in names else given


def _retention() -> Section:
    columns = (
        Column(name="agent", kind=Kind.TEXT, nullable=True),
        *columns_of(RetentionRule, ("text_days", "task_days", "keep_collected")),
    )
    return Section(
        shape=Shape(name="retention", noun="rule", key="agent", whole="all others", columns=columns),
        rows=lambda: _rules(columns),
        create=_add_rule,
        update=lambda actor, pk, fields: retention.change_rule(actor=actor, rule_id=pk, **_without_agent(fields)),
        delete=lambda actor, pk: retention.remove_rule(actor=actor, rule_id=pk),
    )


def _rules(columns: Sequence[Column]) -> Iterator[Row]:
    for rule in RetentionRule.objects.order_by().select_related("agent"):
        values = {column.name: getattr(rule, column.name) for column in columns}
        yield rule.pk, {**values, "agent": rule.agent.name if rule.agent else None}


def _add_rule(actor: Actor, fields: Fields) -> Any:
    name = fields.get("agent")
    agent = Agent.objects.filter(name=name).first()
    if name is not None and agent is None:
        also, why = problem(fields.get("text_days"), fields.get("task_days"))
        raise InvalidInput(why, fields={"agent": f"There is no agent {name}.", **({also: why} if also else {})})
    return retention.add_rule(actor=actor, agent=agent, **_without_agent(fields))


def _without_agent(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if name != "agent"}


def sections() -> list[Section]:
    return [_presets(), _fleet_defaults(), _nodes(), _model_configs(), _agents(), _workflows(), _retention()]


def blank(wanted: Iterable[Shape]) -> Document:
    """These sections as they are in a new Drover."""
    built_in = [
        {"name": name, "description": preset.about, "options": dict(preset.options), "think": preset.think}
        for name, preset in BUILT_IN.items()
    ]
    fresh: Document = {
        "presets": built_in,
        "agents": [{"name": agents.DEFAULT, **agents.OF_DEFAULT}],
    }
    return {FORMAT: VERSION, **{shape.name: fresh.get(shape.name, {} if shape.single else []) for shape in wanted}}
