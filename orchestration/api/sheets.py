"""Comparisons, benchmarks and usage as files that people read and pass on: Markdown and CSV."""

from collections.abc import Iterable, Sequence
from typing import Any

from orchestration.payloads.benchmarks import BenchmarkCell, BenchmarkPayload, BenchmarkReport, SpreadPayload
from orchestration.payloads.comparisons import AnswerFigures, ComparedAnswer, Comparison
from orchestration.payloads.statistics import UsageList, UsagePayload, UserUsage
from orchestration.policy.sheets import csv_lines

DASH = "—"
_CELL = ("model", "node", "prompt", "concurrency", "requests", "errors", "reloads", "prompt_tokens", "output_tokens")
_SPREADS = ("first_token_seconds", "prefill_rate", "decode_rate", "total_rate")
_PARTS = ("median", "q1", "q3", "p95", "low", "high")
_FIGURES = tuple(AnswerFigures.__annotations__)


def benchmark_csv(found: BenchmarkPayload) -> str:
    """A row for each cell; empty where nothing was measured."""
    names = [*_CELL, "at_once", "inside_seconds", *(f"{name}_{part}" for name in _SPREADS for part in _PARTS)]
    return _csv(names, [_cell_values(cell) for cell in found["report"]["cells"]])


def _cell_values(cell: BenchmarkCell) -> list[Any]:
    plain = [cell[name] for name in (*_CELL, "at_once", "inside_seconds")]  # type: ignore[literal-required]
    spreads: list[SpreadPayload | None] = [cell[name] for name in _SPREADS]  # type: ignore[literal-required]
    return plain + [spread[part] if spread else None for spread in spreads for part in _PARTS]  # type: ignore[literal-required]


