"""Runs of every kind: the list, one run with its steps as graph and chart, and what may be done with it as a whole."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from dashboard.run_view import StepView, run_view
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.models import Run, Task
from orchestration.payloads import RunPayload
from orchestration.payloads.workflows import run_error
from orchestration.permissions import Action, refusal
from orchestration.policy.states import ENDED, UNFINISHED, RunKind, TaskStatus
from orchestration.queries.workflows import bars
from orchestration.services import reruns
from orchestration.services import runs as service

PAGE_ROWS = 50
ROWS_SHOWN = 200
WITH_STEPS = (RunKind.WORKFLOW, RunKind.SEQUENCE)
KIND_WORDS = {
    RunKind.SINGLE: "task",
    RunKind.CONVERSATION: "chat turn",
}
OWN_PAGES = {
    RunKind.BATCH: "batch",
    RunKind.COMPARISON: "comparison",
    RunKind.BENCHMARK: "benchmark",
}
STATE_OF = {"pending": "waiting", "running": "generating"}


@require_safe
@page
def index(request: HttpRequest) -> HttpResponse:
    kind = request.GET.get("kind", "")
    wanted = RunKind(kind) if kind in set(RunKind) else None
    rows, following = queries.runs(limit=PAGE_ROWS, cursor=request.GET.get("cursor"), kind=wanted)
    ends = {bar["id"]: bar for bar in bars(list(Run.objects.filter(pk__in=[row["id"] for row in rows])))}
    context = {
        "runs": [_listed(row, ends[row["id"]]["seconds"]) for row in rows],
        "kinds": [{"value": each.value, "word": KIND_WORDS.get(each, each.value)} for each in RunKind],
        "kind": wanted or "",
        "next_cursor": following,
    }
    return render(request, "runs/index.html", context)


def _listed(row: RunPayload, seconds: float | None) -> dict[str, Any]:
    return {
        **row,
        "state": STATE_OF.get(row["status"], row["status"]),
        "kind_word": KIND_WORDS.get(RunKind(row["kind"]), row["kind"]),
        "shares": shares(row["counts"]),
        "total": sum(row["counts"].values()),
        "seconds": seconds,
    }


def shares(counts: dict[str, int]) -> list[dict[str, Any]]:
    """The parts of a bar that is filled as tasks end; what waits is the empty rest."""
    total, start = sum(counts.values()) or 1, 0.0
    parts = []
    for word in ("completed", "failed", "cancelled", "running"):
        if counts.get(word):
            width = 100 * counts[word] / total
            state = STATE_OF.get(word, word)
            parts.append(
                {"state": state, "x": f"{start:.2f}", "width": f"{width:.2f}", "count": counts[word], "word": word}
            )
            start += width
    return parts


@require_safe
@page
def detail(request: HttpRequest, run_id: int) -> HttpResponse:
    run = Run.objects.select_related("owner", "workflow_version__workflow").filter(pk=run_id).first()
    if run is None:
        run = queries.get_run(run_id)
    if elsewhere := _own_page(run):
        return redirect(elsewhere)
    counts = queries.run_counts(run_id)
    payload = queries.run_summary(run_id)
    shown = _listed(payload, bars([run])[0]["seconds"])
    context = {
        "run": shown,
        "row": run,
        "acts": _acts(request, run, counts),
        "limits": _limits(payload),
        **_failure(run),
    }
    if run.kind in WITH_STEPS:
        context |= _steps(request, run)
    else:
        rows = queries.task_rows(queries.TaskFilter(run=frozenset({str(run_id)})), limit=ROWS_SHOWN)
        context |= {"rows": rows.rows[::-1], "more": rows.next_cursor is not None}
    return render(request, "runs/detail.html", context)


def _own_page(run: Run) -> str:
    """Where runs of this kind are shown better; empty where they are not."""
    name = OWN_PAGES.get(RunKind(run.kind))
    try:
        if run.kind == RunKind.CONVERSATION:
            return reverse("conversation", args=[run.spec["conversation_id"]])
        return reverse(name, args=[run.pk]) if name else ""
    except (NoReverseMatch, KeyError):
        return ""


def _steps(request: HttpRequest, run: Run) -> dict[str, Any]:
    view = run_view(run, request.GET.get("step", ""), timezone.now())
    steps = [{"id": step.task.pk, "name": step.name} for step in view.steps]
    began = run.created_at.timestamp() * 1000
    small = {"id": run.pk, "steps": steps, "began": began, "chosen": view.chosen and view.chosen.task.pk}
    return {"view": view, "run_json": small, "chosen": view.chosen and _chosen(request, view.chosen)}


def _chosen(request: HttpRequest, step: StepView) -> dict[str, Any]:
    task = queries.get_task(step.task.pk)
    items = queries.task_rows_by_id(Task.objects.filter(parent=task).values_list("pk", flat=True)[:ROWS_SHOWN])
    return {
        "step": step,
        "task": task,
        "turns": _turns(task),
        "detail": queries.task_detail(task.pk),
        "unfinished": task.status not in ENDED,
        "items": items[::-1],
        "condition": (task.template or {}).get("condition", ""),
        "why_no_rerun": refusal(actor(request), Action.SUBMIT_TASK) or "",
    }


def _turns(task: Task) -> list[dict[str, str]]:
    turns = [{"role": "system", "text": task.system_prompt}] if task.system_prompt else []
    if task.messages is not None:
        return turns + [{"role": each["role"], "text": each.get("content", "")} for each in task.messages]
    texts = task.input if isinstance(task.input, list) else [task.input]
    return turns + [{"role": "prompt", "text": text} for text in texts]


def _acts(request: HttpRequest, run: Run, counts: dict[str, int]) -> dict[str, str]:
    """By action: why it is not possible now; empty where it is."""
    who = actor(request)
    unfinished = Task.objects.filter(run=run, status__in=UNFINISHED).exists()
    over = "" if unfinished else "It has ended."
    failed = "" if counts["failed"] or counts["cancelled"] else "Nothing has failed."
    return {
        "paused": "yes" if run.paused_at else "",
        "pause": refusal(who, Action.EDIT_TASK, run) or over,
        "resume": refusal(who, Action.EDIT_TASK, run) or "",
        "cancel": refusal(who, Action.CANCEL_TASK, run) or over,
        "retry": refusal(who, Action.RETRY_TASK, run) or failed,
    }


def _limits(run: RunPayload) -> list[tuple[str, str]]:
    limits, told = run["limits"], []
    if limits["max_parallel"] is not None:
        told.append(("at once", f"{limits['max_parallel']:,}"))
    if limits["max_steps"] is not None:
        told.append(("steps", f"{sum(run['counts'].values()):,} of {limits['max_steps']:,}"))
    if limits["max_tokens"] is not None:
        told.append(("tokens", f"{limits['max_tokens']:,}"))
    if limits["stop_failed_percent"] is not None:
        told.append(("stops above", f"{limits['stop_failed_percent']:g} % failed"))
    return told


def _failure(run: Run) -> dict[str, Any]:
    failed = Task.objects.filter(run=run, status=TaskStatus.FAILED, parent=None).light().order_by("position")[:1]
    broken = Task.objects.filter(run=run, error_code="dependency_failed").count()
    return {"failure": run_error(run, list(failed)), "not_started": broken}


@require_POST
@page
def pause(request: HttpRequest, run_id: int) -> HttpResponse:
    service.pause(actor=actor(request), run_id=run_id)
    return done(request, "Paused: what runs goes on, nothing more is started.")


@require_POST
@page
def resume(request: HttpRequest, run_id: int) -> HttpResponse:
    service.resume(actor=actor(request), run_id=run_id)
    return done(request, "It goes on.")


@require_POST
@page
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    count = service.cancel(actor=actor(request), run_id=run_id)
    return done(request, f"Cancelled {count:,} task{'' if count == 1 else 's'}.")


@require_POST
@page
def retry(request: HttpRequest, run_id: int) -> HttpResponse:
    count = service.retry_failed(actor=actor(request), run_id=run_id)
    return done(request, f"{count:,} task{'' if count == 1 else 's'} back in the line; what completed stays.")


@require_POST
@page
def rerun(request: HttpRequest, run_id: int) -> HttpResponse:
    new = reruns.rerun_from(actor=actor(request), run_id=run_id, step=request.POST.get("step", ""))
    return done(
        request, f"Run {new.pk} begins there; what stands before is taken over.", to=reverse("run", args=[new.pk])
    )
