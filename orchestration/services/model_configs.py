"""What the team decides about a model."""

from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import ModelConfig, Node, NodeModel
from orchestration.permissions import Action, Actor, require
from orchestration.policy.fleet import may_run
from orchestration.policy.routing import full_name
from orchestration.services import audit
from orchestration.services.fields import apply, save
from orchestration.services.manners import check_manner
from orchestration.services.tries import RETRY_FIELDS, check_retry_fields

FIELDS = (
    "model_name",
    "enabled",
    "priority",
    "max_concurrent_requests",
    "timeout_seconds",
    *RETRY_FIELDS,
    "keep_alive_seconds",
    "options",
    "labels",
    "fallbacks",
    "description",
    "preset",
    "think",
    "allowed_nodes",
)
MOST_NODES = 200


@transaction.atomic
def create(*, actor: Actor, **fields: Any) -> ModelConfig:
    require(actor, Action.EDIT_MODEL)
    config = ModelConfig()
    _save(config, fields)
    audit.record(actor, "model_config.created", config)
    _announce(config, "created")
    return config


@transaction.atomic
def update(*, actor: Actor, config_id: int, **fields: Any) -> ModelConfig:
    require(actor, Action.EDIT_MODEL)
    config = _locked(config_id)
    before = {name: getattr(config, name) for name in FIELDS}
    _save(config, fields)
    after = {name: getattr(config, name) for name in FIELDS}
    audit.record(actor, "model_config.changed", config, changes=audit.changes(before, after))
    _announce(config, "changed")
    return config


@transaction.atomic
def delete(*, actor: Actor, config_id: int) -> None:
    require(actor, Action.EDIT_MODEL)
    config = _locked(config_id)
    audit.record(actor, "model_config.deleted", config)
    _announce(config, "deleted")
    config.delete()


def _announce(config: ModelConfig, change: str) -> None:
    events.on_commit(("model", {"name": config.model_name, "change": change}), wake=True)


def _locked(config_id: int) -> ModelConfig:
    config = ModelConfig.objects.select_for_update().filter(pk=config_id).first()
    if config is None:
        raise NotFound(f"There is no model configuration {config_id}.")
    return config


def _save(config: ModelConfig, fields: dict[str, Any]) -> None:
    """Raises InvalidInput that names every problem."""
    apply(config, fields, FIELDS)
    config.model_name = full_name(config.model_name)
    problems = {**_check_lists(config), **check_manner(config, preset="preset" in fields)}
    try:
        check_retry_fields(config)
    except InvalidInput as error:
        problems[str(error.detail["field"])] = error.message
    save(config, problems=problems)


def _check_lists(config: ModelConfig) -> dict[str, str]:
    problems = {}
    for name in ("labels", "fallbacks", "allowed_nodes"):
        value = getattr(config, name)
        if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
            problems[name] = f"{name} is a list of strings, none of them empty."
        elif len(value) > MOST_NODES:
            problems[name] = f"{name} has at most {MOST_NODES} entries."
        else:
            setattr(config, name, list(dict.fromkeys(item.strip() for item in value)))
    return problems


def rename_node(before: str, after: str) -> None:
    """Models that are kept to a node by its name stay kept to it when it is called otherwise."""
    for config in ModelConfig.objects.select_for_update().exclude(allowed_nodes=[]):
        if before in config.allowed_nodes:
            config.allowed_nodes = list(dict.fromkeys(after if it == before else it for it in config.allowed_nodes))
            config.save(update_fields=["allowed_nodes", "updated_at"])


def warnings(config: ModelConfig) -> list[str]:
    """What it names that is not there: worth knowing, not errors."""
    if not config.allowed_nodes:
        return []
    rows = list(Node.objects.order_by("name"))
    known = {name for row in rows for name in (row.name, *row.labels)}
    unknown = [f"No node is called or labelled {name}." for name in config.allowed_nodes if name not in known]
    holders = set(
        NodeModel.objects.filter(model__name=config.model_name, installed=True).values_list("node_id", flat=True)
    )
    able = [row for row in rows if may_run(config.allowed_nodes, row.name, row.labels)]
    if able and holders and not any(row.pk in holders for row in able):
        unknown.append(f"None of the nodes that may run it has it: {', '.join(row.name for row in able[:5])}.")
    return unknown
