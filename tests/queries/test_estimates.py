"""What a batch will take, from what was; nothing where nobody can know."""

import pytest

from orchestration.models import ModelConfig, Task
from orchestration.policy.states import TaskStatus
from orchestration.queries.estimates import Wanted, estimate

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def done(run, seconds=2.0, output_tokens=100, **fields):
    measured = {"duration_seconds": seconds + 5, "queued_seconds": 4.0, "load_seconds": 1.0, "prompt_tokens": 10}
    for task in Task.objects.filter(run=run):
        for status in (TaskStatus.ASSIGNED, TaskStatus.RUNNING):
            Task.objects.transition(task.pk, status)
        end = {"model_used": "llama3.2:latest", "output_tokens": output_tokens, **measured, **fields}
        Task.objects.transition(task.pk, TaskStatus.COMPLETED, **end)


def asked(agent, **fields):
    return estimate(
        Wanted(**{"agent": agent, "type": "generate", "model_name": "", "calls": 30, "characters": 3500, **fields})
    )


def test_seconds_come_from_the_time_in_a_slot_of_what_ran_before(submit, agent):
    done(submit(*"abc"))
    found = asked(agent)
    assert (found["slots"], found["slots_words"]) == (3, "at once is the limit of writer")
    assert found["seconds"] == pytest.approx(30 * 2 / 3)
    assert (found["prompt_tokens"], found["output_tokens"], found["tasks_seen"]) == (1000, 3000, 3)


def test_without_history_nobody_knows(agent, node):
    found = asked(agent)
    assert (found["seconds"], found["output_tokens"]) == (None, None)
    assert "a dry run does" in found["words"]


def test_without_a_node_nobody_knows_when_it_begins(agent):
    found = asked(agent)
    assert (found["slots"], found["seconds"]) == (None, None)
    assert "No node that is up" in found["words"]


@pytest.mark.parametrize(
    ("fields", "most", "words"),
    [
        ({"agent_limit": 50}, 4, "slots on the nodes"),
        ({"agent_limit": 50, "model_limit": 2}, 2, "at once is the limit of llama3.2:latest"),
        ({"max_parallel": 1}, 1, "at once is what you chose"),
        ({"own_limit": 1}, 1, "at once is your limit"),
    ],
)
def test_the_narrowest_limit_is_named(agent, node, bob, fields, most, words):
    agent.max_concurrent_tasks = fields.get("agent_limit", 3)
    if "model_limit" in fields:
        ModelConfig.objects.create(model_name="llama3.2:latest", max_concurrent_requests=fields["model_limit"])
    bob.max_concurrent_tasks = fields.get("own_limit")
    bob.save()
    found = asked(agent, max_parallel=fields.get("max_parallel"), owner_id=bob.pk)
    assert (found["slots"], found["slots_words"]) == (most, words)


def test_another_model_teaches_nothing_about_the_one_that_is_named(submit, agent):
    done(submit(*"abc"))
    assert asked(agent, model_name="qwen3:8b")["tasks_seen"] == 0
    assert asked(agent, model_name="llama3.2")["tasks_seen"] == 3


def test_embeddings_are_judged_by_the_tokens_they_read(make_node, make_agent, submit):
    make_node("gpu-e", models=("nomic-embed-text:latest",))
    agent = make_agent("embedder", models=["nomic-embed-text:latest"])
    run = submit(*"abc", agent=agent, type="embed")
    done(run, seconds=1.0, output_tokens=None, model_used="nomic-embed-text:latest")
    found = asked(agent, type="embed", characters=3500 * 3, calls=100)
    assert found["seconds"] == pytest.approx(3000 / 10 / 3)
    assert found["output_tokens"] == 0
