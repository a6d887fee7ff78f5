"""Load as it was, over a range of time."""

from typing_extensions import TypedDict


class Whole(TypedDict):
    """Of the whole range: sums over attempts that ended in it, and models that came into memory. Times to the first
    token are null where no metric of them was asked for."""

    ended: int
    errors: int
    prompt_tokens: int
    output_tokens: int
    loads: int
    first_token_p50_seconds: float | None
    first_token_p95_seconds: float | None


class HistoryValues(TypedDict, total=False):
    """One number for each step, null where nothing is known. Gauges are means over the step, ``peak`` the highest
    sample; memory is the mean while something was in it."""

    running: list[float | None]
    running_peak: list[float | None]
    waiting: list[float | None]
    waiting_peak: list[float | None]
    tokens_per_second: list[float | None]
    vram_bytes: list[float | None]
    loads: list[float | None]
    ended: list[float | None]
    errors: list[float | None]
    prompt_tokens: list[float | None]
    output_tokens: list[float | None]
    first_token_p50_seconds: list[float | None]
    first_token_p95_seconds: list[float | None]


class HistorySeries(TypedDict):
    """``node`` and ``model`` are null for all of them together; ``others``: how many small series this one stands for.
    What waits does so for a model: of a node alone ``waiting`` is not told."""

    node: str | None
    model: str | None
    others: int
    whole: Whole
    values: HistoryValues


class LoadHistory(TypedDict):
    """From ``start_at`` to before ``end_at`` in equal steps. ``resolution_seconds``: what is still kept from so far
    back; ``counted_until_at``: later points may still grow."""

    start_at: str
    end_at: str
    step_seconds: int
    resolution_seconds: int
    counted_until_at: str
    series: list[HistorySeries]
