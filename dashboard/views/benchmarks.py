"""Benchmarks: started, watched while the figures come in, read when they are complete."""

from collections.abc import Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from dashboard.charts import chart_of
from dashboard.forms import saved
from dashboard.measuring_forms import BenchForm, wanted
from dashboard.views import actor, done, page
from orchestration import queries
from orchestration.errors import InvalidInput
from orchestration.payloads.benchmarks import BenchmarkCell, BenchmarkPayload
from orchestration.permissions import Action, refusal
from orchestration.queries import benchmarks as rows
from orchestration.queries.ids import id_of
from orchestration.services import benchmarks, nodes, runs

LISTED = 20
SHADES = 8
FIGURES = {
    "total": ("total_rate", "Total tok/s", "rate"),
    "decode": ("decode_rate", "Decode tok/s", "rate"),
    "prefill": ("prefill_rate", "Prefill tok/s", "rate"),
    "first": ("first_token_seconds", "First token", "seconds"),
}
"""What the heat map can show: field, words, how it is written."""
DRIFT_WORDS = {field: words for field, words, _ in FIGURES.values()}


@page
def index(request: HttpRequest) -> HttpResponse:
    form = BenchForm(
        request.POST or None, initial=_initial(request), models=queries.known_models(), nodes=queries.nodes()
    )
    if request.method == "POST" and form.is_valid():
        run = saved(
            form,
            lambda: benchmarks.start(actor=actor(request), asked=form.asked(), idempotency_key=form.idempotency_key()),
        )
        if run:
            return redirect("benchmark", run.pk)
    benchmarks.settle_ended()
    found, _ = rows.benchmarks(limit=LISTED)
    context = {"form": form, "benchmarks": found, "why_not": refusal(actor(request), Action.START_BENCHMARK) or ""}
    return render(request, "bench/index.html", context, status=422 if form.errors else 200)


def _initial(request: HttpRequest) -> dict[str, Any]:
    return {name: found for name in ("models", "nodes") if (found := wanted(request.GET.get(name, "")))}


@require_safe
@page
def detail(request: HttpRequest, run_id: int) -> HttpResponse:
    benchmarks.settle(run_id)
    found = rows.benchmark(run_id)
    who, run = actor(request), rows.get_benchmark(run_id)
    figure = request.GET.get("figure", "total")
    figure = figure if figure in FIGURES else "total"
    report = found["report"]
    sure = sorted(
        (drift for drift in report["drifts"] if drift["sure"]),
        key=lambda drift: (not drift["worse"], -abs(drift["percent"])),
    )
    context = {
        "benchmark": found,
        "report": report,
        "figure": figure,
        "figures": [{"name": name, "words": words} for name, (_, words, _) in FIGURES.items()],
        "form_of": FIGURES[figure][2],
        "words": FIGURES[figure][1],
        "heat": heat_map(found, FIGURES[figure][0]),
        "levels": levels_of(found),
        "charts": [{**curve, "chart": chart_of(curve)} for curve in report["curves"] if len(curve["points"]) > 1],
        "places": _places(found),
        "drifts": [{**drift, "words": DRIFT_WORDS[drift["figure"]]} for drift in sure],
        "still": len(report["drifts"]) - len(sure),
        "unsure": any(drift["sure"] is None for drift in report["drifts"]),
        "progress": _progress(found["counts"]),
        "unfinished": not report["complete"] and found["status"] in ("pending", "running", "paused"),
        "permalink": request.build_absolute_uri(),
        "exports": f"/api/orchestration/benchmarks/{run_id}/export?",
        "why_no_start": refusal(who, Action.START_BENCHMARK) or "",
        "why_no_cancel": refusal(who, Action.CANCEL_TASK, run) or "",
        "why_no_slots": refusal(who, Action.EDIT_NODE) or "",
    }
    return render(request, "bench/detail.html", context)


def levels_of(found: BenchmarkPayload) -> list[int]:
    """Those that at least one place has."""
    return sorted({level for place in found["places"] for level in place["levels"]})


def heat_map(found: BenchmarkPayload, field: str) -> list[dict[str, Any]]:
    """A row for each model, node and prompt; ``shade`` from 0 to 8 within the whole map, more is better."""
    cells = {(c["model"], c["node"], c["prompt"], c["concurrency"]): c for c in found["report"]["cells"]}
    values = [value for cell in cells.values() if (value := _median(cell, field)) is not None]
    low, high = min(values, default=0.0), max(values, default=0.0)
    down = field == "first_token_seconds"
    lines = []
    for place in found["places"]:
        for prompt in found["spec"]["prompts"]:
            names = (place["model"], place["node"], prompt["name"])
            squares = [
                _square(cells.get((*names, level)), field, low, high, down=down, asked=level in place["levels"])
                for level in levels_of(found)
            ]
            lines.append({"model": names[0], "node": names[1], "prompt": names[2], "squares": squares})
    return lines


def _square(
    cell: BenchmarkCell | None, field: str, low: float, high: float, *, down: bool, asked: bool
) -> dict[str, Any]:
    value = _median(cell, field) if cell else None
    if cell is None or value is None:
        failed = bool(cell and cell["errors"])
        why = "failed" if failed else "not measured yet" if asked else "left out: more than the node takes at once"
        return {"value": None, "shade": None, "why": why, "failed": failed, "asked": asked, "errors": 0}
    share = (value - low) / (high - low) if high > low else 1.0
    shade = round((1 - share if down else share) * SHADES)
    return {"value": value, "shade": shade, "why": "", "failed": False, "asked": True, "errors": cell["errors"]}


def _median(cell: Mapping[str, Any], field: str) -> float | None:
    return cell[field]["median"] if cell[field] else None


def _places(found: BenchmarkPayload) -> list[dict[str, Any]]:
    loads = {(load["model"], load["node"]): load for load in found["report"]["loads"]}
    return [{**place, "load": loads.get((place["model"], place["node"]))} for place in found["places"]]


def _progress(counts: Mapping[str, int]) -> dict[str, Any]:
    whole = sum(counts.values())
    ended = whole - counts.get("pending", 0) - counts.get("running", 0)
    return {"ended": ended, "whole": whole, "share": 100 * ended / whole if whole else 0.0}


@require_POST
@page
def again(request: HttpRequest, run_id: int) -> HttpResponse:
    run = benchmarks.again(actor=actor(request), run_id=run_id)
    return done(request, "Started once more.", to=reverse("benchmark", args=[run.pk]))


@require_POST
@page
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    rows.get_benchmark(run_id)
    count = runs.cancel(actor=actor(request), run_id=run_id)
    return done(request, f"{count} cancelled." if count else "Nothing was unfinished.")


@require_POST
@page
def set_slots(request: HttpRequest, run_id: int) -> HttpResponse:
    """What a curve advises, done with one press."""
    places = {place["node"]: place["node_id"] for place in rows.benchmark(run_id)["places"]}
    name, slots = request.POST.get("node", ""), id_of(request.POST.get("slots", ""))
    if name not in places or not slots:
        raise InvalidInput("Name a node of this benchmark and its slots.", field="slots")
    node = nodes.update(actor=actor(request), node_id=places[name], slots_per_model=slots)
    return done(request, f"{node.name} takes {slots} at once now. Set its OLLAMA_NUM_PARALLEL likewise.")
