"""Load from the command line: now, over a range, and by model or node."""

import pytest

NOW = {
    "models": [
        {
            "name": "llama3.2:latest",
            "running": 2,
            "slots": 4,
            "waiting": 7,
            "tokens_per_second": 61.3,
            "vram_bytes": 3_000_000_000,
        }
    ],
    "nodes": [
        {
            "name": "gpu-a",
            "status": "unhealthy",
            "running": 0,
            "slots": None,
            "tokens_per_second": None,
            "vram_used_bytes": None,
        }
    ],
}
WHOLE = {
    "ended": 1200,
    "errors": 3,
    "prompt_tokens": 10,
    "output_tokens": 52_000,
    "loads": 2,
    "first_token_p50_seconds": 0.8,
    "first_token_p95_seconds": None,
}
VALUES = {
    "running": [1.5, None],
    "tokens_per_second": [40.0, None],
    "first_token_p50_seconds": [0.8, None],
    "first_token_p95_seconds": [2.5, None],
    "ended": [12, 0],
    "errors": [1, 0],
    "vram_bytes": [3e9, None],
    "loads": [0, None],
}


def _history(**fields):
    series = {"node": None, "model": None, "others": 0, "whole": WHOLE, "values": VALUES, **fields}
    return {"start_at": "2026-11-21T10:00:00.000Z", "step_seconds": 3600, "series": [series]}


def test_the_load_of_now_is_told_of_models_and_nodes(drover, server):
    server.on("GET", "load", NOW)
    shown = drover("top").stdout
    assert "llama3.2:latest\t2/4\t7\t61.3\t3.0 GB" in shown
    assert "gpu-a\tunhealthy\t0/?\t\t" in shown
    assert drover("top", "--json").json == NOW


def test_a_range_is_told_point_by_point_with_its_sums(drover, server):
    server.on("GET", "load/history", _history())
    shown = drover("history", "--range", "7d", "--model", "llama3.2").stdout
    assert "1.5\t\t40.0\t0.8 s\t2.5 s\t12\t1\t3.0 GB\t0\n" in shown
    assert "1,200 ended, 3 failed, 52,000 tokens, first token 0.8 s (median)" in shown
    assert server.queries("load/history") == [{"range": "7d", "model": "llama3.2", "points": "24", "top": "50"}]


def test_a_row_for_each_model_or_node(drover, server):
    server.on("GET", "load/history", _history(model="qwen3:8b"))
    assert "qwen3:8b\t1,200\t3\t10\t52,000\t0.8 s\t\t2" in drover("history", "--by", "model").stdout
    assert server.queries("load/history")[0]["split"] == "model"
    server.on("GET", "load/history", _history(others=4))
    assert "4 others" in drover("history", "--by", "node").stdout


def test_times_are_sent_with_their_zone(drover, server):
    server.on("GET", "load/history", _history())
    assert drover("history", "--start", "2026-11-01", "--end", "2026-11-02T10:30").exit_code == 0
    (query,) = server.queries("load/history")
    assert "range" not in query
    assert query["start"].startswith("2026-11-01T00:00:00")
    assert query["end"][-6] in "+-"


@pytest.mark.parametrize("arguments", [("--by", "user"), ("--end", "2026-11-01")])
def test_what_makes_no_sense_is_misuse(drover, server, arguments):
    assert drover("history", *arguments).exit_code == 2
