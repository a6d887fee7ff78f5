"""Benchmarks from the command line."""

import pytest

from tests.cli.conftest import run, task


def _spread(median):
    return {"median": median, "q1": median, "q3": median, "p95": median, "low": None, "high": None, "repeats": [median]}


CELL = {
    "model": "llama3.2:latest",
    "node": "gpu-a",
    "prompt": "short",
    "concurrency": 2,
    "errors": 0,
    "first_token_seconds": _spread(0.1234),
    "prefill_rate": _spread(900.0),
    "decode_rate": _spread(31.04),
    "total_rate": None,
}
DRIFT = {
    "model": "llama3.2:latest",
    "node": "gpu-a",
    "prompt": "short",
    "concurrency": 2,
    "figure": "decode_rate",
    "percent": -12.3,
    "regressed": True,
}
FOUND = {
    "id": 12,
    "title": "Friday",
    "status": "completed",
    "counts": {"completed": 2},
    "created_at": "2026-11-21T10:00:00Z",
    "spec": {"left_out": ["8 at once on gpu-a: it has 4 slots"]},
    "report": {
        "cells": [CELL],
        "loads": [{"model": "llama3.2:latest", "node": "gpu-a", "seconds": 2.5, "was_loaded": False}],
        "drifts": [DRIFT, {**DRIFT, "regressed": False}],
        "compared_with": 7,
        "remarks": [],
    },
}


@pytest.fixture
def benchmarks(server):
    server.on("POST", "benchmarks", (202, {**FOUND, "status": "pending"}))
    server.on("GET", "runs/12", run(task(31), task(32)))
    server.on("GET", "benchmarks/12", FOUND)
    return server


def test_figures_are_told_and_outputs_are_not(drover, benchmarks):
    outcome = drover("bench", "--models", "llama3.2,qwen3:8b", "--concurrency", "1,2", "--repeats", "3")
    assert outcome.exit_code == 0, outcome.stderr
    assert "llama3.2:latest\tgpu-a\tshort\t2\t0.123 s\t900.0\t31.0\t\t0" in outcome.stdout
    assert "llama3.2:latest\tgpu-a\t2.5 s" in outcome.stdout
    assert "Hello!" not in outcome.stdout
    assert benchmarks.bodies("POST", "benchmarks") == [
        {"models": ["llama3.2", "qwen3:8b"], "concurrency": [1, 2], "repeats": 3}
    ]


def test_what_became_slower_is_warned_about(drover, benchmarks):
    told = drover("benchmarks", "show", "12").stderr
    assert told.count("Warning:") == 1
    assert "llama3.2:latest on gpu-a, short x2: decode_rate -12.3 % since benchmark 7" in told
    assert "8 at once on gpu-a: it has 4 slots" in told


def test_benchmarks_are_listed_repeated_and_exported(drover, benchmarks):
    summary = {**FOUND, "models": ["llama3.2"], "nodes": ["gpu-a"], "best_rate": 120.5, "regressions": 1}
    benchmarks.on("GET", "benchmarks", {"benchmarks": [summary], "next_cursor": None})
    benchmarks.on("POST", "benchmarks/12/again", (202, FOUND))
    benchmarks.on("GET", "benchmarks/12/export", b"# Benchmark\n")
    assert (
        drover("benchmarks")
        .stdout.splitlines()[1]
        .startswith("12\tcompleted\tFriday\tllama3.2\tgpu-a\t2/2\t120.5\t1\t")
    )
    assert drover("benchmarks", "again", "12", "--json").json == FOUND
    assert drover("benchmarks", "export", "12").stdout == "# Benchmark\n"


def test_models_are_needed_and_levels_are_numbers(drover, server):
    assert drover("bench").exit_code == 2
    assert drover("bench", "--models", "a", "--concurrency", "two").exit_code == 2
    assert server.calls == []
