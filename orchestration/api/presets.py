"""Presets and the fleet's defaults over REST."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Router
from ninja.responses import Status
from pydantic import Field
from typing_extensions import TypedDict

from orchestration import payloads
from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, Seconds, ShortText, Think
from orchestration.payloads import DefaultsPayload, PresetPayload
from orchestration.queries import presets as queries
from orchestration.queries.levels import fleet_defaults
from orchestration.queries.presets import PresetUser
from orchestration.services import defaults
from orchestration.services import presets as service

router = Router(tags=["presets"])

PresetName = Annotated[str, Field(max_length=60)]


class PresetChanges(Body):
    """Fields that are not sent stay as they are."""

    name: PresetName = ""
    description: Annotated[str, Field(max_length=300)] = ""
    options: dict[str, Any] = Field({}, description="Ollama options, without those that make a model load anew.")
    think: Think = None


class PresetNew(PresetChanges):
    name: PresetName


class DefaultsChanges(Body):
    """Fields that are not sent stay as they are; null and empty say nothing."""

    default_model: ShortText = Field("", description="For agents that name no model.")
    preset: PresetName = ""
    options: dict[str, Any] = Field({}, description="Ollama options, those of the runner too.")
    think: Think = None
    timeout_seconds: Seconds | None = None
    keep_alive_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class PresetDetail(PresetPayload):
    used_by: list[PresetUser]


class PresetList(TypedDict):
    presets: list[PresetPayload]
    next_cursor: str | None


@router.get("/presets", response={200: PresetList, **errors(403)}, summary="List presets")
def list_presets(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> PresetList:
    """The built-in ones first."""
    viewer_of(request)
    rows, following = page(queries.presets(), limit=limit, cursor=cursor)
    return PresetList(presets=rows, next_cursor=following)


@router.post("/presets", response={201: PresetPayload, **errors(403, 409, 413)}, summary="Add a preset")
def create_preset(request: HttpRequest, body: PresetNew) -> Status[PresetPayload]:
    row = service.create(actor=actor_of(request), **body.model_dump(exclude_unset=True))
    return Status(201, payloads.preset(row))


@router.get(
    "/presets/{preset}", response={200: PresetDetail, **errors(403, 404)}, summary="One preset, and what uses it"
)
def get_preset(request: HttpRequest, preset: str) -> PresetDetail:
    """By id or name."""
    viewer_of(request)
    row = queries.get_preset(preset)
    return PresetDetail(**payloads.preset(row), used_by=queries.users_of(row.name))


@router.put("/presets/{preset}", response={200: PresetPayload, **errors(403, 404, 409, 413)}, summary="Change a preset")
def change_preset(request: HttpRequest, preset: str, body: PresetChanges) -> PresetPayload:
    """What names it goes on naming it, under its new name too."""
    row = queries.get_preset(preset)
    changed = service.update(actor=actor_of(request), preset_id=row.pk, **body.model_dump(exclude_unset=True))
    return payloads.preset(changed)


@router.post(
    "/presets/{preset}/restore",
    response={200: PresetPayload, **errors(403, 404)},
    summary="Make a built-in preset as it was",
)
def restore_preset(request: HttpRequest, preset: str) -> PresetPayload:
    row = queries.get_preset(preset)
    return payloads.preset(service.restore(actor=actor_of(request), preset_id=row.pk))


@router.delete("/presets/{preset}", response={204: None, **errors(403, 404, 409)}, summary="Delete a preset")
def delete_preset(request: HttpRequest, preset: str) -> Status[None]:
    """Refused with 409 and all that names it while it is used."""
    row = queries.get_preset(preset)
    service.delete(actor=actor_of(request), preset_id=row.pk)
    return Status(204, None)


@router.get("/defaults", response={200: DefaultsPayload, **errors(403)}, summary="The fleet's defaults")
def get_defaults(request: HttpRequest) -> DefaultsPayload:
    viewer_of(request)
    return payloads.fleet_defaults(fleet_defaults())


@router.put("/defaults", response={200: DefaultsPayload, **errors(403, 413)}, summary="Change the fleet's defaults")
def change_defaults(request: HttpRequest, body: DefaultsChanges) -> DefaultsPayload:
    row = defaults.update(actor=actor_of(request), **body.model_dump(exclude_unset=True))
    return payloads.fleet_defaults(row)
