"""What was used, added up: by model, agent, user, node and day."""

from collections.abc import Mapping
from typing import Any

from typing_extensions import TypedDict


class UsagePayload(TypedDict):
    """``completed`` and ``failed`` are tasks, the others tries. ``gpu_seconds``: load, prefill and decode as nodes told
    them; ``broken_seconds``: beside that, those of tries that were broken off before the node told anything.

    Averages are over what completed, null where nothing did. ``tokens_per_second``: while tokens were written.
    """

    completed: int
    failed: int
    failed_tries: int
    cancelled_tries: int
    success_rate: float | None
    prompt_tokens: int
    output_tokens: int
    load_seconds: float
    prefill_seconds: float
    decode_seconds: float
    gpu_seconds: float
    broken_seconds: float
    mean_seconds: float | None
    mean_first_token_seconds: float | None
    mean_output_tokens: float | None
    tokens_per_second: float | None


class NamedUsage(UsagePayload):
    """``rated`` and ``rating``: how many answers of the range people rated, and their mean."""

    name: str
    rated: int
    rating: float | None


class DayUsage(UsagePayload):
    """In UTC."""

    day: str


class UserUsage(UsagePayload):
    user: str
    agent: str


class RangePayload(TypedDict):
    """Days in UTC, both included."""

    first_day: str
    last_day: str


class StatisticsPayload(RangePayload):
    """The most GPU-seconds first; a day for each of the range. All of these have the same sums."""

    total: UsagePayload
    by_model: list[NamedUsage]
    by_agent: list[NamedUsage]
    by_user: list[NamedUsage]
    by_node: list[NamedUsage]
    by_type: list[NamedUsage]
    by_day: list[DayUsage]


class UsageList(RangePayload):
    """By user and agent, the most GPU-seconds first."""

    total: UsagePayload
    usage: list[UserUsage]


def usage(sums: Mapping[str, Any]) -> UsagePayload:
    """``sums``: what models.usage.SUMS names."""
    completed, failed = int(sums["completed"]), int(sums["failed"])
    load, prefill, decode = (float(sums[f"{name}_seconds"]) for name in ("load", "prefill", "decode"))
    return UsagePayload(
        completed=completed,
        failed=failed,
        failed_tries=int(sums["failed_tries"]),
        cancelled_tries=int(sums["cancelled_tries"]),
        success_rate=_mean(completed, completed + failed),
        prompt_tokens=int(sums["prompt_tokens"]),
        output_tokens=int(sums["output_tokens"]),
        load_seconds=_rounded(load),
        prefill_seconds=_rounded(prefill),
        decode_seconds=_rounded(decode),
        gpu_seconds=_rounded(load + prefill + decode),
        broken_seconds=_rounded(float(sums["broken_seconds"])),
        mean_seconds=_mean(sums["run_seconds"], completed),
        mean_first_token_seconds=_mean(sums["first_token_seconds"], sums["first_tokens"]),
        mean_output_tokens=_mean(sums["output_tokens"], completed),
        tokens_per_second=_mean(sums["output_tokens"], decode),
    )


def _mean(whole: float, count: float) -> float | None:
    return round(whole / count, 4) if count else None


def _rounded(value: float) -> float:
    return round(value, 3)
