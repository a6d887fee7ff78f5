"""Runs from the command line: listed, shown, exported, limited, paused."""

import pytest

from tests.cli.conftest import run, task


def test_runs_are_listed_by_kind(drover, server):
    server.on("GET", "runs", {"runs": [run(task(), task(status="failed"))], "next_cursor": None})
    lines = drover("runs", "--kind", "batch").stdout.splitlines()
    assert lines[1].startswith("12\tfailed\tbatch\twriter\t1/2, 1 failed\tbob\t")
    assert server.queries("runs") == [{"limit": "50", "kind": "batch"}]


def test_a_run_is_shown_with_its_outputs(drover, server):
    server.on("GET", "runs/12", run(task(), task(32, status="running"), title="Night"))
    shown = drover("run", "12").stdout
    assert "title:   Night" in shown
    assert "── 31 Say hello. · completed" in shown
    assert "── 32" not in shown


def test_results_go_to_stdout_or_a_file(drover, server, tmp_path):
    server.on("GET", "runs/12/export", b'{"a":1}\n')
    assert drover("export", "12").stdout == '{"a":1}\n'
    drover("export", "12", "--format", "csv", "-o", str(tmp_path / "x.csv"))
    assert (tmp_path / "x.csv").read_bytes() == b'{"a":1}\n'
    assert [query["format"] for query in server.queries("runs/12/export")] == ["jsonl", "csv"]


def test_limits_are_changed_while_it_runs(drover, server):
    server.on("PATCH", "runs/12", run(task()))
    assert drover("limits", "12", "--max-parallel", "4").exit_code == 0
    assert server.bodies("PATCH", "runs/12") == [{"max_parallel": 4}]
    assert drover("limits", "12").exit_code == 2


def test_a_run_is_done_again_from_a_step(drover, server):
    server.on("POST", "runs/12/rerun", (202, run(task(31, status="pending"), id=13)))
    assert drover("rerun", "12", "--from", "code", "--detach").stdout.startswith("Run 13 has 1 task.")
    assert server.bodies("POST", "runs/12/rerun") == [{"step": "code"}]


def test_runs_are_paused_and_go_on(drover, server):
    server.on("POST", "runs/12/pause", run(task(), status="paused"))
    server.on("POST", "runs/12/resume", run(task()))
    assert drover("pause", "12").stdout == "Run 12 is paused.\n"
    assert drover("resume", "12").stdout == "Run 12 goes on.\n"


def test_agents_models_and_priorities_are_paused_too(drover, server):
    server.on("POST", "pauses", (201, {"kind": "model", "key": "llama3.2:latest"}))
    server.on("DELETE", "pauses/model/hf.co%2Fa%2Fb:q4", None)
    server.on("GET", "pauses", {"pauses": [{"kind": "agent", "name": "writer", "paused_by": "ana", "note": ""}]})
    drover("pause", "--model", "llama3.2", "--note", "Updating.")
    assert server.bodies("POST", "pauses") == [{"kind": "model", "key": "llama3.2", "note": "Updating."}]
    assert drover("resume", "--model", "hf.co/a/b:q4").exit_code == 0
    assert drover("pauses").stdout.splitlines()[1] == "agent\twriter\tana\t"


@pytest.mark.parametrize(
    "arguments", [("pause",), ("pause", "12", "--agent", "a"), ("resume", "--agent", "a", "--model", "b")]
)
def test_one_thing_is_paused_at_a_time(drover, arguments):
    assert drover(*arguments).exit_code == 2
