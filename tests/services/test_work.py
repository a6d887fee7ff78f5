from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orchestration.models import Agent, Attempt, ModelConfig, Node, NodeModel, Run, Task
from orchestration.policy.decision import Grant
from orchestration.services import grants
from orchestration.services.work import AttemptWork, work_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

MODEL = "llama3.2:latest"


@pytest.fixture
def work(submit: Callable[..., Run], node: Node) -> Callable[..., AttemptWork]:
    """What a worker would be handed for one task submitted with these fields."""

    def handed(text: str = "Say hello.", **fields: Any) -> AttemptWork:
        task = submit(text, **fields).tasks.get()
        grant = Grant(task_id=task.pk, node_id=node.pk, model=MODEL, num_ctx=4096, slot=0, reason="test")
        grants.assign(grants=[grant], now=timezone.now())
        attempt = Attempt.objects.select_related("task", "node").get(task=task)
        return work_of(attempt, attempt.task, node)

    return handed


def test_options_of_the_task_override_those_of_the_agent_and_these_the_models(
    work: Callable[..., AttemptWork], agent: Agent
) -> None:
    ModelConfig.objects.create(model_name=MODEL, options={"top_k": 1, "top_p": 0.1, "seed": 1, "num_ctx": 9})
    agent.options = {"top_p": 0.2, "seed": 2}
    agent.save()
    options = work(parameters={"seed": 3}).options
    assert options == {"top_k": 1, "top_p": 0.2, "seed": 3, "num_ctx": 4096}


def test_the_system_prompt_comes_first_unless_the_caller_brought_one(
    work: Callable[..., AttemptWork], agent: Agent
) -> None:
    agent.system_prompt = "Be brief."
    agent.save()
    own = [{"role": "system", "content": "Be long."}, {"role": "user", "content": "Hi"}]
    assert work(type="chat").messages[0] == {"role": "system", "content": "Be brief."}
    Task.objects.update(status="cancelled")
    Attempt.objects.update(ended_at=timezone.now())
    assert work("", type="chat", messages=own).messages == own


def test_images_of_a_chat_go_with_its_last_question(work: Callable[..., AttemptWork]) -> None:
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    messages = work("", type="chat", messages=turns, images=["aGk="]).messages
    assert [message.get("images") for message in messages] == [None, None, ["aGk="]]


def test_a_wish_lengthens_how_long_the_model_stays_and_never_shortens_it(
    work: Callable[..., AttemptWork], settings: Any
) -> None:
    settings.DROVER_KEEP_ALIVE = timedelta(minutes=10)
    assert work(keep_alive_seconds=5).keep_alive == timedelta(minutes=10)
    Task.objects.update(status="cancelled")
    Attempt.objects.update(ended_at=timezone.now())
    assert work(keep_alive_seconds=3600).keep_alive == timedelta(hours=1)


def test_a_model_loaded_with_another_context_is_not_loaded_for_this_task(
    work: Callable[..., AttemptWork], node: Node
) -> None:
    NodeModel.objects.update(loaded=True, loaded_context=8192)
    assert not work().model_loaded


def test_an_embed_task_hands_over_a_list_of_texts(work: Callable[..., AttemptWork]) -> None:
    assert work("one text", type="embed").inputs == ["one text"]
