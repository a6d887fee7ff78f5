"""Benchmarks: their samples, the report made of them, one in full, the list."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from orchestration import payloads
from orchestration.errors import NotFound
from orchestration.models import Attempt, NodeModel, NodeVariant, Run, Task
from orchestration.payloads import benchmarks as shapes
from orchestration.payloads.base import iso
from orchestration.payloads.benchmarks import (
    BenchmarkLoad,
    BenchmarkPayload,
    BenchmarkPlace,
    BenchmarkReport,
    BenchmarkSummary,
)
from orchestration.policy.benchmarks import Cell, Key, Sample, cells, curves, drifts
from orchestration.policy.states import ENDED, RunKind, TaskStatus
from orchestration.queries.tasks import run_counts, runs, unfinished_in_run

MARK = "benchmark"
"""Where a task's metadata say what it measures."""
NOTABLE_WAIT = 0.5
"""Seconds inside Ollama."""
_OF_TASK = (
    *("pk", "status", "error_code", "attempt_id", "metadata", "prompt_tokens", "output_tokens", "load_seconds"),
    *("prefill_seconds", "decode_seconds", "first_token_seconds", "ended_at"),
)


def get_benchmark(run_id: int) -> Run:
    run = Run.objects.select_related("owner").filter(pk=run_id, kind=RunKind.BENCHMARK).first()
    if run is None:
        raise NotFound(f"There is no benchmark {run_id}.")
    return run


def samples(run_id: int) -> list[Sample]:
    """Every measured request that has ended, in the order asked. What a person cancelled was not measured."""
    tasks = list(Task.objects.filter(run_id=run_id, status__in=ENDED).order_by("position").only(*_OF_TASK))
    attempts = Attempt.objects.filter(task__run_id=run_id, pk__in=[task.attempt_id for task in tasks])
    times = {pk: rest for pk, *rest in attempts.values_list("pk", "first_token_at", "inside_seconds")}
    measured = [task for task in tasks if not task.metadata.get(MARK, {}).get("warm_up", True)]
    return [_sample(task, times.get(task.attempt_id or 0)) for task in measured if not _dropped(task)]


def _dropped(task: Task) -> bool:
    return task.status == TaskStatus.CANCELLED and task.error_code != "dependency_failed"


def _sample(task: Task, times: Sequence[Any] | None) -> Sample:
    """When it ran is told by Ollama's durations before and after the first token: what Drover itself takes to hand a
    task over and to write its end down is not the node's."""
    mark = task.metadata[MARK]
    first, inside = times or (None, None)
    at = first.timestamp() if first else 0.0
    return Sample(
        key=Key(mark["model"], mark["node"], mark["prompt"], mark["concurrency"]),
        repeat=mark["repeat"],
        ok=task.status == TaskStatus.COMPLETED and first is not None,
        started=at - (task.prefill_seconds or 0.0),
        ended=at + (task.decode_seconds or 0.0),
        prompt_tokens=task.prompt_tokens or 0,
        output_tokens=task.output_tokens or 0,
        load_seconds=task.load_seconds or 0.0,
        prefill_seconds=task.prefill_seconds or 0.0,
        decode_seconds=task.decode_seconds or 0.0,
        first_token_seconds=task.first_token_seconds,
        inside_seconds=inside or 0.0,
    )


def last_end(run_id: int) -> datetime | None:
    """When the last of its tasks ended; None while one is unfinished, and where all are deleted."""
    if unfinished_in_run(run_id):
        return None
    return Task.objects.filter(run_id=run_id).order_by("-ended_at").values_list("ended_at", flat=True).first()


def report_of(run: Run) -> BenchmarkReport:
    """Of all that has been measured so far."""
    found = cells(samples(run.pk))
    places: list[BenchmarkPlace] = run.spec["places"]
    slots = {(place["model"], place["node"]): place["slots"] for place in places}
    ended = last_end(run.pk)
    before = previous(run) if ended else None
    compared = drifts(found, repeats_of(before)) if before else []
    return BenchmarkReport(
        complete=ended is not None,
        ended_at=iso(ended),
        took_seconds=(ended - run.created_at).total_seconds() if ended else None,
        cells=[shapes.cell(row) for row in found],
        loads=_loads(run, places),
        curves=[shapes.curve(row, slots=slots.get((row.model, row.node), 0)) for row in curves(found)],
        compared_with=before.pk if before else None,
        drifts=[shapes.drift(row) for row in compared],
        remarks=[*_remarks(found), *_changed(places, before), *_others(run, places, ended)],
    )


def previous(run: Run) -> Run | None:
    """The last one before it that asked for the same and measured something."""
    same = Run.objects.filter(kind=RunKind.BENCHMARK, pk__lt=run.pk, spec__hash=run.spec["hash"]).order_by("-pk")
    return next((row for row in same[:10] if last_end(row.pk) and repeats_of(row)), None)


def repeats_of(run: Run) -> dict[Key, dict[str, Sequence[float]]]:
    """Figures by cell, from the report where there is one: it outlives the tasks."""
    made = [shapes.cell(row) for row in cells(samples(run.pk))] if run.report is None else run.report["cells"]
    found: dict[Key, dict[str, Sequence[float]]] = {}
    for cell in made:
        key = Key(cell["model"], cell["node"], cell["prompt"], cell["concurrency"])
        values: Mapping[str, Any] = cell
        found[key] = {figure: values[name]["repeats"] for figure, name in shapes.FIGURES.items() if values[name]}
    return {key: figures for key, figures in found.items() if figures}


