"""The search over answers: which ones a question finds, in which order, and what they are like.

How many are looked at has a bound each, so that a word that every answer has costs no more than another.
"""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.utils import timezone

from orchestration.models import User
from orchestration.models.output_index import TABLE, Question, condition, key
from orchestration.policy.output_marks import EVERY, LENGTHS, LONGEST, RATINGS, UNRATED, length_of, mark, months_between
from orchestration.queries.output_filter import OutputFilter, owner_ids

COUNTED = 5_000
"""The newest of those found are counted, by kind as well."""
RANKED = 1_000
"""The newest of those found are put in order of relevance."""
_MOST_MONTHS = 36
READ_BY_ROW = 0.4
"""PostgreSQL reads row by row what more than this share of the answers has."""
FACETS = ("model", "agent", "owner", "rating", "tag", "month", "week", "day", "json", "length", "type", "node")
_FIXED = {"rating": RATINGS, "length": (*LENGTHS, LONGEST), "json": ("yes", "no")}
_LATEST_FIRST = frozenset({"month", "week", "day"})

Facets = dict[str, list[tuple[str, int]]]


class Counts(NamedTuple):
    """``total``: of those counted. ``is_whole``: there are no more."""

    total: int
    is_whole: bool
    facets: Facets


class _Hits(NamedTuple):
    """A statement that yields ids, the newest first, and its parameters."""

    sql: str
    params: list[Any]


def newest(asked: OutputFilter, most: int, *, below: int | None = None) -> list[int]:
    hits = _hits(asked, most, below=below)
    if asked.narrows and connection.vendor == "postgresql":
        return [row[0] for row in _from_index(hits)]
    return [row[0] for row in _fetched(hits)]


def best(asked: OutputFilter, among: Sequence[int], *, start: int, most: int) -> list[int]:
    """From the ``start``-th on; ``among`` are the newest that were found, the newest first, RANKED at most."""
    if not among:
        return []
    ranked = sorted(_fetched(_scored(asked, among)), key=lambda row: (-row[1], -row[0]))
    return [row[0] for row in ranked[start : start + most]]


def _scored(asked: OutputFilter, among: Sequence[int]) -> _Hits:
    """How well each answers. FTS5 scores what it finds, so it finds the same again; a tsvector can be asked for."""
    if connection.vendor == "sqlite":
        hits = _hits(asked, len(among), below=among[0] + 1)
        return _Hits(hits.sql.replace(" AS id FROM", f" AS id, -bm25({TABLE}, 1.0, 1.0, 0.0) FROM", 1), hits.params)
    sql = f"SELECT task_id, ts_rank(words, %s::tsquery) FROM {TABLE} WHERE task_id = ANY(%s)"
    return _Hits(sql, [Question(asked.terms, ()).expression, list(among)])


def best_rated(
    asked: OutputFilter, most: int, *, rating: str = RATINGS[0], below: int | None = None
) -> list[tuple[str, int]]:
    """Each with its rating: five stars first, the newest first among equals. ``rating``, ``below``: where to go on."""
    found: list[tuple[str, int]] = []
    for each in RATINGS[RATINGS.index(rating) :]:
        if len(found) < most and (not asked.rating or each in asked.rating):
            narrowed = replace(asked, rating=frozenset({each}))
            ids = newest(narrowed, most - len(found), below=below if each == rating else None)
            found += [(each, pk) for pk in ids]
    return found


def counts(asked: OutputFilter, found: Sequence[int] | None = None) -> Counts:
    """What was found, kind by kind; a kind that is asked for is counted as if it were not. ``found``: the newest."""
    ids = newest(asked, COUNTED) if found is None else found
    columns = _columns(ids)
    facets = {kind: _counted(kind, columns[kind]) for kind in columns}
    facets["tag"] = _tags(ids)
    for kind in asked.kinds:
        if kind in FACETS:
            wider = newest(asked.without(kind), COUNTED)
            facets[kind] = _tags(wider) if kind == "tag" else _counted(kind, _columns(wider)[kind])
    return Counts(len(columns["model"]), len(ids) < COUNTED, facets)


def _listed(ids: Sequence[int]) -> _Hits:
    """What was found, as a table for the next statement."""
    if connection.vendor == "sqlite":
        return _Hits("SELECT value AS id FROM json_each(%s)", [json.dumps(ids)])
    return _Hits("SELECT unnest(%s::bigint[]) AS id", [list(ids)])


def _columns(ids: Sequence[int]) -> dict[str, Sequence[Any]]:
    """Of each kind the values of all of them, as the table has them."""
    hits = _listed(ids)
    sql = f"SELECT {', '.join(_FROM_ROW)} FROM ({hits.sql}) h JOIN orchestration_output o ON o.task_id = h.id"
    found = _fetched(_Hits(sql, hits.params))
    values: list[Sequence[Any]] = list(zip(*found, strict=True)) or [()] * len(_FROM_ROW)
    model, agent, owner, node, task_type, rating, has_json, chars, day = values
    columns = {"model": model, "agent": agent, "owner": owner, "node": node, "type": task_type, "rating": rating}
    return {**columns, "json": has_json, "length": chars, "month": day, "week": day, "day": day}


