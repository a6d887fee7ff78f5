"""Names that no system refuses, texts that people read, and archives that are whole although sent in pieces."""

import io
import json
import zipfile
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.answer_files import Archive, file_name, markdown, slug

ANSWER = {
    "id": 7,
    "agent": "writer",
    "model": "llama3.2:latest",
    "tags": ["a", "b"],
    "rating": None,
    "note": "Good.\nVery.",
    "prompt": "Name a fish.",
    "output": "A pike.",
}


@pytest.mark.parametrize(
    ("title", "expected"),
    [
        ("Name a fish.", "name-a-fish"),
        ("../../etc/passwd", "etc-passwd"),
        ("Größe: 5 €", "groe-5"),
        ("日本語", "answer"),
        ("", "answer"),
        ("x" * 200, "x" * 48),
    ],
)
def test_a_title_becomes_a_name(title, expected):
    assert slug(title) == expected


@given(st.text())
def test_any_title_becomes_a_harmless_name(title):
    name = file_name(1, title)
    assert name.isascii()
    assert not set(name) - set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_the_text_says_what_was_asked_answered_and_by_whom():
    text = markdown(ANSWER, "Name a fish.")
    assert text.startswith("# Name a fish.\n\n- task: 7\n- agent: writer\n- model: llama3.2:latest\n- tags: a, b\n\n")
    assert "> Good.\n> Very." in text
    assert text.endswith("## Prompt\n\nName a fish.\n\n## Answer\n\nA pike.\n")


def test_a_text_that_was_removed_is_said_to_be():
    gone = {**ANSWER, "prompt": "", "output": "", "text_removed_at": "2026-11-21T10:00:00Z"}
    assert markdown(gone, "Text removed").count("kept for long enough") == 2


def test_an_archive_sent_in_pieces_is_whole():
    archive = Archive(datetime(2026, 11, 21, tzinfo=UTC))
    sent = archive.add("1-fish.md", b"A pike.") + archive.add("metadata.json", json.dumps([1]).encode())
    with zipfile.ZipFile(io.BytesIO(sent + archive.close())) as found:
        assert found.testzip() is None
        assert found.read("1-fish.md") == b"A pike."
        assert json.loads(found.read("metadata.json")) == [1]
