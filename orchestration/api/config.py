"""The whole configuration over REST: out as a file, in as one or not at all, and back to how it was at first."""

from typing import Annotated, Any, Literal
from urllib.parse import unquote

from django.http import HttpRequest, HttpResponse
from ninja import Header, Query, Router
from pydantic import Field

from orchestration.api.auth import actor_of
from orchestration.api.bodies import Body
from orchestration.api.problems import errors
from orchestration.api.workflow_bodies import YAML_TYPES
from orchestration.errors import InvalidConfig
from orchestration.payloads.transfer import ImportPayload, ValidationPayload, change, counted
from orchestration.policy.transfer import Document, parse, written
from orchestration.services import transfer as service
from orchestration.services.transfer import Mode, Outcome

router = Router(tags=["configuration"])

AsText = Annotated[Literal["json", "yaml"], Query(alias="format", description="json or yaml")]
Sections = Annotated[str, Query(description="Names with commas between them; all where none is named.")]
DryRun = Annotated[bool, Query(description="Only tell what it would do.")]
How = Annotated[
    Mode, Query(description="merge adds and changes; replace also removes what the sections of the document have not.")
]
BasedOn = Annotated[str, Query(description="Of a dry run: 409 when the configuration has changed since.")]
Passphrase = Annotated[
    str, Header(alias="X-Passphrase", description="Opens the credentials in the document; percent-encoded.")
]

_TEXT: dict[str, Any] = {"schema": {"type": "string"}}
_OUT = {"responses": {200: {"content": {"application/json": {"schema": {"type": "object"}}, YAML_TYPES[0]: _TEXT}}}}
_IN = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}, YAML_TYPES[0]: _TEXT},
    }
}


class SecretsExport(Body):
    """What is exported with the credentials of the nodes."""

    passphrase: Annotated[str, Field(max_length=1000)]
    format: Literal["json", "yaml"] = "json"
    sections: list[str] = Field(default_factory=list, max_length=50)


class Reset(Body):
    """No sections: presets, fleet_defaults, model_configs and retention."""

    sections: list[str] = Field(default_factory=list, max_length=50)
    dry_run: bool = False
    based_on: Annotated[str, Field(max_length=100)] = ""


@router.get("/config/export", response={200: Any, **errors(403)}, summary="The configuration", openapi_extra=_OUT)
def export_config(request: HttpRequest, form: AsText = "json", sections: Sections = "") -> HttpResponse:
    """The same configuration is always the same text. It has no ids and no secrets."""
    return _file(service.export(actor=actor_of(request), names=_names(sections)), form)


@router.post(
    "/config/export",
    response={200: Any, **errors(403, 413, 422)},
    summary="The configuration with sealed credentials",
    openapi_extra=_OUT,
)
def export_config_with_secrets(request: HttpRequest, body: SecretsExport) -> HttpResponse:
    """For admins. The credentials of the nodes are in it, and nobody can open them without the passphrase."""
    document = service.export_with_secrets(actor=actor_of(request), passphrase=body.passphrase, names=body.sections)
    return _file(document, body.format)


@router.post(
    "/config/import",
    response={200: ImportPayload, **errors(403, 409, 413, 422)},
    summary="Import a configuration",
    openapi_extra=_IN,
)
def import_config(
    request: HttpRequest,
    dry_run: DryRun = False,
    mode: How = Mode.MERGE,
    based_on: BasedOn = "",
    passphrase: Passphrase = "",
) -> ImportPayload:
    """JSON or YAML, everything or nothing. All that is wrong with it is listed in ``detail.problems``, with paths."""
    outcome = service.import_(
        actor=actor_of(request),
        data=_document(request),
        mode=mode,
        dry_run=dry_run,
        based_on=based_on,
        passphrase=unquote(passphrase),
    )
    return payload(outcome)


@router.post(
    "/config/validate",
    response={200: ValidationPayload, **errors(403, 413)},
    summary="Check a configuration",
    openapi_extra=_IN,
)
def validate_config(request: HttpRequest, mode: How = Mode.MERGE, passphrase: Passphrase = "") -> ValidationPayload:
    """Every problem, or what importing it would do. Nothing is changed."""
    try:
        outcome = service.import_(
            actor=actor_of(request), data=_document(request), mode=mode, dry_run=True, passphrase=unquote(passphrase)
        )
    except InvalidConfig as error:
        return ValidationPayload(valid=False, problems=error.detail["problems"], outcome=None)
    return ValidationPayload(valid=True, problems=[], outcome=payload(outcome))


@router.post(
    "/config/reset",
    response={200: ImportPayload, **errors(403, 409, 413, 422)},
    summary="Back to the defaults",
)
def reset_config(request: HttpRequest, body: Reset) -> ImportPayload:
    """For admins. Sections become what they are in a new Drover."""
    outcome = service.reset(actor=actor_of(request), names=body.sections, dry_run=body.dry_run, based_on=body.based_on)
    return payload(outcome)


def payload(outcome: Outcome) -> ImportPayload:
    return ImportPayload(
        applied=outcome.applied,
        mode=outcome.mode.value,
        counts=counted(outcome.changes, outcome.unchanged),
        changes=[change(row) for row in outcome.changes],
        credentials_restored=outcome.restored,
        warnings=outcome.warnings,
        based_on=outcome.based_on,
    )


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _document(request: HttpRequest) -> Any:
    return parse(request.body, yaml=request.content_type in YAML_TYPES)


def _file(document: Document, form: str) -> HttpResponse:
    kind = YAML_TYPES[0] if form == "yaml" else "application/json"
    answer = HttpResponse(written(document, yaml=form == "yaml"), content_type=kind)
    answer["Content-Disposition"] = f'attachment; filename="drover-config.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer
