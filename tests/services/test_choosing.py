"""The models of a submitted task: by kind, by node, by router, with the reason kept and thinking where it is known."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from orchestration import extensions
from orchestration.errors import ExtensionFailed, ModelUnavailable, Unprocessable
from orchestration.extensions import RouteChoice, RouteRequest
from orchestration.models import Agent, ModelConfig, Node, OllamaModel, Task
from orchestration.permissions import Actor
from orchestration.services.specs import TaskSpec
from orchestration.services.submission import RunPlan, submit, submit_run

PNG = "aGVsbG8="
MODELS = ("llama3.2:latest", "codellama:latest", "llava:7b")
CAPABILITIES = {
    "llama3.2:latest": ["completion"],
    "codellama:latest": ["completion", "thinking"],
    "llava:7b": ["completion", "vision"],
}


@pytest.fixture
def herd(make_node: Callable[..., Node]) -> Node:
    node = make_node(models=MODELS)
    for name, capabilities in CAPABILITIES.items():
        OllamaModel.objects.filter(name=name).update(capabilities=capabilities)
    return node


@pytest.fixture
def ask(as_bob: Actor, herd: Node, make_agent: Callable[..., Agent]) -> Callable[..., Task]:
    """One task for an agent with these fields."""

    def submitted(text: str = "Hello", *, spec: dict[str, Any] | None = None, **fields: Any) -> Task:
        agent = Agent.objects.first() or make_agent("chooser", **{"models": [], **fields})
        wanted = TaskSpec(**{"type": "generate", "input": text, **(spec or {})})
        return submit(actor=as_bob, agent=agent, specs=[wanted]).tasks.select_related("lane").get()

    return submitted


def test_code_goes_to_the_coder_and_the_task_says_why(ask: Callable[..., Task]) -> None:
    task = ask("Refactor this:\n```python\nx = 1\n```", routing_preferences={"code": "codellama"})
    assert task.lane.models == ["codellama:latest"]
    assert task.routing_reason == (
        "code: a fenced block of python and the verb “refactor”; codellama:latest preferred by the agent"
    )


def test_tasks_of_one_submission_may_be_of_different_kinds(
    as_bob: Actor, herd: Node, make_agent: Callable[..., Agent]
) -> None:
    specs = [TaskSpec(type="generate", input=text) for text in ("Hello", "Refactor this", "Decode the barcode")]
    run = submit(actor=as_bob, agent=make_agent(models=[]), specs=specs)
    lanes = [task.lane.models for task in run.tasks.select_related("lane").order_by("position")]
    assert lanes == [sorted(MODELS), ["codellama:latest"], sorted(MODELS)]


def test_the_agents_thinking_is_kept_from_models_that_cannot(ask: Callable[..., Task]) -> None:
    assert ask("Refactor this", kind="coding").think == "medium"
    assert ask("Hello").think is None
    assert ask("Hello", spec={"think": True}).think is True


@pytest.mark.parametrize(("own", "stored"), [(None, {"type": "object"}), ("", None), ("json", "json")])
def test_the_agents_schema_is_for_tasks_that_say_nothing(ask: Callable[..., Task], own: Any, stored: Any) -> None:
    assert ask(spec={"format": own}, answer_schema={"type": "object"}).format == stored


@pytest.mark.parametrize(("prompt", "sent"), [(None, "You are an exper"), ("", ""), ("Be brief.", "Be brief.")])
def test_an_agent_that_says_nothing_says_what_its_kind_says(
    ask: Callable[..., Task], prompt: str | None, sent: str
) -> None:
    assert ask(kind="coding", system_prompt=prompt).system_prompt[:16] == sent


def test_images_need_a_model_that_sees(ask: Callable[..., Task], herd: Node) -> None:
    assert ask(spec={"images": [PNG]}).lane.models == ["llava:7b"]
    with pytest.raises(Unprocessable, match=r"llama3\.2:latest cannot look at images\. These do: llava:7b"):
        ask(spec={"images": [PNG], "model_name": "llama3.2"})


def test_a_missing_model_gives_way_and_what_is_left_is_kept(ask: Callable[..., Task]) -> None:
    ModelConfig.objects.create(model_name="llava:7b", fallbacks=["codellama"])
    task = ask(default_model="gone:1b", fallbacks=["llava:7b"])
    assert (task.lane.models, task.fallbacks) == (["llava:7b"], ["codellama:latest"])
    task = ask(spec={"model_name": "llama3.2"})
    assert (task.model_name, task.lane.models, task.fallbacks) == (
        "llama3.2:latest",
        ["llama3.2:latest"],
        ["llava:7b", "codellama:latest"],
    )


def test_what_a_task_asked_for_stays_known_where_another_model_stands_in(ask: Callable[..., Task]) -> None:
    ModelConfig.objects.create(model_name="llama3.2:latest", enabled=False)
    task = ask(fallbacks=["llava:7b"], spec={"model_name": "llama3.2"})
    assert (task.model_name, task.lane.models) == ("llama3.2:latest", ["llava:7b"])
    assert task.routing_reason == "llama3.2:latest is disabled, so llava:7b"


def test_a_comparison_is_about_its_model_and_nothing_stands_in(
    as_bob: Actor, herd: Node, make_agent: Callable[..., Agent]
) -> None:
    agent = make_agent(models=[], fallbacks=["llava:7b"])
    spec = TaskSpec(type="generate", input="Hi", model_name="gone:1b")
    with pytest.raises(ModelUnavailable):
        submit_run(actor=as_bob, agent=agent, specs=[spec], plan=RunPlan(kind="comparison"))  # type: ignore[arg-type]


def test_who_wants_to_wait_for_a_model_waits_for_that_one(
    as_bob: Actor, herd: Node, make_agent: Callable[..., Agent]
) -> None:
    agent = make_agent(models=[], fallbacks=["llava:7b"])
    spec = TaskSpec(type="generate", input="Hi", model_name="gone:1b")
    run = submit(actor=as_bob, agent=agent, specs=[spec], allow_missing_models=True)
    assert run.tasks.get().lane.models == ["gone:1b"]


def test_a_pinned_task_gets_what_its_node_has(ask: Callable[..., Task], make_node: Callable[..., Node]) -> None:
    small = make_node("gpu-b", models=("llama3.2:latest",))
    task = ask("Refactor this", spec={"node_id": small.pk})
    assert (task.lane.models, task.lane.node_id) == (["llama3.2:latest"], small.pk)
    with pytest.raises(ModelUnavailable, match="The node it is bound to has not codellama:latest"):
        ask(spec={"node_id": small.pk, "model_name": "codellama"})


# Routers --------------------------------------------------------------------------------------------------------------


class Wanting:
    """A router that remembers what it was asked and answers as it was told to."""

    def __init__(self) -> None:
        self.asked: list[RouteRequest] = []
        self.answer: RouteChoice | ExtensionFailed | None = None

    def route(self, request: RouteRequest) -> RouteChoice | None:
        self.asked.append(request)
        if isinstance(self.answer, ExtensionFailed):
            raise self.answer
        return self.answer


@pytest.fixture
def router(monkeypatch: pytest.MonkeyPatch) -> Wanting:
    wanting = Wanting()
    monkeypatch.setattr(extensions, "router", lambda name: wanting)
    return wanting


def test_a_router_chooses_among_what_can_do_it(ask: Callable[..., Task], router: Wanting) -> None:
    router.answer = RouteChoice(models=["llava:7b", "llama3.2:latest"], reason="the moon is full")
    task = ask("Refactor this", router="lunar", fallbacks=["codellama"])
    assert (task.lane.models, task.fallbacks) == (["llava:7b", "llama3.2:latest"], ["codellama:latest"])
    assert task.routing_reason == "the moon is full (router lunar)"
    (request,) = router.asked
    assert (request.type, request.prompt, request.agent) == ("generate", "Refactor this", "chooser")
    assert {model.name for model in request.models} == set(MODELS)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "the router lunar left it to the rule; code: the verb “refactor”; codellama:latest made for it"),
        (ExtensionFailed("The router lunar failed: boom."), "The router lunar failed: boom. The rule decided; code: "),
    ],
)
def test_a_router_that_fails_or_says_nothing_leaves_it_to_the_rule(
    ask: Callable[..., Task], router: Wanting, answer: Any, words: str
) -> None:
    router.answer = answer
    task = ask("Refactor this", router="lunar")
    assert task.lane.models == ["codellama:latest"]
    assert task.routing_reason.startswith(words)


@pytest.mark.django_db(transaction=True)
def test_a_router_is_loaded_before_the_transaction_that_others_wait_for(
    ask: Callable[..., Task], router: Wanting, redis_server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside: list[bool] = []
    monkeypatch.setattr(extensions, "router", lambda name: inside.append(connection.in_atomic_block) or router)
    ask("Refactor this", router="lunar")
    assert inside[0] is False


def test_a_router_that_is_not_installed_leaves_it_to_the_rule(ask: Callable[..., Task]) -> None:
    task = ask("Refactor this", router="nowhere")
    assert task.lane.models == ["codellama:latest"]
    assert task.routing_reason.startswith("No router nowhere is installed here. The rule decided")


def test_a_model_that_the_task_names_is_not_the_routers_affair(ask: Callable[..., Task], router: Wanting) -> None:
    assert ask(router="lunar", spec={"model_name": "llava:7b"}).lane.models == ["llava:7b"]
    assert router.asked == []
