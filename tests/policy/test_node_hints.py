"""Hints: what was seen of a node, said with its reason and what mends it; and silence where all is well."""

from dataclasses import replace

import pytest

from orchestration.policy.node_hints import HeldModel, NodeFacts, SlotsSeen, environment, hints, spilled_share
from orchestration.policy.versions import spread

GB = 1024**3
WELL = NodeFacts(
    name="gpu-a",
    base_url="https://gpu-a:11434",
    version="0.30.2",
    verify_tls=True,
    has_headers=True,
    slots_per_model=4,
    vram_bytes=24 * GB,
    learned_bytes=20 * GB,
    disk_bytes=500 * GB,
    most_loaded=2,
    most_wanted=3,
    held=(HeldModel(name="llama3.2:latest", bytes=4 * GB, vram_bytes=4 * GB),),
)


def kinds(**changes):
    return [hint.kind for hint in hints(replace(WELL, **changes))]


def only(**changes):
    (hint,) = hints(replace(WELL, **changes))
    return hint


def test_a_node_that_is_well_gets_no_hint():
    assert kinds() == []


def test_a_model_that_spills_says_how_much_of_it_the_processor_does():
    hint = only(held=(HeldModel(name="llava:7b", bytes=5 * GB, vram_bytes=3 * GB), *WELL.held))
    assert (hint.kind, hint.weight) == ("spill", "warn")
    assert "40 % of llava:7b runs on the processor: 3.0 GB of 5.0 GB" in hint.words


def test_the_smallest_spill_is_one_percent_and_not_none():
    hint = only(held=(HeldModel(name="a", bytes=1000 * GB, vram_bytes=1000 * GB - 1), *WELL.held))
    assert "1 %" in hint.words


@pytest.mark.parametrize(
    ("total", "vram", "share"),
    [(10, 10, 0), (10, 12, 0), (None, 3, 0), (10, None, 0), (0, 0, 0), (10, 0, 1), (8, 6, 0.25)],
)
def test_the_share_on_the_processor(total, vram, share):
    assert spilled_share(total, vram) == share


def test_a_server_without_a_graphics_card_is_told_once_and_not_for_each_model():
    held = tuple(HeldModel(name=name, bytes=GB, vram_bytes=0) for name in "ab")
    assert kinds(held=held) == ["cpu"]


def test_requests_that_waited_inside_say_what_to_set():
    hint = only(slots_seen=(SlotsSeen(model="llama3.2:latest", slots=1),))
    assert "it serves 1 at once, Drover may send 4" in hint.words
    assert "OLLAMA_NUM_PARALLEL=4" in hint.fix


@pytest.mark.parametrize(
    "seen",
    [
        SlotsSeen(model="nomic-embed-text", slots=1, embeds=True),
        SlotsSeen(model="qwen3-vl", slots=1, family="qwen3vlmoe"),
        SlotsSeen(model="llama3.2", slots=4),
    ],
)
def test_models_that_are_served_one_by_one_anyway_are_no_reason_for_a_hint(seen):
    assert kinds(slots_seen=(seen,)) == []


def test_the_servers_own_limit_of_models_is_told_where_memory_lies_idle():
    three = WELL.held * 3
    assert kinds(held=three, most_loaded=3) == ["loaded"]
    assert kinds(held=three, most_loaded=4) == []
    assert kinds(held=three, most_loaded=3, vram_bytes=13 * GB) == []


def test_a_certificate_that_is_not_checked_is_a_warning():
    assert "take the headers" in only(verify_tls=False).words
    assert "headers" not in only(verify_tls=False, has_headers=False).words


def test_headers_without_encryption_are_a_warning():
    assert kinds(base_url="http://gpu-a:11434") == ["plain"]
    assert kinds(base_url="http://gpu-a:11434", has_headers=False) == []


def test_an_old_server_says_what_it_lacks():
    lag = spread({"gpu-a": "0.12.6", "gpu-b": "0.30.2"}).behind[0]
    hint = only(version="0.12.6", lag=lag)
    assert "It lacks: ids of tool calls" in hint.words


def test_before_parallel_became_one_more_than_four_must_be_said():
    assert kinds(version="0.9.0", slots_per_model=8) == ["parallel"]
    assert kinds(version="0.9.0") == []


def test_what_is_not_given_says_what_is_gone_by_instead():
    memory, disk = hints(replace(WELL, vram_bytes=None, disk_bytes=None))
    assert "the most that was seen, 20.0 GB" in memory.words
    assert disk.kind == "disk"
    assert "what it loads" in only(vram_bytes=None, learned_bytes=0).words


def test_warnings_come_before_remarks():
    assert kinds(vram_bytes=None, verify_tls=False) == ["tls", "memory"]


def test_the_command_that_sets_a_variable_is_whole():
    assert environment(A=1, B=2) == (
        "sudo systemctl edit ollama, add Environment=A=1, Environment=B=2 under [Service], "
        "then sudo systemctl restart ollama"
    )
