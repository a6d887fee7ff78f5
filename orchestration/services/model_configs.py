"""What the team decides about a model."""

from typing import Any

from django.db import transaction

from orchestration import events
from orchestration.errors import InvalidInput, NotFound
from orchestration.models import ModelConfig
from orchestration.permissions import Action, Actor, require
from orchestration.policy.options import check_options
from orchestration.policy.routing import full_name
from orchestration.services import audit
from orchestration.services.fields import apply, save
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
)


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
    apply(config, fields, FIELDS)
    config.model_name = full_name(config.model_name)
    for name in ("labels", "fallbacks"):
        value = getattr(config, name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise InvalidInput(f"{name} is a list of strings.", field=name)
    if not isinstance(config.options, dict):
        raise InvalidInput("options maps option names to values.", field="options")
    config.options = check_options(config.options)
    check_retry_fields(config)
    save(config)
