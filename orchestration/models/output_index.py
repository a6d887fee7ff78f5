"""The index behind the search over answers: FTS5 in SQLite, a tsvector under GIN in PostgreSQL, one way to use both.

Django has no models for either. A row has the words of a prompt and of its answer, and marks: short words that stand
for what a filter asks for, so that words and filters are one question to the index.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection

from orchestration.policy.terms import Term, Terms

TABLE = "orchestration_outputindex"
Marks = tuple[tuple[str, ...], ...]
"""One of each group must be there."""
_MOST_POSITIONS, _LAST_POSITION = 255, 16_383
_BETWEEN = 10
"""No phrase begins in a prompt and ends in its answer."""
_MOST_LEXEMES_BYTES = 900_000
"""Of the 1,048,575 that a tsvector may have."""


class Entry(NamedTuple):
    task_id: int
    prompt: Sequence[str]
    answer: Sequence[str]
    marks: Collection[str]


@dataclass(frozen=True, slots=True)
class Question:
    """What an answer must have to be found. ``marks`` alone must not be empty: each entry has one that all have."""

    terms: Terms
    marks: Marks

    @property
    def expression(self) -> str:
        """In the language of the database in use."""
        return _of_fts5(self) if connection.vendor == "sqlite" else _of_tsquery(self)


def put(entries: Sequence[Entry]) -> None:
    """Adds these, in the place of what was there for the same tasks."""
    if not entries:
        return
    drop([entry.task_id for entry in entries])
    if connection.vendor == "sqlite":
        rows = [(e.task_id, " ".join(e.prompt), " ".join(e.answer), " ".join(e.marks)) for e in entries]
        _many(f"INSERT INTO {TABLE} (rowid, prompt, answer, marks) VALUES (%s, %s, %s, %s)", rows)
    else:
        lexemes = [(entry.task_id, _tsvector(entry)) for entry in entries]
        _many(f"INSERT INTO {TABLE} (task_id, words) VALUES (%s, %s::tsvector)", lexemes)


def remark(task_id: int, marks: Collection[str]) -> None:
    """The same words under other marks."""
    if connection.vendor == "sqlite":
        _many(f"UPDATE {TABLE} SET marks = %s WHERE rowid = %s", [(" ".join(marks), task_id)])
        return
    old = "COALESCE((SELECT array_agg(lexeme) FROM unnest(words) WHERE lexeme LIKE '=%%'), '{}'::text[])"
    sql = f"UPDATE {TABLE} SET words = ts_delete(words, {old}) || %s::tsvector WHERE task_id = %s"
    _many(sql, [(_lexemes_of_marks(marks), task_id)])


def forget_words(task_ids: Sequence[int]) -> None:
    """Their marks stay: filters find them still."""
    if connection.vendor == "sqlite":
        _many(f"UPDATE {TABLE} SET prompt = '', answer = '' WHERE rowid = %s", [(task_id,) for task_id in task_ids])
        return
    words = "COALESCE((SELECT array_agg(lexeme) FROM unnest(words) WHERE lexeme NOT LIKE '=%%'), '{}'::text[])"
    _many(f"UPDATE {TABLE} SET words = ts_delete(words, {words}) WHERE task_id = %s", [(each,) for each in task_ids])


def drop(task_ids: Iterable[int]) -> None:
    _many(f"DELETE FROM {TABLE} WHERE {key()} = %s", [(task_id,) for task_id in task_ids])


def drop_orphans() -> int:
    """Entries of answers that are gone by another way than the services. Their number."""
    ids = (
        f"(SELECT id FROM {TABLE}_docsize)" if connection.vendor == "sqlite" else f"(SELECT task_id AS id FROM {TABLE})"
    )
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT i.id FROM {ids} i WHERE NOT EXISTS (SELECT 1 FROM orchestration_output o WHERE o.task_id = i.id)"
        )
        found = [task_id for (task_id,) in cursor.fetchall()]
    drop(found)
    return len(found)


def key() -> str:
    """The column with the task's id."""
    return "rowid" if connection.vendor == "sqlite" else "task_id"


def condition() -> str:
    """With the question's expression as its parameter."""
    return f"{TABLE} MATCH %s" if connection.vendor == "sqlite" else "words @@ %s::tsquery"


def _many(sql: str, rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        with connection.cursor() as cursor:
            cursor.executemany(sql, rows)


def _of_fts5(question: Question) -> str:
    wanted = [f"{{prompt answer}} : {_fts5_term(term)}" for term in question.terms.wanted]
    marks = [f"marks : ({' OR '.join(group)})" for group in question.marks]
    whole = " AND ".join(f"({part})" for part in (*wanted, *marks))
    unwanted = " OR ".join(f"({{prompt answer}} : {_fts5_term(term)})" for term in question.terms.unwanted)
    return f"({whole}) NOT ({unwanted})" if unwanted else whole


def _fts5_term(term: Term) -> str:
    return f'"{" ".join(term.words)}"{" *" if term.is_prefix else ""}'


def _of_tsquery(question: Question) -> str:
    wanted = [_tsquery_term(term) for term in question.terms.wanted]
    marks = ["(" + " | ".join(f"'={mark}'" for mark in group) + ")" for group in question.marks]
    unwanted = [f"!{_tsquery_term(term)}" for term in question.terms.unwanted]
    return " & ".join((*wanted, *marks, *unwanted))


def _tsquery_term(term: Term) -> str:
    """Only what people wrote is looked at: marks begin with a sign that no word has."""
    phrase = " <-> ".join(f"'{word}'" for word in term.words)
    return f"({phrase}{':*' if term.is_prefix else ''})"


def _tsvector(entry: Entry) -> str:
    """Written out here, so that both databases know the same words."""
    positions: dict[str, list[str]] = {}
    start = 1
    for weight, said in (("A", entry.prompt), ("B", entry.answer)):
        for position, word in enumerate(said, start):
            known = positions.setdefault(word, [])
            if len(known) < _MOST_POSITIONS and position <= _LAST_POSITION:
                known.append(f"{position}{weight}")
        start += len(said) + _BETWEEN
    lexemes, size = [], 0
    for word, known in positions.items():
        size += len(word.encode()) + 4 + 2 * len(known)
        if size > _MOST_LEXEMES_BYTES:
            break
        lexemes.append(f"'{word}':{','.join(known)}" if known else f"'{word}'")
    return " ".join((*lexemes, _lexemes_of_marks(entry.marks)))


def _lexemes_of_marks(marks: Collection[str]) -> str:
    return " ".join(f"'={mark}'" for mark in marks)
