"""Noticing other people's requests: never mistaking our own for theirs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.outsiders import Findings, Ours, Sight, compare

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
KEEP_ALIVE = timedelta(minutes=30)
POLL = timedelta(seconds=2)
NOTHING = Findings()
IDLE = Sight(num_ctx=4096, expires_at=NOON + KEEP_ALIVE, size_bytes=5)


def sight(**fields: Any) -> Sight:
    return Sight(**{"num_ctx": 4096, "expires_at": NOON + KEEP_ALIVE, "size_bytes": 5, **fields})


def found(before: dict[str, Sight] | None, after: dict[str, Sight], **ours: set[str]) -> Findings:
    return compare(before, after, Ours(**ours), NOON + POLL)


# Signs ----------------------------------------------------------------------------------------------------------------


def test_an_idle_node_shows_nothing():
    assert found({"a": IDLE}, {"a": IDLE}) == NOTHING


def test_a_model_that_came_without_us_is_used_by_others():
    assert found({"a": IDLE}, {"a": IDLE, "b": IDLE}) == Findings(busy={"b"}, arrived={"b"})


def test_a_keep_alive_that_starts_anew_without_a_call_of_ours_is_somebody_elses():
    later = sight(expires_at=NOON + KEEP_ALIVE + POLL)
    assert found({"a": IDLE}, {"a": later}) == Findings(busy={"a"})
    assert found({"a": IDLE}, {"a": later}, used={"a"}) == NOTHING
    assert found({"a": IDLE}, {"a": later}, in_flight={"a"}) == NOTHING


def test_a_model_whose_time_is_over_and_that_is_still_there_is_running():
    overdue = sight(expires_at=NOON - timedelta(minutes=1))
    assert found({"a": overdue}, {"a": overdue}) == Findings(busy={"a"})
    assert found({"a": overdue}, {"a": overdue}, in_flight={"a"}) == NOTHING


def test_clocks_that_differ_a_little_are_no_sign():
    assert found({"a": IDLE}, {"a": sight(expires_at=NOON)}) == NOTHING


def test_another_context_means_somebody_reloaded_it():
    larger = sight(num_ctx=16_384, expires_at=IDLE.expires_at)
    assert found({"a": IDLE}, {"a": larger}) == Findings(busy={"a"})
    assert found({"a": IDLE}, {"a": larger}, loads={"a"}) == NOTHING
    assert found({"a": sight(num_ctx=None)}, {"a": sight(num_ctx=None)}) == NOTHING


def test_an_idle_model_that_went_before_its_time_was_evicted_for_another():
    assert found({"a": IDLE, "b": IDLE}, {"b": IDLE}).taken_bytes == 5
    assert found({"a": IDLE}, {}).taken_bytes == 5


def test_memory_is_not_kept_for_a_model_that_is_there_already():
    assert found({"a": IDLE}, {"b": IDLE}) == Findings(busy={"b"}, arrived={"b"})


@pytest.mark.parametrize("expires_at", [NOON, NOON - POLL, None])
def test_a_model_whose_time_was_over_just_went(expires_at: datetime | None):
    assert found({"a": sight(expires_at=expires_at), "b": IDLE}, {"b": IDLE}) == NOTHING


def test_what_goes_for_a_load_of_ours_was_taken_by_nobody():
    assert found({"a": IDLE, "b": IDLE}, {"b": IDLE}, loads={"c"}) == NOTHING


def test_a_model_that_dies_with_our_requests_in_it_was_not_evicted():
    assert found({"a": IDLE, "b": IDLE}, {"b": IDLE}, in_flight={"a"}) == NOTHING


def test_a_server_that_lost_everything_at_once_was_started_anew():
    assert found({"a": IDLE, "b": IDLE}, {}) == NOTHING
    assert found({"a": IDLE}, {}, in_flight={"a"}) == NOTHING


def test_the_first_look_shows_only_what_is_overdue():
    overdue = sight(expires_at=NOON - timedelta(minutes=1))
    assert found(None, {"a": IDLE, "b": overdue}) == Findings(busy={"b"})


# Our own doings -------------------------------------------------------------------------------------------------------


class Server:
    """A node that only Drover uses, with room for two models, and a record of what Drover did since the last look."""

    def __init__(self) -> None:
        self.now = NOON
        self.models: dict[str, Sight] = {}
        self.running: set[str] = set()
        self.forget()

    def forget(self) -> None:
        self.used: set[str] = set(self.running)
        self.loads: set[str] = set()

    def call(self, model: str) -> None:
        if model in self.models:
            self.running.add(model)
            self.used.add(model)

    def end(self, model: str) -> None:
        if model in self.running:
            self.running.discard(model)
            self.used.add(model)
            self.models[model] = Sight(num_ctx=4096, expires_at=self.now + KEEP_ALIVE, size_bytes=5)

    def load(self, model: str) -> None:
        idle = [name for name in self.models if name not in self.running]
        if len(self.models) == 2 and model not in self.models:
            if not idle:
                return
            del self.models[idle[0]]
        self.loads.add(model)
        self.models[model] = Sight(num_ctx=4096, expires_at=self.now + KEEP_ALIVE, size_bytes=5)

    def wait(self, model: str) -> None:
        """A long time in which nothing is sent; the requests that run go on."""
        self.now += timedelta(minutes=40)
        idle = {name: it for name, it in self.models.items() if name not in self.running}
        for name, it in idle.items():
            if it.expires_at and it.expires_at <= self.now:
                del self.models[name]

    def restart(self, model: str) -> None:
        if len(self.models) > 1 or self.running:
            self.models.clear()


actions = st.tuples(st.sampled_from(["call", "end", "load", "wait", "restart"]), st.sampled_from("abc"))


@given(st.lists(st.lists(actions, max_size=3), max_size=12))
def test_what_drover_does_itself_is_never_taken_for_others(rounds):
    server = Server()
    for done in rounds:
        before, at = dict(server.models), server.now
        in_flight = set(server.running)
        for action, model in done:
            getattr(server, action)(model)
        server.now += POLL
        ours = Ours(used=server.used, in_flight=in_flight | server.running, loads=server.loads)
        comparable = before if server.now - at < timedelta(seconds=30) else None
        assert compare(comparable, server.models, ours, server.now) == NOTHING
        server.running &= server.models.keys()
        server.forget()


sights = st.builds(
    lambda context, second, size: Sight(
        num_ctx=context, expires_at=NOON + timedelta(seconds=second) if second is not None else None, size_bytes=size
    ),
    st.sampled_from([None, 4096, 16_384]),
    st.none() | st.integers(-4000, 4000),
    st.integers(0, 10),
)
looks = st.dictionaries(st.sampled_from("abcd"), sights)
names = st.sets(st.sampled_from("abcd"))


@given(st.none() | looks, looks, names, names, names)
def test_findings_are_about_what_was_seen_and_not_about_us(before, after, used, in_flight, loads):
    findings = compare(before, after, Ours(used=used, in_flight=in_flight, loads=loads), NOON)
    assert findings.arrived <= findings.busy <= after.keys() - used - in_flight - loads
    gone = (before or {}).keys() - after.keys()
    assert 0 <= findings.taken_bytes <= sum((before or {})[name].size_bytes for name in gone)
    assert not (findings.taken_bytes and (findings.arrived or loads))
