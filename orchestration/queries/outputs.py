"""Kept answers: pages of what a search finds, one answer in full, pages of texts for exports."""

from collections.abc import Sequence
from typing import NamedTuple

from django.db.models import QuerySet

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Output
from orchestration.models.tasks import HEAVY
from orchestration.payloads.outputs import FacetValue, OutputPage, OutputPayload, OutputRow, output_row
from orchestration.policy.output_marks import RATINGS, UNRATED
from orchestration.policy.snippets import Part, hits, marked, snippet
from orchestration.policy.terms import Term
from orchestration.queries.batches import asked as prompt_of
from orchestration.queries.ids import id_of
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.search import COUNTED, RANKED, best, best_rated, counts, newest

MOST_ROWS = 500
PAGE_ROWS = 25
EXPORTED_AT_ONCE = 100
_SHOWN = ("input", "messages", "output")
_NOT_IN_ROWS = tuple(f"task__{name}" for name in HEAVY if name not in _SHOWN)
_NOT_IN_FULL = ("task__images", "task__vectors", "task__tools", "task__passages", "task__template", "task__origins")


class _Found(NamedTuple):
    ids: list[int]
    following: str | None


def search(
    asked: OutputFilter, *, limit: int = PAGE_ROWS, cursor: str | None = None, facets: bool = True
) -> OutputPage:
    """One page, with how many there are and what they are like. ``cursor`` as an earlier page gave it."""
    limit = max(1, min(limit, MOST_ROWS))
    every = newest(asked, COUNTED) if facets or not cursor else None
    found = _ORDERS[asked.order](asked, limit, cursor, every)
    counted = counts(asked, every) if facets else None
    return OutputPage(
        outputs=rows_of(found.ids, asked.terms.wanted),
        next_cursor=found.following,
        total=counted.total if counted else None,
        is_whole=counted.is_whole if counted else None,
        facets={
            kind: [FacetValue(value=value, count=number) for value, number in values]
            for kind, values in (counted.facets if counted else {}).items()
        },
    )


def _by_age(asked: OutputFilter, limit: int, cursor: str | None, every: Sequence[int] | None) -> _Found:
    (below,) = _numbers(cursor, "n", 1)
    ids = list(every[: limit + 1]) if every is not None and below is None else newest(asked, limit + 1, below=below)
    return _Found(ids[:limit], f"n{ids[limit - 1]}" if len(ids) > limit else None)


def _by_relevance(asked: OutputFilter, limit: int, cursor: str | None, every: Sequence[int] | None) -> _Found:
    """What comes in between two pages does not move what was ranked: all pages are of what was there at the first."""
    start, top = _numbers(cursor, "r", 2)
    among = every[:RANKED] if every is not None and top is None else newest(asked, RANKED, below=(top or 0) + 1)
    ids = best(asked, among, start=start or 0, most=limit + 1)
    return _Found(ids[:limit], f"r{(start or 0) + limit}.{among[0]}" if len(ids) > limit else None)


def _by_rating(asked: OutputFilter, limit: int, cursor: str | None, every: Sequence[int] | None) -> _Found:
    rating, below = _numbers(cursor, "s", 2)
    word = RATINGS[0] if rating is None else (str(rating) if rating else UNRATED)
    if word not in RATINGS:
        raise _bad_cursor()
    rated = best_rated(asked, limit + 1, rating=word, below=below)
    ids = [pk for _, pk in rated[:limit]]
    if len(rated) <= limit:
        return _Found(ids, None)
    last, pk = rated[limit - 1]
    return _Found(ids, f"s{0 if last == UNRATED else last}.{pk}")


_ORDERS = {"newest": _by_age, "relevance": _by_relevance, "rating": _by_rating}


def _numbers(cursor: str | None, letter: str, count: int) -> list[int] | list[None]:
    if not cursor:
        return [None] * count
    numbers = [id_of(part) for part in cursor[1:].split(".")]
    if cursor[0] != letter or len(numbers) != count or None in numbers:
        raise _bad_cursor()
    return [number for number in numbers if number is not None]


def _bad_cursor() -> InvalidInput:
    return InvalidInput("This cursor was not made for this order; leave it out for the first page.", field="cursor")


def rows_of(ids: Sequence[int], terms: Sequence[Term] = ()) -> list[OutputRow]:
    """In the order of the ids; those that are gone are left out."""
    rows = _with_all(Output.objects.filter(pk__in=ids)).defer(*_NOT_IN_ROWS)
    known = {row.pk: row for row in rows}
    return [_row(known[pk], terms) for pk in ids if pk in known]


def _with_all(rows: "QuerySet[Output]") -> "QuerySet[Output]":
    return rows.select_related("task", "owner").prefetch_related("tags", "collections")


def _row(row: Output, terms: Sequence[Term]) -> OutputRow:
    passage, where = _passage(row, terms)
    return output_row(row, title=marked(row.task.title, terms), snippet=passage, snippet_of=where)


def _passage(row: Output, terms: Sequence[Term]) -> tuple[list[Part], str]:
    """Of the answer; of the prompt where only that has what was looked for."""
    of_answer = snippet(row.task.output, terms)
    if not terms or any(hit for _, hit in of_answer):
        return of_answer, "output"
    prompt = prompt_of(row.task)
    return (snippet(prompt, terms), "prompt") if hits(prompt, terms) else (of_answer, "output")


def get_output(task_id: int) -> Output:
    row = _with_all(Output.objects.filter(pk=task_id)).defer(*_NOT_IN_FULL).first()
    if row is None:
        raise NotFound(f"There is no answer of task {task_id}.")
    return row


def output_detail(task_id: int, terms: Sequence[Term] = ()) -> OutputPayload:
    return in_full(get_output(task_id), terms)


def in_full(row: Output, terms: Sequence[Term] = ()) -> OutputPayload:
    task = row.task
    return OutputPayload(
        **_row(row, terms),
        prompt=prompt_of(task),
        system=task.system_prompt,
        output=task.output,
        thinking=task.thinking,
        tool_calls=task.tool_calls,
        metadata=task.metadata,
        client_ref=task.client_ref or None,
    )


def export_page(asked: OutputFilter, *, below: int | None = None) -> tuple[list[OutputPayload], int | None]:
    """The next answers that match, the newest first, and where to go on; None after the last."""
    ids = newest(asked, EXPORTED_AT_ONCE, below=below)
    known = {row.pk: row for row in _with_all(Output.objects.filter(pk__in=ids)).defer(*_NOT_IN_FULL)}
    return [in_full(known[pk]) for pk in ids if pk in known], ids[-1] if len(ids) == EXPORTED_AT_ONCE else None
