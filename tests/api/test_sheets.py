"""What stands in exported files."""

from orchestration.api.sheets import benchmark_csv, benchmark_markdown, comparison_csv, comparison_markdown

SPREAD = {"median": 50.0, "q1": 49.0, "q3": 51.0, "p95": 52.0, "low": None, "high": None, "repeats": [50.0]}
CELL = {
    **{
        "model": "a|b",
        "node": "gpu-a",
        "prompt": "Prompt 1",
        "concurrency": 4,
        "requests": 8,
        "errors": 1,
        "reloads": 0,
    },
    **{"prompt_tokens": 10, "output_tokens": 20, "inside_seconds": 0.0, "at_once": 3.9},
    **{"first_token_seconds": SPREAD, "prefill_rate": None, "decode_rate": SPREAD, "total_rate": SPREAD},
}
DRIFT = {
    **{"model": "a", "node": "gpu-a", "prompt": "p", "concurrency": 1, "figure": "decode_rate", "before": 100.0},
    **{"now": 50.0, "percent": -50.0, "low": -51.0, "high": -49.0, "sure": True, "worse": True, "regressed": True},
}


def benchmark(**report):
    whole = {"complete": True, "ended_at": None, "took_seconds": 12.0, "cells": [CELL], "curves": [], "drifts": []}
    whole |= {"compared_with": None, "remarks": [], "loads": [], **report}
    place = {"model": "a", "node": "gpu-a", "digest": "f" * 64, "quantization": "Q4", "parameter_size": "3B"}
    place |= {"ollama_version": "0.33", "slots": 4, "node_id": 1, "levels": [4]}
    spec = {"repeats": 2, "rounds": 1, "options": {"seed": 1}, "left_out": ["8 at once is left out."]}
    return {
        "id": 7,
        "title": "T",
        "owner": None,
        "status": "completed",
        "created_at": "now",
        "places": [place],
        "spec": spec,
        "report": whole,
    }


def comparison(**fields):
    answer = {
        "task_id": 1,
        "label": "A",
        "column": 0,
        "model": "m",
        "node": None,
        "status": "failed",
        "state": "failed",
    }
    answer |= {"output": "", "error": "no\nluck", "figures": None, "votes": None, **fields}
    row = {
        "row": 0,
        "prompt": "two\nlines",
        "hidden": False,
        "different": None,
        "best": {},
        "my_vote": None,
        "answers": [answer],
    }
    return {"id": None, "title": "Tasks 1, 2", "rows": [row]}


def test_a_bar_in_a_name_breaks_no_table():
    assert "| a\\|b | gpu-a | Prompt 1 | 4 | 50.000 s | 52.000 s | — |" in benchmark_markdown(benchmark())


def test_what_was_left_out_and_what_got_worse_is_said():
    text = benchmark_markdown(benchmark(compared_with=3, drifts=[DRIFT]))
    assert "* 8 at once is left out." in text
    assert "Against benchmark 3" in text
    assert "| a | gpu-a | p | 1 | decode_rate | 100 | 50 | -50.0 % | worse |" in text
    assert "no change beyond the spread" in benchmark_markdown(benchmark(compared_with=3))


def test_loads_are_told_apart_from_models_that_were_there():
    loads = [
        {"model": "a", "node": "n", "seconds": 4.25, "was_loaded": False, "vram_bytes": None},
        {"model": "b", "node": "n", "seconds": None, "was_loaded": True, "vram_bytes": None},
    ]
    text = benchmark_markdown(benchmark(loads=loads))
    assert "| a | n | 4.2 s |" in text
    assert "| b | n | was loaded already |" in text


def test_unknown_figures_are_empty_in_a_sheet():
    names, values = (line.split(",") for line in benchmark_csv(benchmark()).splitlines())
    found = dict(zip(names, values, strict=True))
    assert (found["prefill_rate_median"], found["decode_rate_median"], found["total_rate_low"]) == ("", "50.0", "")


def test_prompts_and_answers_are_quoted_line_by_line():
    text = comparison_markdown(comparison(output="one\n\ntwo"))
    assert text.startswith("# Tasks 1, 2\n")
    assert "> two\n> lines" in text
    assert "> one\n> \n> two" in text


def test_a_sheet_keeps_lines_within_their_cell():
    assert '"two\nlines"' in comparison_csv(comparison())
    assert '"no\nluck"' in comparison_csv(comparison())


def test_an_answer_is_no_formula_to_a_spreadsheet():
    assert "'=HYPERLINK(1)" in comparison_csv(comparison(output="=HYPERLINK(1)"))
