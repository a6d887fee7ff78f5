"""Comparisons from the command line."""

import pytest

from tests.cli.conftest import run, task

FIGURES = {
    "first_token_seconds": 0.4,
    "prefill_rate": 900.0,
    "decode_rate": 31.04,
    "load_seconds": 2.0,
    "output_tokens": 64,
}
ANSWER = {
    "task_id": 31,
    "label": "A",
    "model": "llama3.2:latest",
    "node": "gpu-a",
    "status": "completed",
    "output": "Hello!",
    "error": None,
    "figures": FIGURES,
    "votes": 1,
}
HIDDEN = {**ANSWER, "task_id": 32, "label": "B", "model": None, "node": None, "figures": None, "votes": None}
FOUND = {
    "id": 12,
    "title": "Greetings",
    "status": "completed",
    "counts": {"completed": 2},
    "created_at": "2026-11-21T10:00:00Z",
    "columns": [{"model": "llama3.2", "node": None}, {"model": "qwen3:8b", "node": "gpu-a"}],
    "rows": [{"row": 0, "prompt": "Say hello.", "answers": [ANSWER, HIDDEN]}],
}


@pytest.fixture
def comparisons(server):
    server.on("POST", "comparisons", (202, {**FOUND, "status": "pending"}))
    server.on("GET", "runs/12", run(task(31), task(32)))
    server.on("GET", "comparisons/12", FOUND)
    return server


def test_prompts_go_to_every_column_and_figures_come_last(drover, comparisons):
    outcome = drover("compare", "Say hello.", "And bye.", "--models", "llama3.2,qwen3:8b@gpu-a", "--option", "seed=1")
    assert outcome.exit_code == 0
    assert "1\tllama3.2:latest\tgpu-a\tcompleted\t0.4 s\t900.0\t31.0\t2.0 s\t64\t1" in outcome.stdout
    assert "1\tB\t\tcompleted\t\t\t\t\t\t" in outcome.stdout
    assert comparisons.bodies("POST", "comparisons") == [
        {
            "prompts": ["Say hello.", "And bye."],
            "columns": [{"model": "llama3.2"}, {"model": "qwen3:8b", "node": "gpu-a"}],
            "parameters": {"seed": 1},
        }
    ]


def test_one_model_is_no_comparison(drover, server):
    assert drover("compare", "Say hello.", "--models", "llama3.2").exit_code == 2
    assert server.calls == []


def test_comparisons_are_listed_shown_and_exported(drover, comparisons):
    summary = {**FOUND, "rows": 1}
    comparisons.on("GET", "comparisons", {"comparisons": [summary], "next_cursor": None})
    comparisons.on("GET", "comparisons/12/export", b"# Comparison\n")
    assert (
        drover("comparisons")
        .stdout.splitlines()[1]
        .startswith("12\tcompleted\tGreetings\tllama3.2, qwen3:8b@gpu-a\t2/2\t")
    )
    assert "── A task 31 llama3.2:latest\nHello!\n── B task 32" in drover("comparisons", "show", "12", "--blind").stdout
    assert comparisons.queries("comparisons/12") == [{"blind": "true"}]
    assert drover("comparisons", "export", "12", "--format", "csv").stdout == "# Comparison\n"


def test_votes_count_prompts_from_one(drover, comparisons):
    comparisons.on("POST", "comparisons/12/votes", FOUND)
    assert drover("comparisons", "vote", "12", "1", "31", "--blind").exit_code == 0
    assert comparisons.bodies("POST", "comparisons/12/votes") == [{"row": 0, "task_id": 31, "blind": True}]
