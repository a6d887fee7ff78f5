"""Conversations taken away as Markdown and as JSON."""

import pytest

from orchestration.models import Conversation, Task, Turn
from orchestration.policy.states import TaskStatus
from orchestration.queries.transcripts import as_json, markdown

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


@pytest.fixture
def talk(agent, bob, submit):
    talk = Conversation.objects.create(agent=agent, agent_name=agent.name, owner=bob, title="Trip")

    def add(text, status, output="", parent=None, **fields):
        task = submit(text).tasks.get()
        Task.objects.filter(pk=task.pk).update(status=status, output=output, error=fields.pop("error", ""))
        return Turn.objects.create(conversation=talk, parent=parent, text=text, task=task, **fields)

    first = add("Look.", TaskStatus.COMPLETED, "A **cat**.", images=["AAAA"], image_count=1)
    add("Left aside.", TaskStatus.COMPLETED, "Yes.", first)
    second = add("Again?", TaskStatus.FAILED, "", first, error="It broke.")
    talk.head = add("Well?", TaskStatus.RUNNING, "", second)
    talk.save()
    return talk


def test_markdown_has_the_branch_that_is_shown(talk):
    text = markdown(talk.pk)
    assert text.startswith("# Trip\n\nwriter, 20")
    assert "## bob\n\nLook.\n\n*(1 image)*\n\n## writer\n\nA **cat**.\n\n## bob\n\nAgain?" in text
    assert "*The answer failed: It broke.*" in text
    assert text.endswith("*The answer is still being written.*\n")
    assert "Left aside." not in text


def test_markdown_says_where_an_answer_was_deleted(talk):
    Task.objects.all().delete()
    assert markdown(talk.pk).count("*The answer was deleted.*") == 3


def test_json_has_all_branches_and_the_images(talk):
    found = as_json(talk.pk)
    assert [turn["text"] for turn in found["turns"]] == ["Look.", "Left aside.", "Again?", "Well?"]
    assert found["turns"][0]["images"] == ["AAAA"]
    assert found["branch"] == [found["turns"][at]["id"] for at in (0, 2, 3)]
    assert found["title"] == "Trip"
