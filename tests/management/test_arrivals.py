"""The way to the server's socket: told by the server's own account, request by request. `make bench` runs it whole."""

import pytest

from orchestration.management import arrivals


def _request(seed: int, started: float, ended: float) -> dict[str, object]:
    return {"options": {"seed": seed}, "started": started, "ended": ended}


def test_requests_are_told_apart_by_their_seed_and_the_first_one_counts():
    look = {"options": {}, "started": 0.5, "ended": 0.6}
    found = arrivals.by_seed([_request(1, 1.0, 2.0), look, _request(2, 2.0, 3.0), _request(1, 4.0, 5.0)])
    assert {seed: each["started"] for seed, each in found.items()} == {1: 1.0, 2: 2.0}


def test_the_busy_share_counts_only_what_fell_into_the_time():
    requests = [_request(number, 0.0, 2.0) for number in range(arrivals.SLOTS // 2)]
    requests.append(_request(99, 1.0, 9.0))
    assert arrivals.busy_share(requests) == pytest.approx(0.5)


def test_one_request_alone_keeps_no_share():
    assert arrivals.busy_share([_request(1, 1.0, 2.0)]) == 0.0


@pytest.mark.processes
def test_a_small_measurement_sees_every_request_arrive():
    found = arrivals.measure(2)
    assert [len(seconds) for seconds in (found.direct, found.idle, found.loaded)] == [2, 2, 2]
    assert all(0 < seconds < 60 for seconds in (*found.direct, *found.idle, *found.loaded))
