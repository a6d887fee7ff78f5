"""What the team decided about models, over REST."""

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status

from orchestration import payloads, queries
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import (
    LIMIT_DEFAULT,
    Cursor,
    Limit,
    ModelConfigChanges,
    ModelConfigList,
    ModelConfigNew,
    laid_flat,
)
from orchestration.models import ModelConfig
from orchestration.payloads import ModelConfigPayload
from orchestration.services import model_configs as service

router = Router(tags=["models"])


@router.get("/model-configs", response={200: ModelConfigList, **errors(403)}, summary="List model configurations")
def list_model_configs(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> ModelConfigList:
    viewer_of(request)
    rows, following = page(queries.model_configs(), limit=limit, cursor=cursor)
    return ModelConfigList(model_configs=rows, next_cursor=following)


@router.post(
    "/model-configs",
    response={201: ModelConfigPayload, **errors(403, 409, 413)},
    summary="Configure a model",
)
def create_model_config(request: HttpRequest, body: ModelConfigNew) -> Status[ModelConfigPayload]:
    """The model need not be installed anywhere yet."""
    row = service.create(actor=actor_of(request), **laid_flat(body.model_dump(exclude_unset=True)))
    return Status(201, _payload(row))


@router.get(
    "/model-configs/{int:config_id}",
    response={200: ModelConfigPayload, **errors(403, 404)},
    summary="One model configuration",
)
def get_model_config(request: HttpRequest, config_id: int) -> ModelConfigPayload:
    viewer_of(request)
    return _payload(queries.get_model_config(config_id))


@router.put(
    "/model-configs/{int:config_id}",
    response={200: ModelConfigPayload, **errors(403, 404, 409, 413)},
    summary="Change a model configuration",
)
def change_model_config(request: HttpRequest, config_id: int, body: ModelConfigChanges) -> ModelConfigPayload:
    row = service.update(actor=actor_of(request), config_id=config_id, **laid_flat(body.model_dump(exclude_unset=True)))
    return _payload(row)


@router.delete(
    "/model-configs/{int:config_id}",
    response={204: None, **errors(403, 404)},
    summary="Delete a model configuration",
)
def delete_model_config(request: HttpRequest, config_id: int) -> Status[None]:
    service.delete(actor=actor_of(request), config_id=config_id)
    return Status(204, None)


def _payload(row: ModelConfig) -> ModelConfigPayload:
    return {**payloads.model_config(row), "warnings": service.warnings(row)}