def benchmark_markdown(found: BenchmarkPayload) -> str:
    spec, report = found["spec"], found["report"]
    parts = [
        f"# Benchmark {found['id']}: {found['title']}",
        _began(found),
        _table(
            ("Model", "Node", "Digest", "Quantisation", "Size", "Ollama", "Slots"),
            [
                (
                    p["model"],
                    p["node"],
                    p["digest"][:12],
                    p["quantization"],
                    p["parameter_size"],
                    p["ollama_version"],
                    p["slots"],
                )
                for p in found["places"]
            ],
        ),
        "Options: " + ", ".join(f"`{name}` {value}" for name, value in spec["options"].items()) + ".",
        _table(_HEADS, [_cells(cell) for cell in report["cells"]]),
        _loads(report),
        _drifts(report),
        _list([curve["hint"] for curve in report["curves"] if curve["hint"]] + report["remarks"] + spec["left_out"]),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


_HEADS = (
    *("Model", "Node", "Prompt", "At once", "First token p50", "p95", "Prefill tok/s", "Decode tok/s", "Total tok/s"),
    "Errors",
)


def _began(found: BenchmarkPayload) -> str:
    report = found["report"]
    took = report["took_seconds"]
    ended = f"took {took:.0f} s" if took is not None else f"{found['status']}, not complete"
    spec = found["spec"]
    return (
        f"{found['created_at']}, by {found['owner'] or 'nobody'}, {ended}; {spec['repeats']} repeats, "
        f"each stream asks {spec['rounds']} times. Speeds by Ollama's own counts, warm-up left out, median ± quartiles."
    )


def _cells(cell: BenchmarkCell) -> tuple[Any, ...]:
    first = cell["first_token_seconds"]
    return (
        cell["model"],
        cell["node"],
        cell["prompt"],
        cell["concurrency"],
        f"{first['median']:.3f} s" if first else DASH,
        f"{first['p95']:.3f} s" if first else DASH,
        *(_spread(spread) for spread in (cell["prefill_rate"], cell["decode_rate"], cell["total_rate"])),
        cell["errors"],
    )


def _spread(found: SpreadPayload | None) -> str:
    return f"{found['median']:.1f} ({found['q1']:.1f} to {found['q3']:.1f})" if found else DASH


def _loads(report: BenchmarkReport) -> str:
    def words(seconds: float | None, was_loaded: bool) -> str:
        return "was loaded already" if was_loaded else DASH if seconds is None else f"{seconds:.1f} s"

    rows = [(load["model"], load["node"], words(load["seconds"], load["was_loaded"])) for load in report["loads"]]
    return _table(("Model", "Node", "Load"), rows)


def _drifts(report: BenchmarkReport) -> str:
    if report["compared_with"] is None:
        return ""
    sure = [drift for drift in report["drifts"] if drift["sure"]]
    head = f"Against benchmark {report['compared_with']}: "
    if not sure:
        return f"{head}no change beyond the spread."
    rows = [
        (
            *(drift["model"], drift["node"], drift["prompt"], drift["concurrency"], drift["figure"]),
            f"{drift['before']:.3g}",
            f"{drift['now']:.3g}",
            f"{drift['percent']:+.1f} %",
            "worse" if drift["worse"] else "better",
        )
        for drift in sure
    ]
    heads = ("Model", "Node", "Prompt", "At once", "Figure", "Before", "Now", "Change", "")
    return f"{head}\n\n{_table(heads, rows)}"


def comparison_csv(found: Comparison) -> str:
    """A row for each answer."""
    names = ["row", "prompt", "task_id", "model", "node", "status", "output", "error", *_FIGURES, "votes"]
    rows = [[row["row"], row["prompt"], *_answer_values(answer)] for row in found["rows"] for answer in row["answers"]]
    return _csv(names, rows)


def _answer_values(answer: ComparedAnswer) -> list[Any]:
    figures = answer["figures"]
    plain = [answer["task_id"], answer["model"] or answer["label"], answer["node"], answer["status"]]
    measured = [figures[name] if figures else None for name in _FIGURES]  # type: ignore[literal-required]
    return [*plain, answer["output"], answer["error"], *measured, answer["votes"]]


def comparison_markdown(found: Comparison) -> str:
    parts = [f"# {'Comparison ' + str(found['id']) + ': ' if found['id'] else ''}{found['title']}"]
    for row in found["rows"]:
        parts.append(f"## {row['row'] + 1}\n\n{_quoted(row['prompt'])}" if row["prompt"] else f"## {row['row'] + 1}")
        parts.append(_table(_ANSWER_HEADS, [_answer_line(answer) for answer in row["answers"]]))
        parts += [f"### {_called(answer)}\n\n{_quoted(answer['output'])}" for answer in row["answers"]]
    return "\n\n".join(parts) + "\n"


_ANSWER_HEADS = ("Answer", "Status", "First token", "Prefill tok/s", "Decode tok/s", "Load", "Tokens", "Votes")


def _called(answer: ComparedAnswer) -> str:
    if answer["model"] is None:
        return f"Answer {answer['label']}"
    return f"{answer['model']} @ {answer['node']}" if answer["node"] else answer["model"]


def _answer_line(answer: ComparedAnswer) -> tuple[Any, ...]:
    figures = answer["figures"]
    votes = DASH if answer["votes"] is None else answer["votes"]
    if figures is None:
        return (_called(answer), answer["status"], *[DASH] * 5, votes)
    return (
        _called(answer),
        answer["status"],
        _number(figures["first_token_seconds"], "{:.3f} s"),
        _number(figures["prefill_rate"], "{:.1f}"),
        _number(figures["decode_rate"], "{:.1f}"),
        _number(figures["load_seconds"], "{:.2f} s"),
        _number(figures["output_tokens"], "{}"),
        votes,
    )


def usage_csv(found: UsageList) -> str:
    """A row for each user and agent."""
    names = list(found["usage"][0]) if found["usage"] else ["user", "agent", *found["total"]]
    return _csv(names, [list(row.values()) for row in found["usage"]])


def usage_markdown(found: UsageList) -> str:
    heads = ("User", "Agent", "Completed", "Failed", "GPU seconds", "Tokens in", "Tokens out")
    total = found["total"]
    rows = [(row["user"], row["agent"], *_used(row)) for row in found["usage"]]
    title = f"# Usage from {found['first_day']} to {found['last_day']} (UTC)"
    return f"{title}\n\n{_table(heads, [*rows, ('**all**', '', *_used(total))])}\n"


def _used(row: UsagePayload | UserUsage) -> tuple[Any, ...]:
    gpu = f"{row['gpu_seconds']:.1f}"
    return row["completed"], row["failed"], gpu, row["prompt_tokens"], row["output_tokens"]


def _number(value: float | None, form: str) -> str:
    return DASH if value is None else form.format(value)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines()) or f"> {DASH}"


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"* {line}" for line in lines)


def _table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(_in_table(value) for value in row) + " |" for row in rows]
    return "\n".join(lines)


def _in_table(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _csv(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    return csv_lines([names, *rows]).decode()
