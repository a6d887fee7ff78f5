"""Documents from the command line."""

from pathlib import Path

import pytest

from orchestration.cli.commands.documents import ids_of
from orchestration.cli.failures import Misused
from orchestration.cli.session import Flags, Session
from tests.cli.conftest import KEY

NOTES = {
    "id": 9,
    "name": "notes.md",
    "size_bytes": 2048,
    "tokens": 500,
    "owner": "bob",
    "created_at": "2026-11-21T10:00:00Z",
    "text": "# Notes",
}


@pytest.fixture
def notes(tmp_path):
    file = tmp_path / "notes.md"
    file.write_text("# Notes")
    return file


def test_a_file_is_uploaded_under_its_name_or_another(drover, server, notes):
    server.on("POST", "documents", (201, NOTES))
    assert "has the id 9 and about 500 tokens" in drover("documents", "add", str(notes)).stdout
    drover("documents", "add", str(notes), "--name", "minutes.md")
    first, second = server.calls
    assert b'filename="notes.md"' in first.text
    assert b"# Notes" in first.text
    assert b'filename="minutes.md"' in second.text


def test_documents_are_listed_read_and_deleted(drover, server):
    server.on("GET", "documents", {"documents": [NOTES], "next_cursor": None})
    server.on("GET", "documents/9", NOTES)
    server.on("DELETE", "documents/9", None)
    assert drover("documents").stdout.splitlines()[1].startswith("9\tnotes.md\t2.0 KB\t500\tbob\t")
    assert drover("documents", "show", "9").stdout == "# Notes\n"
    assert drover("documents", "delete", "9").exit_code == 0


def test_numbers_are_ids_and_anything_else_is_a_file(server, notes):
    server.on("POST", "documents", NOTES)
    session = Session(Flags(server.url, KEY))
    assert ids_of(session, ["4", str(notes)]) == [4, 9]
    assert ids_of(session, None) == []
    with pytest.raises(Misused, match="cannot be read"):
        ids_of(session, [str(Path(notes).with_name("gone.md"))])
    session.close()
