"""Which models a task may use, best first, and the words when no node has one."""

import pytest

from orchestration.policy.routing import AgentModels, KnownModel, full_name, route, suggestion, suits, with_room

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
