"""Which models a task may use, best first, and the words when no node has one."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.policy.kinds import Found, find
from orchestration.policy.routing import (
    AgentModels,
    KnownModel,
    Route,
    chain,
    full_name,
    route,
    suggestion,
    suits,
    with_room,
)

KNOWN = {
    name: KnownModel(name=name, capabilities=frozenset(capabilities))
    for name, capabilities in {
        "llama3.2:3b": ["completion", "tools"],
        "qwen3:8b": ["completion"],
        "nomic-embed-text:latest": ["embedding"],
        "old:latest": [],
    }.items()
}
ANY = AgentModels()


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("llama3.2", "llama3.2:latest"),
        (" Llama3.2:3B ", "llama3.2:3b"),
        ("hf.co/Org/Model", "hf.co/org/model:latest"),
        ("host:5000/model", "host:5000/model:latest"),
        ("host:5000/model:q4", "host:5000/model:q4"),
        ("registry.ollama.ai/library/llama3.2:3B", "llama3.2:3b"),
        ("library/llama3.2", "llama3.2:latest"),
        ("", ""),
    ],
)
def test_names_are_compared_as_ollama_compares_them(name: str, full: str) -> None:
    assert full_name(name) == full


def test_the_model_a_task_names_is_the_only_one() -> None:
    found = route(task_type="generate", wanted="QWEN3:8b", agent=ANY, known=KNOWN)
    assert (found.models, found.installed) == (("qwen3:8b",), True)


def test_a_named_model_that_no_node_has_is_not_installed() -> None:
    assert not route(task_type="generate", wanted="phi4", agent=ANY, known=KNOWN).installed


def test_the_preference_for_the_type_comes_before_the_default() -> None:
    agent = AgentModels(
        models=["llama3.2:3b", "qwen3:8b"], default_model="llama3.2:3b", preferences={"chat": "qwen3:8b"}
    )
    assert route(task_type="chat", wanted="", agent=agent, known=KNOWN).models == ("qwen3:8b",)
    assert route(task_type="generate", wanted="", agent=agent, known=KNOWN).models == ("llama3.2:3b",)


def test_a_preferred_model_that_no_node_has_gives_way_to_the_others() -> None:
    agent = AgentModels(models=["gone:1b", "qwen3:8b"], default_model="gone:1b")
    found = route(task_type="generate", wanted="", agent=agent, known=KNOWN)
    assert (found.models, found.installed) == (("qwen3:8b",), True)


def test_a_default_that_cannot_embed_is_not_used_for_embedding() -> None:
    agent = AgentModels(default_model="llama3.2:3b")
    found = route(task_type="embed", wanted="", agent=agent, known=KNOWN)
    assert "nomic-embed-text:latest" in found.models
    assert "llama3.2:3b" not in found.models


def test_without_any_choice_every_model_that_can_do_it_will_do() -> None:
    found = route(task_type="chat", wanted="", agent=ANY, known=KNOWN)
    assert found.models == ("llama3.2:3b", "old:latest", "qwen3:8b")


def test_the_order_of_the_agent_is_kept_and_doubles_are_dropped() -> None:
    agent = AgentModels(models=["qwen3:8b", "llama3.2:3b", "QWEN3:8b"])
    assert route(task_type="chat", wanted="", agent=agent, known=KNOWN).models == ("qwen3:8b", "llama3.2:3b")


def test_an_agent_whose_models_are_nowhere_keeps_them_as_the_wish() -> None:
    found = route(task_type="chat", wanted="", agent=AgentModels(models=["gone"]), known=KNOWN)
    assert (found.models, found.installed) == (("gone:latest",), False)


def test_a_server_too_old_to_tell_is_believed() -> None:
    assert suits(KNOWN["old:latest"], "embed")
    assert suits(KNOWN["old:latest"], "chat")


def test_a_type_that_needs_nothing_of_the_model_suits_all() -> None:
    assert suits(KNOWN["nomic-embed-text:latest"], "custom")


def test_words_for_a_model_that_is_nowhere() -> None:
    assert suggestion(["lama3.2:3b"], KNOWN) == "Did you mean llama3.2:3b?"
    assert suggestion(["zzzz"], KNOWN).startswith("Installed are llama3.2:3b")
    assert "No node has any model yet" in suggestion(["llama3.2:3b"], [])


ROOM = {
    "small:latest": KnownModel(name="small:latest", context_length=8192),
    "large:latest": KnownModel(name="large:latest", context_length=32_768),
    "old:latest": KnownModel(name="old:latest"),
}


@pytest.mark.parametrize(
    ("models", "tokens", "able", "room"),
    [
        (("small:latest", "large:latest"), 8192, ("small:latest", "large:latest"), 8192),
        (("small:latest", "large:latest"), 8193, ("large:latest",), 8193),
        (("small:latest", "large:latest"), 40_000, ("large:latest",), 32_768),
        (("small:latest", "old:latest"), 40_000, ("old:latest",), 40_000),
        (("nowhere:latest",), 40_000, ("nowhere:latest",), 40_000),
    ],
)
def test_models_with_room_for_a_prompt(models: tuple[str, ...], tokens: int, able: tuple[str, ...], room: int) -> None:
    assert with_room(models, ROOM, tokens) == (able, room)


# By kind of task ------------------------------------------------------------------------------------------------------

FLEET = {
    it.name: it
    for it in (
        KnownModel(name="llama3.2:3b", capabilities=frozenset({"completion"})),
        KnownModel(name="codellama:7b", capabilities=frozenset({"completion"}), labels=frozenset({"slow"})),
        KnownModel(name="llava:7b", capabilities=frozenset({"completion", "vision"})),
        KnownModel(name="mistral:7b", capabilities=frozenset({"completion"}), labels=frozenset({"fast", "review"})),
        KnownModel(name="off:7b", capabilities=frozenset({"completion"}), enabled=False),
        KnownModel(name="llama-guard3:8b", capabilities=frozenset({"completion"})),
        KnownModel(name="bge-m3:latest", capabilities=frozenset({"embedding"})),
    )
}
CODE = find(["Refactor this"], task_type="chat")
REVIEW = find(["Review this Python code"], task_type="chat")
PLAIN = find(["Hello"], task_type="chat")


def chosen(found: Sequence[Found], agent: AgentModels = ANY, **fields: Any) -> Route:
    return route(**{"task_type": "chat", "wanted": "", "agent": agent, "known": FLEET, "found": found, **fields})


def test_what_the_agent_prefers_for_the_most_telling_kind_decides() -> None:
    agent = AgentModels(preferences={"coding": "codellama:7b", "chat": "llama3.2:3b"}, default_model="llava:7b")
    found = chosen(CODE, agent)
    assert found.models == ("codellama:7b",)
    assert found.reason(CODE) == "code: the verb “refactor”; codellama:7b preferred by the agent"
    assert chosen(REVIEW, agent).models == ("codellama:7b",), "nothing is preferred for reviews"
    assert chosen(PLAIN, agent).reason(PLAIN) == "chat: its type; llama3.2:3b preferred by the agent"


def test_the_default_comes_before_what_models_are_made_for() -> None:
    found = chosen(CODE, AgentModels(default_model="llama3.2:3b"))
    assert (found.models, found.reason(CODE)) == (("llama3.2:3b",), "llama3.2:3b is the agent's default")


def test_without_a_preference_coders_get_code_and_labelled_models_their_kind() -> None:
    assert chosen(CODE).models == ("codellama:7b",)
    assert chosen(CODE).reason(CODE) == "code: the verb “refactor”; codellama:7b made for it"
    assert chosen(REVIEW).models == ("mistral:7b",)
    assert chosen(REVIEW).reason(REVIEW) == "review: the verb “review”; mistral:7b labelled for it"


def test_guards_and_disabled_models_are_for_those_who_name_them() -> None:
    assert chosen(PLAIN).models == ("codellama:7b", "llama3.2:3b", "llava:7b", "mistral:7b")
    assert chosen(PLAIN).reason(PLAIN) == "any of the installed 4 that can"
    assert chosen(PLAIN, AgentModels(models=["llama-guard3:8b"])).models == ("llama-guard3:8b",)
    assert chosen(PLAIN, wanted="llama-guard3:8b").models == ("llama-guard3:8b",)
    assert chosen(PLAIN, AgentModels(models=["off:7b"])) == Route(models=("off:7b",), installed=True)


def test_images_go_to_models_that_see() -> None:
    seen = find(["What is this?"], task_type="chat", images=1)
    assert chosen(seen, images=True).models == ("llava:7b",)
    blind = AgentModels(models=["llama3.2:3b"])
    assert chosen(seen, blind, images=True) == Route(models=("llama3.2:3b",), installed=False)


def test_models_with_most_of_the_labels_the_agent_likes_are_taken() -> None:
    liked = chosen(PLAIN, AgentModels(prefer_labels=["Fast", "eu"]))
    assert (liked.models, liked.reason(PLAIN)) == (("mistral:7b",), "mistral:7b is the only one labelled Fast, eu")


# Fallbacks ------------------------------------------------------------------------------------------------------------


def test_a_missing_model_gives_way_to_the_next_with_the_reason() -> None:
    agent = AgentModels(preferences={"code": "gone:1b"}, fallbacks=["also-gone:1b", "mistral:7b", "llama3.2:3b"])
    found = chosen(CODE, agent)
    assert (found.models, found.fallbacks) == (("mistral:7b",), ("llama3.2:3b",))
    assert found.reason(CODE) == "code: the verb “refactor”; gone:1b is on no node, so mistral:7b"


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        ("off:7b", "off:7b is disabled, so mistral:7b"),
        ("gone:1b", "gone:1b is on no node, so mistral:7b"),
        ("bge-m3", "bge-m3:latest cannot do chat, so mistral:7b"),
    ],
)
def test_a_model_named_by_the_task_has_fallbacks_too(wanted: str, why: str) -> None:
    agent = AgentModels(fallbacks=["mistral:7b"])
    assert chosen(PLAIN, agent, wanted=wanted).why == why
    assert chosen(PLAIN, agent, wanted=wanted, fall_back=False).models[0].startswith(wanted.partition(":")[0])


def test_the_models_own_fallbacks_follow_those_of_the_agent() -> None:
    instead = {"codellama:7b": ["llava:7b"], "mistral:7b": ["codellama", "llama3.2:3b"]}
    agent = AgentModels(fallbacks=["mistral:7b"])
    assert chain(["codellama:7b"], agent=agent, instead=instead) == (
        "mistral:7b",
        "llava:7b",
        "codellama:latest",
        "llama3.2:3b",
    )


def test_an_agent_does_not_fall_back_to_what_it_may_not_use() -> None:
    agent = AgentModels(models=["codellama:7b", "mistral:7b"], fallbacks=["llava:7b"])
    instead = {"codellama:7b": ["llama3.2:3b", "mistral:7b"]}
    assert chain(["codellama:7b"], agent=agent, instead=instead) == ("llava:7b", "mistral:7b")


NAMES = st.sampled_from(["a:1b", "b:1b", "c:1b", "d:1b", "B:1B", ""])


@settings(deadline=None)
@given(
    st.lists(NAMES.filter(bool), min_size=1, max_size=3),
    st.lists(NAMES, max_size=6),
    st.dictionaries(NAMES, st.lists(NAMES, max_size=4), max_size=4),
)
def test_no_circle_of_fallbacks_goes_round(models: list[str], own: list[str], instead: dict[str, list[str]]) -> None:
    start = [full_name(name) for name in models]
    found = chain(start, agent=AgentModels(fallbacks=own), instead=instead)
    assert len(found) == len(set(found))
    assert not set(found) & {*start, ""}
