"""Answers as files: lines, sheets, texts and archives, sent page by page."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime
from typing import Any

import pytest
from django.http import QueryDict
from django.test import AsyncClient

from orchestration.api.output_files import COLUMNS, KINDS, OutputKind, json_of, written
from orchestration.models import Run, Task
from orchestration.payloads.outputs import OutputRow
from orchestration.queries import outputs as queries
from orchestration.queries.output_filter import OutputFilter
from orchestration.services import collections, gathering, outputs

from .conftest import ROOT, ApiClient

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]
NOW = datetime(2026, 11, 21, 8, 30, tzinfo=UTC)
NOBODY = QueryDict("q=whale")


@pytest.fixture
def fish(submit: Any) -> list[int]:
    """Two answers, the second one to something that a spreadsheet would run."""
    run: Run = submit("Name a red fish.", "=1+1")
    ids = list(run.tasks.order_by("pk").values_list("pk", flat=True))
    for pk, output in zip(ids, ("The red snapper.", "@SUM(A1)"), strict=True):
        Task.objects.filter(pk=pk).update(
            status="completed", output=output, model_used="llama3.2:latest", ended_at="2026-11-20T12:00:00Z"
        )
    gathering.gather(seconds=60)
    return ids


async def download(client: ApiClient, path: str) -> bytes:
    response = await AsyncClient().get(f"{ROOT}{path}", headers=client.headers)
    assert response.status_code == 200
    return b"".join([chunk async for chunk in response.streaming_content])


async def file_of(kind: OutputKind, query: QueryDict | None = None) -> list[bytes]:
    """The pieces that are sent."""
    return [piece async for piece in written(OutputFilter.from_query(query or QueryDict()), kind, NOW)]


def packed(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    assert archive.testzip() is None
    return archive


async def test_lines_and_sheets_have_all_that_match(fish, carol_api):
    lines = [json.loads(line) for line in (await download(carol_api, "outputs/export")).splitlines()]
    assert [row["id"] for row in lines] == fish[::-1]
    assert lines[1]["title"] == "Name a red fish."
    sheet = list(csv.DictReader(io.StringIO((await download(carol_api, "outputs/export?format=csv")).decode())))
    assert (sheet[0]["prompt"], sheet[0]["output"]) == ("'=1+1", "'@SUM(A1)")


async def test_texts_and_archives_are_for_people(fish, carol_api):
    text = (await download(carol_api, "outputs/export?format=markdown&q=snapper")).decode()
    assert text.startswith(f"# Name a red fish.\n\n- task: {fish[0]}\n")
    assert "SUM" not in text
    packed = await download(carol_api, "outputs/export?format=zip")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{fish[1]}-1-1.md", f"{fish[0]}-name-a-red-fish.md", "metadata.json"]
        facts = json.loads(archive.read("metadata.json"))
    assert [(each["id"], each["file"]) for each in facts][1] == (fish[0], f"{fish[0]}-name-a-red-fish.md")
    assert "output" not in facts[0]


@pytest.mark.parametrize("kind", list(OutputKind))
async def test_a_file_says_what_it_is(fish, carol_api, kind):
    response = await AsyncClient().get(f"{ROOT}outputs/export?format={kind}", headers=carol_api.headers)
    media_type, ending = KINDS[kind]
    assert response["Content-Type"] == media_type
    assert response["Content-Disposition"] == f'attachment; filename="outputs.{ending}"'
    assert b"".join([piece async for piece in response.streaming_content])


@pytest.mark.parametrize("kind", list(OutputKind))
async def test_pages_make_one_whole_file(fish, monkeypatch, kind):
    """The last page is full: there may be another, which is empty."""
    whole = await file_of(kind)
    monkeypatch.setattr(queries, "EXPORTED_AT_ONCE", 1)
    pieces = await file_of(kind)
    assert b"".join(pieces) == b"".join(whole)
    assert len(pieces) == len(whole) + 1
    assert all(pieces)


async def test_nothing_found_is_a_whole_file_too():
    assert await file_of(OutputKind.JSONL, NOBODY) == await file_of(OutputKind.MARKDOWN, NOBODY) == []
    sheet = b"".join(await file_of(OutputKind.CSV, NOBODY)).decode()
    assert next(csv.reader(io.StringIO(sheet))) == list(COLUMNS)
    with packed(b"".join(await file_of(OutputKind.ZIP, NOBODY))) as archive:
        assert archive.namelist() == ["metadata.json"]
        assert json.loads(archive.read("metadata.json")) == []


def test_every_column_is_one_of_an_answer_and_none_is_of_a_search():
    assert set(OutputRow.__annotations__) - set(COLUMNS) == {"snippet", "snippet_of"}
    assert {"prompt", "output", "thinking", "tool_calls", "metadata", "client_ref"} <= set(COLUMNS)


@pytest.fixture
def marked(fish: list[int], as_bob: Any) -> int:
    """An answer with all that people can put it under."""
    outputs.edit(actor=as_bob, task_id=fish[0], rating=4, tags=["sea", "a, b"], note="Größe ✓")
    collections.create(actor=as_bob, name="Best", task_ids=fish[:1])
    Task.objects.filter(pk=fish[0]).update(metadata={"order": [1, None]})
    return fish[0]


async def test_lines_have_lists_and_sheets_have_them_as_json(marked):
    query = QueryDict("rating=4")
    (line,) = b"".join(await file_of(OutputKind.JSONL, query)).splitlines()
    told = json.loads(line)
    assert list(told) == list(COLUMNS)
    assert (told["tags"], told["collections"], told["metadata"]) == (["a, b", "sea"], ["Best"], {"order": [1, None]})
    assert "Größe ✓".encode() in line
    (row,) = csv.DictReader(io.StringIO(b"".join(await file_of(OutputKind.CSV, query)).decode()))
    assert (json.loads(row["tags"]), json.loads(row["collections"])) == (["a, b", "sea"], ["Best"])
    assert (json.loads(row["metadata"]), row["note"], row["rating"]) == ({"order": [1, None]}, "Größe ✓", "4")


async def test_an_archive_has_what_is_known_beside_the_texts_and_its_date(marked):
    with packed(b"".join(await file_of(OutputKind.ZIP, QueryDict("rating=4")))) as archive:
        (facts,) = json.loads(archive.read("metadata.json"))
        text = archive.read(facts["file"]).decode()
        assert {info.date_time for info in archive.infolist()} == {(2026, 11, 21, 8, 30, 0)}
    assert (facts["rating"], facts["collections"], facts["title"]) == (4, ["Best"], "Name a red fish.")
    assert not {"prompt", "system", "output", "thinking", "tool_calls"} & set(facts)
    assert "The red snapper." in text
    assert "> Größe ✓" in text


async def test_answers_that_go_while_they_are_sent_are_left_out(fish, monkeypatch):
    monkeypatch.setattr(queries, "EXPORTED_AT_ONCE", 1)
    sending = written(OutputFilter(), OutputKind.JSONL, NOW)
    first = json.loads(await anext(sending))
    await Task.objects.filter(pk=fish[0]).adelete()
    assert first["id"] == fish[1]
    assert [piece async for piece in sending] == []


def test_json_is_written_briefly_and_in_its_own_letters():
    assert json_of({"a": ["ä", None, 1.5]}) == '{"a":["ä",null,1.5]}'.encode()
