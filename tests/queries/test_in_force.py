"""What holds for a task and who decided it: over every option, level by level, as it is and will be sent."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.requests import arguments, record
from orchestration.errors import InvalidInput
from orchestration.models import Agent, Attempt, FleetDefaults, ModelConfig, Node, OllamaModel, Preset, Run, Task
from orchestration.policy.decision import Grant
from orchestration.policy.options import OPTIONS, RUNNER_OPTIONS
from orchestration.queries.in_force import could_be, of_task
from orchestration.services import grants
from orchestration.services.work import work_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

MODEL = "llama3.2:latest"
LEVELS = ("fleet defaults", f"model {MODEL}", "agent writer", "task")
FREE = sorted(set(OPTIONS) - RUNNER_OPTIONS - {"num_ctx"})


def value_of(name: str, number: int) -> Any:
    """One that the option takes, another for each number."""
    option = OPTIONS[name]
    if option.kind is list:
        return [f"stop {number}"]
    if option.kind is bool:
        return bool(number % 2)
    return option.kind(number / 10 if option.kind is float else number)


def say(agent: Agent, level: int, *, through: str, **said: Any) -> dict[str, Any]:
    """Has one level say it, itself or by a preset; what the task is to be submitted with."""
    fields: dict[str, Any] = {"options": said} if through == "itself" else {"preset": f"p{level}"}
    if through == "a preset":
        Preset.objects.create(name=f"p{level}", options=said)
    if level == 0:
        FleetDefaults.objects.create(pk=1, **fields)
    elif level == 1:
        ModelConfig.objects.create(model_name=MODEL, **fields)
    elif level == 2:
        Agent.objects.filter(pk=agent.pk).update(**fields)
        agent.refresh_from_db()
    else:
        return {"parameters" if name == "options" else name: value for name, value in fields.items()}
    return {}


@pytest.fixture
def sent(submit: Callable[..., Run], node: Node) -> Callable[..., tuple[Task, dict[str, Any]]]:
    """A task submitted with these fields, and the record of what its node is asked with."""

    def ask(**fields: Any) -> tuple[Task, dict[str, Any]]:
        task = submit("Say hello.", **fields).tasks.select_related("lane").get()
        grant = Grant(task_id=task.pk, node_id=node.pk, model=MODEL, num_ctx=task.lane.num_ctx, slot=0, reason="test")
        grants.assign(grants=[grant], now=timezone.now())
        attempt = Attempt.objects.select_related("task", "node").get(task=task)
        work = work_of(attempt, attempt.task, node)
        request = record(work, arguments(work))
        Attempt.objects.filter(pk=attempt.pk).update(request=request, origins=work.origins)
        return task, request

    return ask


def shown(task: Task) -> dict[str, tuple[Any, str]]:
    return {row["name"]: (row["value"], row["origin"]) for row in of_task(task)}


@pytest.mark.parametrize("through", ["itself", "a preset"])
@pytest.mark.parametrize("last", range(4))
def test_each_level_overrides_those_before_it_for_every_option(
    sent: Callable[..., Any], submit: Callable[..., Run], agent: Agent, last: int, through: str
) -> None:
    asked: dict[str, Any] = {}
    for level in range(last + 1):
        asked |= say(agent, level, through=through, **{name: value_of(name, level + 1) for name in FREE})
    waiting = submit("Wait.", **asked).tasks.get()
    task, request = sent(**asked)
    prefix = f"preset p{last} of {'the ' if last in (0, 3) else ''}" if through == "a preset" else ""
    expected = {name: (value_of(name, last + 1), prefix + LEVELS[last]) for name in FREE}
    assert {name: request["options"][name] for name in FREE} == {name: value for name, (value, _) in expected.items()}
    assert {name: row for name, row in shown(task).items() if name in FREE} == expected
    assert {name: row for name, row in shown(waiting).items() if name in FREE} == expected


@pytest.mark.parametrize("last", range(4))
def test_the_context_follows_the_same_order_and_decides_the_lane(
    sent: Callable[..., Any], agent: Agent, last: int
) -> None:
    asked: dict[str, Any] = {}
    for level in range(last + 1):
        asked |= say(agent, level, through="itself" if level % 2 else "a preset", num_ctx=8192 * 2**level)
    task, request = sent(**asked)
    assert task.lane.num_ctx == request["options"]["num_ctx"] == 8192 * 2**last
    assert shown(task)["num_ctx"][1].endswith(LEVELS[last])


@pytest.mark.parametrize("name", sorted(RUNNER_OPTIONS))
def test_runner_options_hold_for_all_requests_for_a_model(sent: Callable[..., Any], agent: Agent, name: str) -> None:
    say(agent, 0, through="itself", **{name: value_of(name, 2)})
    say(agent, 1, through="itself", **{name: value_of(name, 3)})
    task, request = sent()
    assert request["options"][name] == value_of(name, 3)
    assert shown(task)[name] == (value_of(name, 3), LEVELS[1])
    with pytest.raises(InvalidInput, match="reload its model"):
        sent(parameters={name: value_of(name, 4)})


def test_what_is_shown_is_what_was_sent_whatever_is_decided_afterwards(sent: Callable[..., Any], agent: Agent) -> None:
    OllamaModel.objects.update(capabilities=["completion", "thinking"])
    say(agent, 0, through="a preset", top_k=3)
    say(agent, 1, through="itself", temperature=0.5, num_gpu=0)
    Agent.objects.update(think="low", answer_schema={"type": "object"})
    agent.refresh_from_db()
    task, request = sent(parameters={"seed": 7}, timeout_seconds=60)
    before = shown(task)
    FleetDefaults.objects.all().delete()
    ModelConfig.objects.all().delete()
    assert shown(task) == before
    assert {name: value for name, (value, _) in before.items() if name in OPTIONS} == request["options"]
    assert before["think"] == (request["think"], "agent writer")
    assert before["format"] == (request["format"], "agent writer")
    assert before["keep_alive_seconds"] == (request["keep_alive"], "settings")
    assert before["timeout_seconds"] == (60, "task")
    assert before["seed"] == (7, "task")


def test_thinking_times_and_formats_follow_the_same_order(
    sent: Callable[..., Any], agent: Agent, settings: Any
) -> None:
    settings.DROVER_KEEP_ALIVE = timedelta(minutes=10)
    OllamaModel.objects.update(capabilities=["completion", "thinking"])
    assert could_be(agent=agent)["values"][1] == {"name": "think", "value": True, "origin": "as the model does"}
    FleetDefaults.objects.create(pk=1, think="low", timeout_seconds=10, keep_alive_seconds=100)
    config = ModelConfig.objects.create(model_name=MODEL, think=False, timeout_seconds=20)
    values = {row["name"]: (row["value"], row["origin"]) for row in could_be(agent=agent)["values"]}
    assert values["think"] == (False, f"model {MODEL}")
    assert values["timeout_seconds"] == (20, f"model {MODEL}")
    assert values["keep_alive_seconds"] == (100, "fleet defaults")
    Agent.objects.update(think="high", timeout_seconds=30, answer_schema={"type": "object"})
    agent.refresh_from_db()
    config.delete()
    task, request = sent(format="text", keep_alive_seconds=50)
    now = shown(task)
    assert (now["think"], now["timeout_seconds"]) == (("high", "agent writer"), (30, "agent writer"))
    assert now["keep_alive_seconds"] == (100, "fleet defaults")
    assert "format" not in {**now, **request}


def test_nobody_makes_a_model_think_that_cannot(sent: Callable[..., Any], agent: Agent) -> None:
    FleetDefaults.objects.create(pk=1, think="low")
    Preset.objects.create(name="deep", think="high", options={"seed": 1})
    Agent.objects.update(think=True)
    agent.refresh_from_db()
    task, request = sent(preset="deep")
    assert "think" not in request
    assert "think" not in shown(task)
    assert shown(task)["seed"] == (1, "preset deep of the task")


def test_a_preset_that_is_not_there_is_refused_with_what_is_near(submit: Callable[..., Run]) -> None:
    with pytest.raises(InvalidInput, match="Did you mean creative") as refusal:
        submit("Hello", preset="creativ")
    assert refusal.value.detail["field"] == "preset"


def test_a_prompt_that_needs_more_says_why_its_context_is_larger(submit: Callable[..., Run], agent: Agent) -> None:
    say(agent, 2, through="itself", num_ctx=4096)
    task = submit("word " * 9_000).tasks.get()
    assert shown(task)["num_ctx"] == (task.lane.num_ctx, "what prompt and answer need")
    kept = submit("word " * 9_000, preset="fast").tasks.get()
    assert shown(kept)["num_ctx"] == (4096, "preset fast of the task"), "who names a size gets that one"


def test_more_than_was_asked_for_may_be_loaded_already(sent: Callable[..., Any]) -> None:
    task, request = sent()
    Attempt.objects.update(request={**request, "options": {**request["options"], "num_ctx": 32768}})
    assert shown(task)["num_ctx"] == (32768, "loaded with more already")
    Attempt.objects.update(request={**request, "options": {**request["options"], "num_ctx": 2048}})
    assert shown(task)["num_ctx"] == (2048, "the most that the model takes")


def test_the_view_tells_what_every_level_says_and_which_of_it_holds(node: Node, agent: Agent) -> None:
    say(agent, 0, through="a preset", top_k=3, seed=1)
    say(agent, 2, through="itself", seed=2, num_ctx=5000)
    view = could_be(agent=agent, preset="fast", options={"temperature": 0.9})
    assert (view["model"], view["agent"]) == (MODEL, "writer")
    levels = {level["origin"]: level for level in view["levels"]}
    assert list(levels) == ["as the model does", "settings", *LEVELS]
    assert levels["fleet defaults"]["preset"] == "p0"
    assert levels["fleet defaults"]["says"] == {"top_k": 3, "seed": 1}
    assert levels["agent writer"]["wins"] == ["seed"]
    values = {row["name"]: (row["value"], row["origin"]) for row in view["values"]}
    assert values["temperature"] == (0.9, "task")
    assert values["num_ctx"] == (4096, "preset fast of the task")
    assert values["top_k"] == (3, "preset p0 of the fleet defaults")


def test_the_fleets_default_model_is_for_agents_that_name_none(
    make_agent: Callable[..., Agent], make_node: Callable[..., Node], submit: Callable[..., Run]
) -> None:
    make_node("gpu-x", models=("qwen3:8b", MODEL, "codellama:7b"))
    FleetDefaults.objects.create(pk=1, default_model="qwen3:8b")
    free = make_agent("free", models=[])
    task = submit("Hello", agent=free).tasks.select_related("lane").get()
    assert (task.lane.models, task.routing_reason) == (["qwen3:8b"], "qwen3:8b is the fleet's default")
    named = make_agent("named", models=[MODEL])
    assert submit("Hello", agent=named).tasks.select_related("lane").get().lane.models == [MODEL]
