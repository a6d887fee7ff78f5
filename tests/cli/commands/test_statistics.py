"""Statistics from the command line."""

import pytest

SUMS = {
    **{"completed": 1200, "failed": 2, "failed_tries": 3, "cancelled_tries": 0, "success_rate": 0.99},
    **{"prompt_tokens": 5000, "output_tokens": 70000, "load_seconds": 1.0, "prefill_seconds": 2.0},
    **{"decode_seconds": 700.0, "gpu_seconds": 703.0, "broken_seconds": 0.0, "mean_seconds": 0.61},
    **{"mean_first_token_seconds": 0.2, "mean_output_tokens": 58.3, "tokens_per_second": 100.0},
}
CELLS = "1,200\t2\t11 min 43 s\t5,000\t70,000\t100.0\t0.6 s\t0.2 s"
RANGE = {"first_day": "2026-03-01", "last_day": "2026-03-30", "total": SUMS}


@pytest.fixture
def found(server):
    named = [{"name": "llama3.2:latest", "rated": 0, "rating": None, **SUMS}]
    parts = {f"by_{noun}": named for noun in ("model", "agent", "user", "node", "type")}
    server.on("GET", "outputs/stats", {**RANGE, **parts, "by_day": [{"day": "2026-03-01", **SUMS}]})
    server.on("GET", "statistics/usage", {**RANGE, "usage": [{"user": "bob", "agent": "writer", **SUMS}]})


@pytest.mark.usefixtures("found")
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], f"llama3.2:latest\t{CELLS}"),
        (["--by", "day"], f"2026-03-01\t{CELLS}"),
        (["--by", "user-and-agent"], f"bob\twriter\t{CELLS}"),
    ],
)
def test_a_line_for_each(drover, arguments, line):
    assert drover("stats", *arguments).stdout.splitlines()[1] == line


@pytest.mark.usefixtures("found")
def test_a_range_and_a_part_can_be_asked_for(drover, server):
    drover("stats", "--since", "2026-03-01", "--until", "2026-03-30", "--agent", "writer")
    drover("stats", "--days", "7", "--by", "user-and-agent")
    assert server.queries("outputs/stats") == [{"first_day": "2026-03-01", "last_day": "2026-03-30", "agent": "writer"}]
    assert server.queries("statistics/usage") == [{"days": "7"}]


@pytest.mark.usefixtures("found")
def test_scripts_get_the_answer(drover):
    assert '"by_model"' in drover("stats", "--json").stdout
