"""Outputs and collections from the command line."""

import pytest

ROW = {
    "id": 31,
    "title": [{"text": "Name a ", "hit": False}, {"text": "fish", "hit": True}],
    "snippet": [{"text": "A pike.", "hit": False}],
    "snippet_of": "output",
    "model": "llama3.2:latest",
    "agent": "writer",
    "owner": "bob",
    "node": "gpu-a",
    "rating": 4,
    "tags": ["sea"],
    "note": "",
    "collections": [{"id": 7, "name": "Best"}],
    "output_tokens": 12,
    "ended_at": "2026-11-21T10:00:00Z",
    "text_removed_at": None,
}
BEST = {"id": 7, "name": "Best", "outputs": 2, "owner": "bob"}


def test_answers_are_listed_and_searched(drover, server):
    server.on("GET", "outputs", {"outputs": [ROW], "next_cursor": None})
    assert drover("outputs", "--model", "a,b").stdout.splitlines()[1].startswith("31\tName a fish\tA pike.\tllama3.2")
    drover("outputs", "search", "red fish", "-blue", "pik*", "--rating", "5", "--tag", "x,y", "--sort", "newest")
    listed, searched = server.calls
    assert (listed.query["model"], listed.query["facets"], "q" in listed.query) == ("a,b", "false", False)
    assert searched.query["q"] == "red fish -blue pik*"
    assert (searched.query["rating"], searched.query["tag"], searched.query["sort"]) == ("5", "x,y", "newest")


def test_scripts_get_the_counts_too(drover, server):
    server.on("GET", "outputs", {"outputs": [ROW], "next_cursor": None, "facets": {}, "total": 1})
    assert drover("outputs", "--json").json["total"] == 1
    assert server.calls[0].query["facets"] == "true"


def test_an_answer_is_read_rated_tagged_and_noted(drover, server):
    server.on("GET", "outputs/31", {**ROW, "prompt": "Name a fish.", "output": "A pike."})
    server.on("PATCH", "outputs/31", ROW)
    shown = drover("outputs", "show", "31").stdout
    assert "Best" in shown
    assert shown.endswith("A pike.\n")
    drover("outputs", "rate", "31", "5")
    drover("outputs", "rate", "31", "0")
    drover("outputs", "tag", "31", "sea", "food")
    drover("outputs", "tag", "31")
    drover("outputs", "note", "31", "Good.")
    assert [call.body for call in server.calls[1:]] == [
        {"rating": 5},
        {"rating": None},
        {"tags": ["sea", "food"]},
        {"tags": []},
        {"note": "Good."},
    ]
    assert drover("outputs", "rate", "31", "6").exit_code == 2


@pytest.mark.parametrize(("name", "kind"), [("a.zip", "zip"), ("a.md", "markdown"), ("a.csv", "csv"), ("a", "jsonl")])
def test_the_name_of_the_file_says_its_kind(drover, server, tmp_path, name, kind):
    server.on("GET", "outputs/export", (200, {"id": 31}))
    assert drover("outputs", "export", "fish", "--output", str(tmp_path / name)).exit_code == 0
    assert (tmp_path / name).stat().st_size > 0
    assert (server.calls[0].query["format"], server.calls[0].query["q"]) == (kind, "fish")


def test_collections_are_made_listed_filled_emptied_and_deleted(drover, server):
    server.on("GET", "collections", {"collections": [BEST], "next_cursor": None})
    server.on("POST", "collections", (201, BEST))
    server.on("POST", "collections/7/outputs", BEST)
    server.on("DELETE", "collections/7/outputs", BEST)
    server.on("DELETE", "collections/7", None)
    assert drover("collections").stdout.splitlines()[1].startswith("7\tBest\t2\tbob")
    assert "has 2 answers" in drover("collections", "create", "Best", "31", "32").stdout
    drover("collections", "add", "Best", "31")
    drover("collections", "remove", "7", "31", "32")
    assert drover("collections", "delete", "Best").exit_code == 0
    sent = [(call.method, call.path, call.body or call.query) for call in server.calls if call.method != "GET"]
    assert [body for *_, body in sent[:3]] == [
        {"name": "Best", "description": "", "ids": [31, 32]},
        {"ids": [31]},
        {"ids": "31,32"},
    ]


def test_a_collection_that_is_not_there_is_said_to_be_missing(drover, server):
    server.on("GET", "collections", {"collections": [], "next_cursor": None})
    missing = drover("collections", "add", "Worst", "31")
    assert missing.exit_code == 2
    assert "no collection 'Worst'" in missing.stderr
