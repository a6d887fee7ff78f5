"""Versions over a fleet: compared as numbers, and told by what they mean."""

import pytest

from orchestration.policy.versions import CHANGES, FEATURES, parsed, spread


@pytest.mark.parametrize(
    ("told", "number"),
    [
        ("0.9.0", (0, 9, 0)),
        ("v0.12.11", (0, 12, 11)),
        ("0.30.2-rc1", (0, 30, 2)),
        ("0.0.0", None),
        ("", None),
        ("dev", None),
    ],
)
def test_a_version_is_numbers_whatever_stands_around_them(told, number):
    assert parsed(told) == number


def test_ten_is_newer_than_nine():
    found = spread({"gpu-a": "0.10.0", "gpu-b": "0.9.6"})
    assert (found.oldest, found.newest) == ("0.9.6", "0.10.0")


@pytest.mark.parametrize("versions", [{}, {"a": "0.30.0"}, {"a": "0.30.0", "b": "v0.30.0"}, {"a": "0.30.0", "b": ""}])
def test_a_fleet_of_one_version_has_no_spread(versions):
    assert spread(versions) is None


def test_each_node_behind_says_what_it_lacks_and_does_otherwise():
    found = spread({"gpu-a": "0.30.2", "gpu-b": "0.12.6", "gpu-c": "0.9.0", "built": "0.0.0"})
    assert [lag.node for lag in found.behind] == ["gpu-c", "gpu-b"]
    oldest, middle = found.behind
    assert len(oldest.lacks) == 10
    assert middle.lacks[0] == "ids of tool calls"
    assert any("OLLAMA_NUM_PARALLEL" in words for words in oldest.differs)
    assert not any("OLLAMA_NUM_PARALLEL" in words for words in middle.differs)


def test_versions_that_do_not_matter_to_each_other_are_behind_without_a_lack():
    found = spread({"gpu-a": "0.30.2", "gpu-b": "0.30.1"})
    assert (found.behind[0].lacks, found.behind[0].differs) == ((), ())


@pytest.mark.parametrize("history", [FEATURES, CHANGES])
def test_the_history_is_told_in_order(history):
    assert [since for since, _ in history] == sorted(since for since, _ in history)