_FROM_ROW = (
    *("o.model_name", "o.agent_name", "o.owner_id", "o.node_name", "o.type", "o.rating", "o.has_json", "o.chars"),
    "substr(o.ended_at, 1, 10)" if connection.vendor == "sqlite" else "(o.ended_at AT TIME ZONE 'UTC')::date::text",
)


def _tags(ids: Sequence[int]) -> list[tuple[str, int]]:
    hits = _listed(ids)
    sql = (
        f"SELECT t.tag, COUNT(*) FROM ({hits.sql}) h JOIN orchestration_outputtag t ON t.output_id = h.id "
        "GROUP BY t.tag ORDER BY COUNT(*) DESC, t.tag LIMIT 50"
    )
    return [(tag, number) for tag, number in _fetched(_Hits(sql, hits.params))]


def _counted(kind: str, column: Sequence[Any]) -> list[tuple[str, int]]:
    """The column is counted as it is, which is quick, and only what came out is put into words."""
    found: Counter[str] = Counter()
    names = _names(column) if kind == "owner" else {}
    for value, number in Counter(column).items():
        found[names.get(value, "") if kind == "owner" else _WORDS.get(kind, str)(value)] += number
    if kind in _FIXED:
        return [(value, found[value]) for value in _FIXED[kind]]
    named = [(value, number) for value, number in found.most_common() if value]
    return sorted(named, reverse=True) if kind in _LATEST_FIRST else named


def _names(owner_ids: Sequence[int | None]) -> dict[int, str]:
    known = {pk for pk in owner_ids if pk is not None}
    return dict(User.objects.filter(pk__in=known).values_list("pk", "username"))


_WORDS: dict[str, Callable[[Any], str]] = {
    "rating": lambda value: str(value or UNRATED),
    "json": lambda value: "yes" if value else "no",
    "length": length_of,
    "month": lambda day: day[:7],
    "week": lambda day: f"{date.fromisoformat(day):%G-W%V}",
}


def _hits(asked: OutputFilter, most: int, *, below: int | None = None) -> _Hits:
    """Without any filter the table says it; with one the index does, where all of them are one question."""
    if not asked.narrows:
        limits = "" if below is None else "AND o.task_id < %s"
        params = [] if below is None else [below]
        sql = f"SELECT o.task_id AS id FROM orchestration_output o WHERE o.chars > 0 {limits} ORDER BY 1 DESC LIMIT %s"
        return _Hits(sql, [*params, most])
    return _indexed(asked, most, below)


def _indexed(asked: OutputFilter, most: int, below: int | None) -> _Hits:
    parts = [condition()]
    params: list[Any] = [Question(asked.terms, _marks(asked)).expression]
    if below is not None:
        parts, params = [*parts, f"i.{key()} < %s"], [*params, below]
    joined = f"orchestration_output o ON o.task_id = i.{key()}"
    for sign, at in ((">=", asked.since), ("<", asked.until)):
        if at is not None:
            parts, params = [*parts, f"o.ended_at {sign} %s"], [*params, connection.ops.adapt_datetimefield_value(at)]
    table = f"{TABLE} i" + (f" JOIN {joined}" if asked.since or asked.until else "")
    sql = f"SELECT i.{key()} AS id FROM {table} WHERE {' AND '.join(parts)} ORDER BY i.{key()} DESC LIMIT %s"
    return _Hits(sql, [*params, most])


def _from_index(hits: _Hits) -> list[tuple[Any, ...]]:
    """PostgreSQL counts nothing for fetching a tsvector, which costs it more than all else, and so likes to read row by
    row. It may where most rows match; else it has to ask the GIN index, which knows without fetching any."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) SELECT 1 FROM {TABLE} i WHERE {condition()}", hits.params[:1])
        matching = cursor.fetchone()[0][0]["Plan"]["Plan Rows"]
        cursor.execute("SELECT reltuples FROM pg_class WHERE oid = %s::regclass", [TABLE])
        by_row = matching > READ_BY_ROW * cursor.fetchone()[0]
        if not by_row:
            cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_indexscan = off")
        cursor.execute(hits.sql, hits.params)
        found = list(cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = on")
    return found


def _marks(asked: OutputFilter) -> tuple[tuple[str, ...], ...]:
    groups = [
        tuple(mark(kind, value) for value in (owner_ids(values) if kind == "owner" else sorted(values)))
        for kind, values in asked.kinds.items()
    ]
    if asked.since:
        months = list(months_between(asked.since, asked.until or timezone.now()))
        groups += [tuple(mark("month", month) for month in months)] if 0 < len(months) <= _MOST_MONTHS else []
    return tuple(groups) if groups or asked.terms.wanted else ((EVERY,),)


def _fetched(hits: _Hits) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(hits.sql, hits.params)
        return list(cursor.fetchall())
