"""What people call a model, and what is installed under such a name."""

import pytest

from orchestration.policy.model_names import (
    Presence,
    base_name,
    bytes_of,
    is_parameter_count,
    name_status,
    near_names,
    tag_of,
)


@pytest.mark.parametrize(
    ("asked", "installed", "presence", "others"),
    [
        ("llama3.2", ["llama3.2:latest"], Presence.EXACT, ()),
        ("llama3.2:latest", ["llama3.2"], Presence.EXACT, ()),
        ("llama3.2", ["llama3.2:3b"], Presence.OTHER_TAG, ("llama3.2:3b",)),
        ("llama3.2:3b", ["llama3.2:latest"], Presence.OTHER_TAG, ("llama3.2:latest",)),
        ("llama3.2:3b", ["llama3.2:3b", "llama3.2:1b"], Presence.EXACT, ("llama3.2:1b",)),
        ("LLAMA3.2:3B", ["llama3.2:3b"], Presence.EXACT, ()),
        ("registry.ollama.ai/library/llama3.2", ["llama3.2:latest"], Presence.EXACT, ()),
        ("llama3", ["llama3.2:latest"], Presence.ABSENT, ()),
        ("ana/llama3.2", ["llama3.2:latest"], Presence.ABSENT, ()),
        ("hub:5000/ana/llama3.2", ["hub:5000/ana/llama3.2:1b"], Presence.OTHER_TAG, ("hub:5000/ana/llama3.2:1b",)),
    ],
)
def test_the_status_of_a_name_is_right_whatever_part_of_it_is_installed(asked, installed, presence, others):
    status = name_status(asked, installed)
    assert (status.presence, status.others) == (presence, others)


@pytest.mark.parametrize("text", ["8b", "7B", "1.5b", "8x7b", "e4b", "137M", "b", "", "5.2", "GB", "about 5 GB"])
def test_a_parameter_count_is_never_taken_for_a_size(text):
    assert bytes_of(text) is None


@pytest.mark.parametrize(
    ("text", "size"), [("5.2 GB", 5_200_000_000), ("2.0GB", 2_000_000_000), (" 274 MB ", 274_000_000), ("1tb", 10**12)]
)
def test_a_size_is_read_from_text(text, size):
    assert bytes_of(text) == size


@pytest.mark.parametrize(("text", "is_count"), [("8b", True), ("8x7b", True), ("e2b", True), ("tools", False)])
def test_parameter_counts_are_told_from_other_words(text, is_count):
    assert is_parameter_count(text) == is_count


def test_a_port_is_no_tag():
    assert base_name("hub:5000/ana/model") == "hub:5000/ana/model"
    assert (base_name("hub:5000/ana/model:1b"), tag_of("hub:5000/ana/model")) == ("hub:5000/ana/model", "latest")


def test_names_that_are_alike_are_found():
    assert near_names("lama3.2:3b", ["llama3.2:3b", "mistral:7b"]) == ["llama3.2:3b"]


def test_a_name_is_not_like_itself():
    assert near_names("llama3.2:3b", ["llama3.2:3b", "llama3.2:1b"]) == ["llama3.2:1b"]
