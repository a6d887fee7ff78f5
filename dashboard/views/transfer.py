"""The configuration out as a file, in from one after a look at what changes, and back to its beginnings."""

import json
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_POST

from dashboard.views import actor, done, page
from orchestration.errors import DroverError, InvalidConfig, InvalidInput
from orchestration.payloads.transfer import counted
from orchestration.permissions import Action, refusal
from orchestration.policy.transfer import parse, written
from orchestration.policy.transfer_diff import Change
from orchestration.services import transfer as service
from orchestration.services.transfer import Mode, Outcome

VALUE_SHOWN = 240
KINDS = {"yaml": "application/yaml", "json": "application/json"}
WORDS = {
    "presets": "Presets",
    "fleet_defaults": "Defaults of the fleet",
    "nodes": "Nodes",
    "model_configs": "Model configurations",
    "agents": "Agents",
    "workflows": "Workflows",
    "retention": "Retention",
}
ICONS = {"added": "plus", "changed": "retry", "removed": "trash"}


@page
def index(request: HttpRequest) -> HttpResponse:
    """First a look at what an import changes, then the import of what was looked at."""
    if request.method != "POST":
        return _page(request)
    text, mode = _text(request), Mode.REPLACE if request.POST.get("mode") == "replace" else Mode.MERGE
    given: dict[str, Any] = {"text": text, "mode": str(mode)}
    try:
        outcome = _imported(request, text, mode)
    except InvalidConfig as error:
        return _page(request, status=422, problems=error.detail["problems"], **given)
    except DroverError as error:
        if error.http_status == 403:
            raise
        return _page(request, status=422, problems=[{"path": "", "message": error.message}], **given)
    if outcome.applied:
        return done(request, f"Imported: {summary(outcome)}.", to=reverse("transfer"))
    with_secrets = bool(request.POST.get("passphrase"))
    return _page(request, look=_look(outcome), with_secrets=with_secrets, **given)


def _imported(request: HttpRequest, text: str, mode: Mode) -> Outcome:
    return service.import_(
        actor=actor(request),
        data=parse(text.encode(), yaml=not text.lstrip().startswith("{")),
        mode=mode,
        dry_run="import" not in request.POST,
        passphrase=request.POST.get("passphrase", ""),
        based_on=request.POST.get("based_on", ""),
    )


def _text(request: HttpRequest) -> str:
    """Browsers send line breaks of a text field as two characters."""
    file = request.FILES.get("file")
    if file is None:
        return request.POST.get("text", "").replace("\r\n", "\n")
    try:
        return str(file.read(), "utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput("The file is not UTF-8 text.", field="file") from error


@require_http_methods(["GET", "HEAD", "POST"])
@page
def export(request: HttpRequest) -> HttpResponse:
    """By POST with the credentials of the nodes, sealed with a passphrase."""
    given = request.POST if request.method == "POST" else request.GET
    form = "json" if given.get("format") == "json" else "yaml"
    if request.method == "POST":
        document = service.export_with_secrets(
            actor=actor(request), passphrase=given.get("passphrase", ""), names=given.getlist("sections")
        )
    else:
        document = service.export(actor=actor(request), names=given.getlist("sections"))
    answer = HttpResponse(written(document, yaml=form == "yaml"), content_type=KINDS[form])
    answer["Content-Disposition"] = f'attachment; filename="drover-config.{form}"'
    answer["Cache-Control"] = "no-store"
    return answer


@require_POST
@page
def reset(request: HttpRequest) -> HttpResponse:
    names, is_run = request.POST.getlist("sections"), "reset" in request.POST
    if not names:
        raise InvalidInput("Choose what is to be reset.", field="sections")
    try:
        outcome = service.reset(
            actor=actor(request), names=names, dry_run=not is_run, based_on=request.POST.get("based_on", "")
        )
    except InvalidConfig as error:
        return _page(request, status=422, problems=error.detail["problems"], resetting=names)
    if is_run:
        return done(request, f"Reset: {summary(outcome)}.", to=reverse("transfer"))
    return _page(request, look=_look(outcome), resetting=names)


def summary(outcome: Outcome) -> str:
    found = counted(outcome.changes, outcome.unchanged)
    told = [
        f"{count} {word}"
        for word, count in (("added", found["added"]), ("changed", found["changed"]), ("removed", found["removed"]))
        if count
    ]
    return ", ".join(told) or "nothing differs"


def _look(outcome: Outcome) -> dict[str, Any]:
    return {
        "summary": summary(outcome),
        "counts": counted(outcome.changes, outcome.unchanged),
        "changes": [_shown(change) for change in outcome.changes],
        "warnings": outcome.warnings,
        "restored": outcome.restored,
        "based_on": outcome.based_on,
    }


def _shown(change: Change) -> dict[str, Any]:
    fields = [
        {"name": each.field, "before": _words(each.before), "after": _words(each.after)} for each in change.fields
    ]
    manner = change.manner.value
    section = WORDS.get(change.section, change.section)
    return {"section": section, "name": change.name, "manner": manner, "icon": ICONS[manner], "fields": fields}


def _words(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= VALUE_SHOWN else f"{text[:VALUE_SHOWN]}…"


def _page(request: HttpRequest, *, status: int = 200, **more: Any) -> HttpResponse:
    who = actor(request)
    names = [shape.name for shape in service.shapes()]
    context = {
        "mode": "merge",
        "text": "",
        "sections": [{"name": name, "words": WORDS[name], "reset": name in service.RESET} for name in names],
        "why_not": refusal(who, Action.IMPORT_CONFIG) or "",
        "why_no_replace": refusal(who, Action.REPLACE_CONFIG) or "",
        "why_no_secrets": refusal(who, Action.EXPORT_SECRETS) or "",
        **more,
    }
    return render(request, "settings/transfer.html", context, status=status)
