"""Comparisons: started, shown side by side with what differs, voted on with or without names."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.forms import saved
from dashboard.measuring_forms import CompareForm, wanted
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import InvalidInput
from orchestration.models import Run
from orchestration.payloads.comparisons import ComparedAnswer, ComparedRow, Comparison
from orchestration.permissions import Action, refusal
from orchestration.policy.worddiff import diff
from orchestration.queries import comparisons as rows
from orchestration.queries.ids import id_of, ids_of
from orchestration.services import comparisons, runs

LISTED = 20
VIEWS = ("blind", "diff", "different")
FIGURES = (
    ("first_token_seconds", "First token", "seconds"),
    ("prefill_rate", "Prefill tok/s", "rate"),
    ("decode_rate", "Decode tok/s", "rate"),
    ("load_seconds", "Load", "seconds"),
    ("prompt_tokens", "Tokens in", "number"),
    ("output_tokens", "Tokens out", "number"),
)


@page
def index(request: HttpRequest) -> HttpResponse:
    """The form and the last ones; with ``?ids=`` tasks of any runs side by side."""
    if request.GET.get("ids"):
        return _side_by_side(request)
    form = CompareForm(request.POST or None, initial=_initial(request), **_choices())
    if request.method == "POST" and form.is_valid():
        run = saved(form, lambda: _started(request, form))
        if run:
            return redirect("comparison", run.pk)
    found, _ = rows.comparisons(limit=LISTED)
    context = {"form": form, "comparisons": found, "why_not": refusal(actor(request), Action.SUBMIT_TASK) or ""}
    return render(request, "compare/index.html", context, status=422 if form.errors else 200)


def _choices() -> dict[str, Any]:
    return {"agents": queries.agents(), "models": queries.known_models(), "nodes": queries.nodes()}


def _initial(request: HttpRequest) -> dict[str, Any]:
    named = wanted(request.GET.get("models", ""))
    default = next((agent["id"] for agent in queries.agents() if agent["name"] == "default"), None)
    return {"agent": default, **{f"model_{number}": name for number, name in enumerate(named, start=1)}}


def _started(request: HttpRequest, form: CompareForm) -> Run:
    return comparisons.start(
        actor=actor(request),
        agent=queries.get_agent(form.cleaned_data["agent"]),
        asked=form.asked(),
        idempotency_key=form.idempotency_key(),
    )


def _side_by_side(request: HttpRequest) -> HttpResponse:
    found = rows.side_by_side(ids_of(request.GET["ids"]))
    return _shown(request, found, reverse("compare"), {"ids": request.GET["ids"]})


@require_safe
@page
def detail(request: HttpRequest, run_id: int) -> HttpResponse:
    who = actor(request)
    found = rows.comparison(run_id, viewer_id=who.user_id, blind="blind" in request.GET)
    return _shown(request, found, reverse("comparison", args=[run_id]), {})


def _shown(request: HttpRequest, found: Comparison, path: str, kept: Mapping[str, str]) -> HttpResponse:
    views = {name for name in VIEWS if name in request.GET}
    run = rows.get_comparison(found["id"]) if found["id"] else None
    shown = [row for row in found["rows"] if "different" not in views or row["different"] is not False]
    context = {
        "comparison": found,
        "rows": [_row(row, "diff" in views) for row in shown],
        "equal": len(found["rows"]) - len(shown),
        "views": views,
        "links": {name: _link(path, views ^ {name}, kept) for name in VIEWS},
        "permalink": request.build_absolute_uri(_link(path, views, kept)),
        "unfinished": found["status"] in ("pending", "running", "paused"),
        "columns": list(zip(found["columns"], found["wins"], strict=True)),
        "voted": any(row["my_vote"] for row in found["rows"]),
        "exports": f"/api/orchestration/comparisons/{found['id']}/export?"
        + ("blind=true&" if "blind" in views else ""),
        "why_no_vote": refusal(actor(request), Action.VOTE) or "",
        "why_no_cancel": refusal(actor(request), Action.CANCEL_TASK, run) or "",
    }
    return render(request, "compare/detail.html", context)


def _link(path: str, views: set[str], kept: Mapping[str, str]) -> str:
    query = urlencode({**kept, **dict.fromkeys(sorted(views), "1")})
    return f"{path}?{query}" if query else path


def _row(row: ComparedRow, with_diff: bool) -> dict[str, Any]:
    """``pieces``: what differs from the first answer; the first one shows itself."""
    first = row["answers"][0]["output"] if row["answers"] else ""
    answers = [_answer(answer, row) for answer in row["answers"]]
    if with_diff and row["different"] is not None:
        for answer in answers[1:]:
            answer["pieces"] = diff(first, answer["output"])
    return {**row, "answers": answers, "diffed": with_diff and row["different"] is not None}


def _answer(answer: ComparedAnswer, row: ComparedRow) -> dict[str, Any]:
    figures: Mapping[str, Any] = answer["figures"] or {}
    lines = [
        {"name": words, "value": figures[name], "form": form, "best": row["best"].get(name) == answer["task_id"]}
        for name, words, form in FIGURES
        if name in figures
    ]
    return {**answer, "lines": lines, "mine": row["my_vote"] == answer["task_id"], "pieces": None}


@require_POST
@page
def vote(request: HttpRequest, run_id: int) -> HttpResponse:
    row, task_id = id_of(request.POST.get("row", "")), id_of(request.POST.get("task_id", ""))
    if row is None or task_id is None:
        raise InvalidInput("A vote names a row and a task.", field="task_id")
    given = comparisons.vote(
        actor=actor(request), run_id=run_id, row=row, task_id=task_id, blind="blind" in request.POST
    )
    return done(request, f"Voted for {given.task.model_used or given.task.model_name}.")


@require_POST
@page
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    rows.get_comparison(run_id)
    count = runs.cancel(actor=actor(request), run_id=run_id)
    return done(request, f"{count} cancelled." if count else "Nothing was unfinished.")