def _loads(run: Run, places: Sequence[BenchmarkPlace]) -> list[BenchmarkLoad]:
    """What bringing each model into memory took: by Drover before the warm-up, or inside of it by Ollama."""
    warm_ups = {
        (mark["model"], mark["node"]): seconds
        for metadata, seconds in Task.objects.filter(
            run=run, status=TaskStatus.COMPLETED, metadata__benchmark__warm_up=True
        )
        .order_by("position")
        .values_list("metadata", "load_seconds")
        if (mark := metadata[MARK])
    }
    return [_load(run, place, warm_ups.get((place["model"], place["node"]))) for place in places]


def _load(run: Run, place: BenchmarkPlace, inside: float | None) -> BenchmarkLoad:
    variants = NodeVariant.objects.filter(node_id=place["node_id"], model_name=place["model"])
    ours = variants.filter(loaded_at__gte=run.created_at).order_by("-loaded_at")
    by_drover = ours.values_list("last_load_seconds", flat=True).first()
    loaded = NodeModel.objects.filter(node_id=place["node_id"], model__name=place["model"], loaded=True)
    seconds = max((value for value in (by_drover, inside) if value is not None), default=None)
    cold = by_drover is not None or (inside or 0.0) > 1.0
    return BenchmarkLoad(
        model=place["model"],
        node=place["node"],
        seconds=seconds if cold else None,
        was_loaded=inside is not None and not cold,
        vram_bytes=loaded.values_list("vram_bytes", flat=True).first(),
    )


def _remarks(found: Iterable[Cell]) -> Iterable[str]:
    """What makes figures doubtful."""
    for cell in found:
        where = f"{cell.key.model} on {cell.key.node}, {cell.key.prompt}, {cell.key.concurrency} at once"
        if cell.reloads:
            yield f"{where}: {cell.reloads} measured requests found the model gone and waited for its load."
        if cell.inside_seconds > NOTABLE_WAIT:
            yield (
                f"{where}: a request waited {cell.inside_seconds:.1f} s inside Ollama. "
                f"{cell.key.node} runs fewer at once than its slots say."
            )


def _changed(places: Sequence[BenchmarkPlace], before: Run | None) -> Iterable[str]:
    earlier = {(place["model"], place["node"]): place for place in before.spec["places"]} if before else {}
    for place in places:
        old = earlier.get((place["model"], place["node"]))
        if old and old["digest"] != place["digest"]:
            yield f"{place['model']} on {place['node']} has other weights than in the run before."
        if old and old["ollama_version"] != place["ollama_version"]:
            yield f"{place['node']} ran Ollama {old['ollama_version']} before and {place['ollama_version']} now."


def _others(run: Run, places: Sequence[BenchmarkPlace], ended: datetime | None) -> Iterable[str]:
    """Work of others on the same nodes meanwhile."""
    if ended is None:
        return
    for node_id, name in dict.fromkeys((place["node_id"], place["node"]) for place in places):
        beside = Attempt.objects.filter(node_id=node_id, started_at__lt=ended, ended_at__gt=run.created_at)
        count = beside.exclude(task__run=run).count()
        if count:
            yield f"{count} other task{'' if count == 1 else 's'} ran on {name} meanwhile: its figures may be too low."


def benchmark(run_id: int) -> BenchmarkPayload:
    """The stored report, or what is known so far."""
    run = get_benchmark(run_id)
    summary = payloads.run(run, counts=run_counts(run_id))
    report: BenchmarkReport = run.report if run.report and not unfinished_in_run(run_id) else report_of(run)
    return BenchmarkPayload(
        id=run.pk,
        title=run.title,
        owner=summary["owner"],
        status=summary["status"],
        counts=summary["counts"],
        created_at=summary["created_at"],
        rerun_of=run.rerun_of_id,
        spec=shapes.benchmark_spec(run.spec),
        places=run.spec["places"],
        report=report,
    )


def benchmarks(*, limit: int = 50, cursor: str | None = None) -> tuple[list[BenchmarkSummary], str | None]:
    """Newest first."""
    rows, following = runs(limit=limit, cursor=cursor, kind=RunKind.BENCHMARK)
    kept = {run.pk: run for run in Run.objects.filter(pk__in=[row["id"] for row in rows])}
    return [_summary(row, kept[row["id"]]) for row in rows], following


def _summary(row: payloads.RunPayload, run: Run) -> BenchmarkSummary:
    return BenchmarkSummary(
        id=row["id"],
        title=run.title,
        owner=row["owner"],
        status=row["status"],
        counts=row["counts"],
        created_at=row["created_at"],
        models=list(dict.fromkeys(place["model"] for place in run.spec["places"])),
        nodes=list(dict.fromkeys(place["node"] for place in run.spec["places"])),
        best_rate=shapes.best_rate(run.report["cells"]) if run.report else None,
        regressions=shapes.regressions(run.report["drifts"]) if run.report else None,
    )
