"""Load over REST, now and over a range of time."""

import pytest

from orchestration.models import Node
from orchestration.services import history
from tests.api.conftest import ApiClient
from tests.loads import MODEL, at, ended_attempt, sampled, starts_at


@pytest.fixture
def past(node: Node, carol_api: ApiClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.api.history.timezone.now", lambda: at(0))
    starts_at(-3600)
    ended_attempt(-50, node=node)
    history.record(samples=sampled(-60, -30, {node: {MODEL: 2}}), now=at(0))


def test_the_load_of_now_is_the_sample(carol_api: ApiClient, node: Node) -> None:
    answer = carol_api.get("load").json()
    assert [shown["name"] for shown in answer["nodes"]] == ["gpu-a"]
    assert answer["totals"]["running"] == 0


def test_a_range_is_told_in_equal_steps(carol_api: ApiClient, past: None) -> None:
    answer = carol_api.get(f"load/history?start={_iso(-120)}&end={_iso(0)}").json()
    assert (answer["start_at"], answer["step_seconds"]) == ("2027-01-15T07:58:00.000Z", 1)
    (series,) = answer["series"]
    assert (series["node"], series["model"], series["whole"]["ended"]) == (None, None, 1)
    assert (series["values"]["running"][60], series["values"]["ended"][70]) == (2, 1)


def test_series_can_be_split_and_chosen(carol_api: ApiClient, past: None) -> None:
    query = f"start={_iso(-120)}&end={_iso(0)}"
    (series,) = carol_api.get(f"load/history?{query}&split=model&metrics=running,ended").json()["series"]
    assert (series["model"], list(series["values"])) == (MODEL, ["running", "ended"])
    (series,) = carol_api.get(f"load/history?{query}&node=gpu-a&model={MODEL}").json()["series"]
    assert (series["node"], series["whole"]["output_tokens"]) == ("gpu-a", 100)


@pytest.mark.parametrize("query", ["range=2h", "metrics=speed", "split=user", "start=yesterday", "points=1"])
def test_what_makes_no_sense_is_refused(carol_api: ApiClient, query: str) -> None:
    response = carol_api.get(f"load/history?{query}")
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_input")


def test_nobody_reads_it_without_a_key(anybody: ApiClient) -> None:
    assert anybody.get("load").status_code == anybody.get("load/history").status_code == 401


def _iso(second: float) -> str:
    return at(second).strftime("%Y-%m-%dT%H:%M:%SZ")
