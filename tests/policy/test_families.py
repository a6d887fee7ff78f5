"""What models are made for, by name, capabilities and labels."""

import pytest

from orchestration.policy.families import (
    KnownModel,
    answers,
    is_labelled,
    is_made_for,
    judges_only,
    shared_labels,
    suits,
)
from orchestration.policy.kinds import Kind


def model(name: str, *capabilities: str, labels: tuple[str, ...] = ()) -> KnownModel:
    return KnownModel(name=name, capabilities=frozenset(capabilities), labels=frozenset(labels))


@pytest.mark.parametrize(
    "name",
    [
        "codellama:7b",
        "qwen2.5-coder:14b",
        "starcoder2:3b",
        "deepseek-coder-v2:16b",
        "granite-code:8b",
        "codestral:22b",
        "devstral:24b",
        "phind-codellama:34b",
        "hf.co/team/yi-coder:9b",
    ],
)
def test_coders_are_known_by_name(name: str) -> None:
    assert is_made_for(model(name), Kind.CODE)


@pytest.mark.parametrize(
    "name", ["llama3.2:3b", "some-decoder:1b", "text-encoder:1b", "codex-free/llama3:8b", "x:coder"]
)
def test_others_are_no_coders(name: str) -> None:
    assert not is_made_for(model(name), Kind.CODE)


@pytest.mark.parametrize("name", ["nomic-embed-text:latest", "bge-m3:latest", "all-minilm:33m", "mxbai-embed-large:v1"])
def test_old_servers_do_not_tell_of_embedders_but_their_names_do(name: str) -> None:
    assert is_made_for(model(name), Kind.EMBED)
    assert not answers(model(name), "chat")
    assert answers(model(name), "embed")
    assert answers(model(name, "embedding"), "chat"), "where the server tells, suits() decides"


@pytest.mark.parametrize(
    "name", ["llama-guard3:8b", "shieldgemma:2b", "granite3-guardian:2b", "gpt-oss-safeguard:20b", "bge-reranker:v2"]
)
def test_guards_and_rankers_give_verdicts_only(name: str) -> None:
    assert judges_only(model(name))


@pytest.mark.parametrize("name", ["llama3.2:3b", "guardsman/llama3:8b", "vanguardia:1b"])
def test_others_answer(name: str) -> None:
    assert not judges_only(model(name))


def test_images_need_the_capability_where_it_is_known() -> None:
    assert suits(model("a", "completion", "vision"), "chat", images=True)
    assert not suits(model("a", "completion"), "chat", images=True)
    assert suits(model("a"), "chat", images=True)
    assert is_made_for(model("llava:7b"), Kind.VISION)
    assert is_made_for(model("qwen2.5-vl:7b"), Kind.VISION)
    assert not is_made_for(model("revision:7b"), Kind.VISION)


def test_labels_are_compared_without_their_case() -> None:
    labelled = model("a", labels=("Coding", "EU"))
    assert is_labelled(labelled, Kind.CODE)
    assert not is_labelled(labelled, Kind.CHAT)
    assert shared_labels(labelled, ["eu ", "fast"]) == 1
