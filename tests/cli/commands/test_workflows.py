"""Workflows from the command line: run from steps or saved, applied from files."""

import pytest

from tests.cli.conftest import run, task

SAVED = {"id": 3, "name": "page", "version": 2, "description": "", "owner": "bob", "updated_at": "2026-11-21T10:00:00Z"}
STEPS = ("--steps", "plan:generate:Plan: a page", "--steps", "code:generate:Write it: {{plan}}")


@pytest.fixture
def runs(server):
    """Answers once with what was begun, and to the same request again with how it ended."""
    begun = {"id": 12, "status": "pending", "success": None, "steps": [{"name": "plan"}, {"name": "code"}]}
    ended = {"id": 12, "status": "completed", "success": True, "steps": [{"name": "plan", "output": "Hello!"}]}
    server.on("POST", "workflows", (202, begun), (200, ended))
    server.on("POST", "workflows/definitions/page/run", (202, begun), (200, ended))
    server.on("GET", "runs/12", run(task(31, step="plan"), task(32, step="code")))
    return server


def test_steps_are_sent_as_written_and_followed(drover, runs):
    outcome = drover("run-workflow", "myagent", *STEPS, "--model", "llama3.2", "--input", "x=5")
    assert outcome.exit_code == 0
    assert "── 31 plan · completed" in outcome.stdout
    assert runs.bodies("POST", "workflows") == [
        {
            "agent_id": "myagent",
            "inputs": {"x": 5},
            "steps": [
                {"name": "plan", "type": "generate", "input": "Plan: a page", "model_name": "llama3.2"},
                {"name": "code", "type": "generate", "input": "Write it: {{plan}}", "model_name": "llama3.2"},
            ],
        }
    ]


def test_for_scripts_the_answer_has_the_steps_and_nothing_ran_twice(drover, runs):
    assert drover("run-workflow", "myagent", *STEPS, "--json").json["success"] is True
    first, second = [call for call in runs.calls if call.path == "workflows"]
    assert first.headers["Idempotency-Key"] == second.headers["Idempotency-Key"]
    assert first.body == second.body


def test_a_saved_one_is_run_with_its_inputs(drover, runs, tmp_path):
    (tmp_path / "notes.txt").write_text("5")
    arguments = ("--definition", "page", "--version", "2", "--input", f"notes=@{tmp_path}/notes.txt", "--detach")
    assert drover("run-workflow", *arguments).stdout.startswith("Run 12 has 2 tasks.")
    assert runs.bodies("POST", "workflows/definitions/page/run") == [{"inputs": {"notes": "5"}, "version": 2}]


@pytest.mark.parametrize(
    "arguments", [("myagent",), ("myagent", *STEPS, "--definition", "page"), ("--definition", "page", "--model", "m")]
)
def test_either_steps_or_a_saved_one(drover, server, arguments):
    assert drover("run-workflow", *arguments).exit_code == 2
    assert server.calls == []


def test_a_file_is_applied_as_a_new_version_or_a_new_workflow(drover, server, tmp_path):
    file = tmp_path / "page.yaml"
    file.write_text("name: page\nsteps: []\n")
    server.on("POST", "workflows/definitions", (201, {**SAVED, "version": 1}))
    server.refuse("PUT", "workflows/definitions/page", 404, "not_found", "There is no workflow page.")
    assert drover("workflows", "apply", str(file)).stdout == "Workflow page is saved as version 1.\n"
    server.on("PUT", "workflows/definitions/page", SAVED)
    assert drover("workflows", "apply", str(file), "--note", "Shorter.").stdout.endswith("version 2.\n")
    call = server.calls[-1]
    assert (call.text.decode(), call.headers["Content-Type"]) == (file.read_text(), "application/yaml")
    assert call.query == {"note": "Shorter."}


def test_everything_that_is_wrong_with_a_file_is_told(drover, server, tmp_path):
    file = tmp_path / "page.yaml"
    file.write_text("name: page\n")
    problems = [{"step": "code", "message": "quotes {{paln}}"}, {"step": "", "message": "no steps"}]
    server.refuse("PUT", "workflows/definitions/page", 422, "unprocessable", "It cannot be saved.", problems=problems)
    outcome = drover("workflows", "apply", str(file))
    assert outcome.exit_code == 4
    assert outcome.stderr == "Error: It cannot be saved.\ncode: quotes {{paln}}\nno steps\n"


@pytest.mark.parametrize("text", ["steps: [", "- a list", "name: 3"])
def test_a_file_without_a_name_is_not_sent(drover, server, tmp_path, text):
    (tmp_path / "x.yaml").write_text(text)
    assert drover("workflows", "apply", str(tmp_path / "x.yaml")).exit_code == 2
    assert server.calls == []


def test_saved_ones_are_listed_shown_compared_restored_and_deleted(drover, server):
    path = "workflows/definitions"
    server.on("GET", path, {"workflows": [SAVED], "next_cursor": None})
    server.on("GET", f"{path}/page", b"name: page\n")
    server.on("GET", f"{path}/page/versions", {"versions": [{"version": 2, "author": "bob", "note": "x"} | SAVED_AT]})
    server.on("GET", f"{path}/page/diff", {"before": 1, "after": 2, "diff": "-a\n+b\n"})
    server.on("POST", f"{path}/page/versions/1/restore", {**SAVED, "version": 3})
    server.on("DELETE", f"{path}/page", None)
    assert drover("workflows").stdout.splitlines()[1].startswith("3\tpage\t2\t\tbob\t")
    assert drover("workflows", "show", "page").stdout == "name: page\n"
    assert drover("workflows", "versions", "page").stdout.splitlines()[1].startswith("2\tbob\t")
    assert drover("workflows", "diff", "page", "1", "2").stdout == "-a\n+b\n"
    assert server.queries(f"{path}/page/diff") == [{"from": "1", "to": "2"}]
    assert "Version 1 of page is back, as version 3." in drover("workflows", "restore", "page", "1").stdout
    assert drover("workflows", "delete", "page").exit_code == 0


SAVED_AT = {"created_at": "2026-11-21T10:00:00Z"}
