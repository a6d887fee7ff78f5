"""What was used, by model, agent, user, node, type or day."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any

import typer

from orchestration.cli.parsing import given
from orchestration.cli.session import Session, command
from orchestration.cli.text import number, seconds

app = typer.Typer()


class By(StrEnum):
    MODEL = "model"
    AGENT = "agent"
    USER = "user"
    NODE = "node"
    TYPE = "type"
    DAY = "day"
    USER_AND_AGENT = "user-and-agent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    days: Annotated[int | None, typer.Option(help="So many, up to today.", min=1, show_default="30")] = None
    since: Annotated[str | None, typer.Option(metavar="DAY", help="The first day, such as 2026-03-01 (UTC).")] = None
    until: Annotated[str | None, typer.Option(metavar="DAY", help="The last day.")] = None
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None
    agent: Annotated[str | None, typer.Option(help="Only of this agent.")] = None
    user: Annotated[str | None, typer.Option(help="Only of this user.")] = None
    node: Annotated[str | None, typer.Option(help="Only of this node.")] = None

    @property
    def params(self) -> dict[str, Any]:
        named = given(model=self.model, agent=self.agent, user=self.user, node=self.node)
        return {**given(days=self.days, first_day=self.since, last_day=self.until), **named}


@command(app, "stats")
def stats(
    session: Session,
    which: Which,
    by: Annotated[By, typer.Option("--by", help="What is added up.")] = By.MODEL,
) -> None:
    """GPU-seconds, tokens and failures over a range of days."""
    of_both = by == By.USER_AND_AGENT
    answer = session.client.get("statistics/usage" if of_both else "outputs/stats", **which.params)
    if session.out.as_json:
        session.out.json(answer)
        return
    names = ("user", "agent") if of_both else (str(by),)
    keys = names if of_both else ("day",) if by == By.DAY else ("name",)
    found = answer["usage"] if of_both else answer[f"by_{by}"]
    rows = [(*(row[key] for key in keys), *_cells(row)) for row in found]
    columns = ("completed", "failed", "GPU time", "tokens in", "tokens out", "tokens/s", "mean time", "first token")
    session.out.table((*names, *columns), rows, empty="Nothing was used.")
    if session.out.is_live:
        session.out.say(_whole(answer))


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        number(row["completed"]),
        number(row["failed"]),
        seconds(row["gpu_seconds"]),
        number(row["prompt_tokens"]),
        number(row["output_tokens"]),
        number(row["tokens_per_second"]),
        seconds(row["mean_seconds"]),
        seconds(row["mean_first_token_seconds"]),
    )


def _whole(answer: dict[str, Any]) -> str:
    total = answer["total"]
    took = f"{seconds(total['gpu_seconds'])} of GPU, {number(total['output_tokens'])} tokens written"
    return f"{answer['first_day']} to {answer['last_day']}: {number(total['completed'])} completed, {took}."
