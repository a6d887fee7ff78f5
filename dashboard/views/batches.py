"""Batches: the list, the form with its preview and dry run, one batch with its rows and its controls."""

from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from dashboard import blanks
from dashboard.batch_forms import BatchForm
from dashboard.views import actor, done, page, wants_json
from orchestration import queries
from orchestration.errors import DroverError, InvalidInput, NotAllowed
from orchestration.models import Run
from orchestration.payloads.batches import BatchDetail
from orchestration.permissions import Action, Actor, refusal
from orchestration.policy.mapping import sample
from orchestration.policy.states import TaskType
from orchestration.queries.batches import PAGE_ROWS, batch_detail, batch_rows, get_batch
from orchestration.queries.batches import batches as batch_list
from orchestration.services import batches as service
from orchestration.services import runs

LISTED = 25
SAMPLED = 3
DRY, START = "dry", "start"


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    cursor = request.GET.get("cursor")
    rows, following = batch_list(limit=LISTED, cursor=cursor)
    context = {"batches": rows, "next_cursor": following, "cursor": cursor, "blank": blanks.batch()}
    return render(request, "batches/index.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@page
def new(request: HttpRequest) -> HttpResponse:
    """Without a script the preview is a page like any other; with one it is fetched from ``preview``."""
    if request.method != "POST":
        form = _form(request)
        return render(
            request, "batches/new.html", {"form": form, "blank_row": blanks.batch_row(), **_looked_at(request, None)}
        )
    form, problem = _form(request), ""
    if request.POST.get("action") in (DRY, START):
        try:
            return _send(request, form, dry=request.POST["action"] == DRY)
        except DroverError as error:
            if wants_json(request) or isinstance(error, NotAllowed):
                raise
            problem = error.message
    looked = _looked_at(request, form)
    looked["problem"] = problem or looked["problem"]
    context = {"form": form, "blank_row": blanks.batch_row(), "file_lost": not form.keep_rows(), **looked}
    return render(request, "batches/new.html", context, status=422 if looked["problem"] else 200)


@require_POST
@page
def preview(request: HttpRequest) -> HttpResponse:
    """The columns, and the first rows as they would be sent: what the page exchanges while one types."""
    form = _form(request)
    return render(request, "batches/_looked.html", {"form": form, **_looked_at(request, form)})


def _form(request: HttpRequest) -> BatchForm:
    choices: dict[str, Any] = {"agents": queries.agents(), "models": queries.known_models()}
    if request.method == "POST":
        return BatchForm(request.POST, request.FILES, **choices)
    wanted = request.GET.get("agent")
    default = next((agent["id"] for agent in choices["agents"] if agent["name"] == "default"), None)
    initial = {"agent": queries.get_agent(wanted).pk if wanted else default}
    return BatchForm(initial=initial, **choices)


def _looked_at(request: HttpRequest, form: BatchForm | None) -> dict[str, Any]:
    """What the rows are and would become, and what is wrong with them."""
    found: dict[str, Any] = {"table": None, "cells": [], "preview": None, "problem": ""}
    if form is None or not (form.files.get("file") or str(form.data.get("text", "")).strip()):
        return found
    try:
        table = form.table
        found |= {"table": table, "cells": sample(table, SAMPLED), "kept": form.kept}
        if form.is_valid():
            found["preview"] = service.preview(actor=actor(request), batch=form.batch())
        else:
            found["problem"] = _problem(form)
    except DroverError as error:
        found["problem"] = error.message
    return found


def _problem(form: BatchForm) -> str:
    problem = form.first_problem()
    return problem.message if problem else ""


def _send(request: HttpRequest, form: BatchForm, *, dry: bool) -> HttpResponse:
    if not form.is_valid():
        raise form.first_problem() or InvalidInput("Something in the form is wrong.")
    batch = form.batch()
    if dry:
        run = service.dry_run(actor=actor(request), batch=batch)
    else:
        key = form.idempotency_key(batch)
        run = service.submit(actor=actor(request), batch=batch, idempotency_key=key)
    if wants_json(request):
        return JsonResponse({"id": run.pk, "message": "", "url": reverse("batch", args=[run.pk])})
    return done(request, "", to=reverse("batch", args=[run.pk]))


@require_safe
@page
def detail(request: HttpRequest, run_id: int) -> HttpResponse:
    run, batch = get_batch(run_id), batch_detail(run_id)
    status, error = request.GET.get("status", ""), request.GET.get("error", "")
    cursor = request.GET.get("cursor")
    rows = batch_rows(run, cursor=cursor, limit=PAGE_ROWS, status=status, error_code=error)
    narrowed = {name: value for name, value in (("status", status), ("error", error)) if value}
    context = {
        "batch": batch,
        "spec": _asked(run),
        "rows": rows,
        "status": status,
        "error": error,
        "narrowed": urlencode(narrowed),
        "live_filter": urlencode({"view": "batch", **narrowed, **({"cursor": cursor} if cursor else {})}),
        "acts": _acts(actor(request), run, batch),
        "embeds": batch["type"] == TaskType.EMBED,
        "blank_row": blanks.batch_row(),
        "blank_failure": {"code": "", "rows": 0, "example": ""},
    }
    return render(request, "batches/detail.html", context)


def _asked(run: Run) -> list[tuple[str, str]]:
    """What the batch was made from, in words."""
    spec = run.spec
    columns = spec.get("columns", {})
    told = {
        "File": spec.get("source", ""),
        "Format": spec.get("format", ""),
        "Prompt": spec.get("template", "") or _braced(columns.get("prompt", "")),
        "System prompt": spec.get("system", "") or _braced(columns.get("system", "")),
        "Model": spec.get("model_name", ""),
        "Reference": columns.get("client_ref", ""),
        "Kept columns": ", ".join(columns.get("metadata", ())),
        "Options": ", ".join(f"{name} {value}" for name, value in spec.get("parameters", {}).items()),
    }
    return [(name, value) for name, value in told.items() if value]


def _braced(column: str) -> str:
    return f"{{{{{column}}}}}" if column else ""


def _acts(who: Actor, run: Run, batch: BatchDetail) -> dict[str, str]:
    """By action: why it is not possible now; empty where it is."""
    over = "" if batch["counts"]["pending"] + batch["counts"]["running"] else "It has ended."
    return {
        "pause": refusal(who, Action.EDIT_TASK, run) or over,
        "resume": refusal(who, Action.EDIT_TASK, run) or "",
        "cancel": refusal(who, Action.CANCEL_TASK, run) or over,
        "retry": refusal(who, Action.RETRY_TASK, run) or ("" if batch["counts"]["failed"] else "Nothing has failed."),
    }


@require_POST
@page
def limits(request: HttpRequest, run_id: int) -> HttpResponse:
    """Both of them, as the page shows them; an empty one is none."""
    wanted = {"max_parallel": _whole(request, "max_parallel"), "stop_failed_percent": _share(request)}
    runs.set_limits(actor=actor(request), run_id=run_id, **wanted)
    return done(request, "The limits are changed.")


def _whole(request: HttpRequest, name: str) -> int | None:
    text = request.POST.get(name, "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        raise InvalidInput("Rows at once is a whole number, or empty for no limit.", field=name)
    return int(text)


def _share(request: HttpRequest) -> float | None:
    text = request.POST.get("stop_failed_percent", "").strip().replace(",", ".")
    try:
        return float(text) if text else None
    except ValueError as error:
        raise InvalidInput("The share of failures is a number, or empty.", field="stop_failed_percent") from error
