"""What runs where, now and over a range of time."""

from datetime import datetime
from typing import Annotated, Any

import typer

from orchestration.cli.failures import Misused
from orchestration.cli.session import Session, command
from orchestration.cli.text import line, number, seconds, size

app = typer.Typer()

Within = Annotated[str, typer.Option("--range", help="1h, 6h, 24h, 7d, 30d or 1y, ending now.")]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]
Start = Annotated[datetime | None, typer.Option("--start", formats=_FORMATS, help="Instead of a range.")]
End = Annotated[datetime | None, typer.Option("--end", formats=_FORMATS, help="Now, if not given.")]
Model = Annotated[str, typer.Option("--model", help="Of this model alone.")]
Node = Annotated[str, typer.Option("--node", help="Of this node alone.")]
By = Annotated[str, typer.Option("--by", help="model or node: a row for each instead of one for each time.")]
Points = Annotated[int, typer.Option("--points", min=2, max=2000, help="Rows at most.")]


@command(app, "top")
def top(session: Session) -> None:
    """What runs and waits on each model and node, now."""
    sample = session.client.get("load")
    if session.out.as_json:
        session.out.json(sample)
        return
    models = [
        (row["name"], f"{row['running']}/{row['slots']}", row["waiting"], *_speed_and_memory(row, row["vram_bytes"]))
        for row in sample["models"]
    ]
    columns = ("model", "running", "waiting", "tokens/s", "memory")
    session.out.table(columns, models, empty="No model is in use.")
    nodes = [(row["name"], row["status"], *_of_node(row)) for row in sample["nodes"]]
    session.out.table(("node", "state", "running", "tokens/s", "memory"), nodes, empty="There are no nodes.")


def _of_node(row: dict[str, Any]) -> tuple[str, ...]:
    slots = number(row["slots"]) or "?"
    return f"{row['running']}/{slots}", *_speed_and_memory(row, row["vram_used_bytes"])


@command(app, "history")
def history(
    session: Session,
    within: Within = "24h",
    start: Start = None,
    end: End = None,
    model: Model = "",
    node: Node = "",
    by: By = "",
    points: Points = 24,
) -> None:
    """How the load was over a range of time, and what ended in it."""
    if by not in ("", "model", "node"):
        raise Misused(f"Nothing can be split by {by}.", "Give --by model or --by node.")
    if end and not start:
        raise Misused("An end needs a start.", "Give --start as well, or --range alone.")
    limits = {"start": _utc(start), "end": _utc(end)} if start else {"range": within}
    answer = session.client.get("load/history", **limits, model=model, node=node, split=by, points=points, top=50)
    if session.out.as_json:
        session.out.json(answer)
    elif by:
        _series(session, answer["series"], by)
    else:
        _points(session, answer)


def _speed_and_memory(row: dict[str, Any], memory: int | None) -> tuple[str, str]:
    return number(row["tokens_per_second"]), size(memory)


def _utc(at: datetime | None) -> str | None:
    """Times are meant as this machine's clock tells them."""
    return None if at is None else at.astimezone().isoformat()


def _series(session: Session, series: list[dict[str, Any]], by: str) -> None:
    rows = [(row[by] or f"{row['others']} others", *_sums(row["whole"])) for row in series]
    columns = (by, "ended", "failed", "tokens in", "tokens out", "first token p50", "p95", "loads")
    session.out.table(columns, rows, empty="Nothing ended in this range.")


def _sums(whole: dict[str, Any]) -> tuple[Any, ...]:
    first = (seconds(whole["first_token_p50_seconds"]), seconds(whole["first_token_p95_seconds"]))
    counts = (number(whole[name]) for name in ("ended", "errors", "prompt_tokens", "output_tokens"))
    return (*counts, *first, number(whole["loads"]))


def _points(session: Session, answer: dict[str, Any]) -> None:
    """Newest last, with the sums below; what nobody knows is left empty."""
    series = answer["series"][0]
    begins = datetime.fromisoformat(answer["start_at"]).timestamp()
    names = ("running", "waiting", "tokens_per_second", "first_token_p50_seconds", "first_token_p95_seconds", "ended",
             "errors", "vram_bytes", "loads")  # fmt: skip
    shown = {"first_token_p50_seconds": seconds, "first_token_p95_seconds": seconds, "vram_bytes": _memory}
    columns = [[shown.get(name, number)(value) for value in series["values"].get(name, [])] for name in names]
    rows = []
    for at in range(max(map(len, columns))):
        moment = datetime.fromtimestamp(begins + at * answer["step_seconds"]).astimezone()
        rows.append((f"{moment:%m-%d %H:%M}", *(column[at] if column else "" for column in columns)))
    words = ("time", "running", "waiting", "tokens/s", "first p50", "p95", "ended", "failed", "memory", "loads")
    session.out.table(words, rows)
    whole = series["whole"]
    told = f"{number(whole['ended'])} ended, {number(whole['errors'])} failed, {number(whole['output_tokens'])} tokens"
    session.out.say(line(f"{told}, first token {seconds(whole['first_token_p50_seconds']) or 'unknown'} (median)"))


def _memory(value: float | None) -> str:
    return "" if value is None else size(int(value))
