"""Answers come into the search once, with what they are sorted by, and leave it with their tasks."""

import pytest
from django.db import connection
from django.utils import timezone

from orchestration.models import Output, Task, output_index
from orchestration.queries.output_filter import OutputFilter
from orchestration.queries.search import newest
from orchestration.services import gathering, outputs, tasks
from orchestration.services.gathering import has_json


def found(text: str = "", **kinds: frozenset[str]) -> list[int]:
    return newest(OutputFilter(text=text, **kinds), 100)


def entries() -> int:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT COUNT(*) FROM {output_index.TABLE}")
        return int(cursor.fetchone()[0])


@pytest.fixture
def answered(submit, answer):
    def run(prompt: str, output: str, **fields: object) -> Task:
        task = submit(prompt, **fields).tasks.get()
        answer(task, output)
        task.refresh_from_db()
        return task

    return run


def test_a_completed_answer_is_gathered_once(answered):
    task = answered("Name a fish.", "The red snapper.", tags=("sea",))
    assert found("snapper") == []
    assert gathering.gather(seconds=0) == 1
    assert gathering.gather(seconds=0) == 0
    assert found("snapper") == found("fish") == found("", tag=frozenset({"sea"})) == [task.pk]
    row = Output.objects.get()
    assert (row.agent_name, row.model_name, row.node_name) == ("writer", "llama3.2:latest", "gpu-a")
    assert (row.chars, row.has_json, row.ended_at) == (16, False, task.ended_at)


def test_what_was_read_before_somebody_else_gathered_it_is_left_alone(answered):
    task = answered("Name a fish.", "A pike.")
    assert gathering.gather_some() == 1
    assert gathering.keep([task]) == 0
    assert entries() == 1


def test_a_text_that_is_removed_while_it_is_gathered_does_not_come_into_the_search(answered, monkeypatch):
    task = answered("Name a fish.", "A pike.")
    read = gathering.words

    def overtaken(text: str) -> list[str]:
        outputs.remove_text([task.pk], timezone.now())
        return read(text)

    monkeypatch.setattr(gathering, "words", overtaken)
    gathering.gather(seconds=0)
    monkeypatch.setattr(gathering, "words", read)
    gathering.gather(seconds=0)
    assert found("pike") == []
    assert Output.objects.get().text_removed_at is not None


def test_unfinished_and_failed_tasks_are_not_gathered(submitted_task):
    assert gathering.gather(seconds=0) == 0


def test_many_answers_are_taken_a_few_at_a_time(answered, monkeypatch):
    monkeypatch.setattr(gathering, "AT_ONCE", 2)
    for number in range(5):
        answered(f"Question {number}", "Yes.")
    assert gathering.gather_some(2) == 2
    assert gathering.gather(seconds=60) == 3


def test_an_answer_without_text_is_kept_but_not_found(answered):
    answered("Say nothing.", "")
    gathering.gather(seconds=0)
    assert Output.objects.count() == 1
    assert found() == []
    assert entries() == 0


def test_a_deleted_task_leaves_the_search(answered, as_bob):
    task = answered("Name a fish.", "A pike.")
    gathering.gather(seconds=0)
    tasks.delete_ended(actor=as_bob, task_ids=[task.pk])
    assert entries() == 0
    assert Output.objects.count() == 0


def test_what_was_deleted_in_another_way_is_swept_away(answered):
    answered("Name a fish.", "A pike.").delete()
    kept = answered("Name a bird.", "A kite.")
    gathering.gather(seconds=0)
    Task.objects.exclude(pk=kept.pk).delete()
    output_index.put([output_index.Entry(10**6, ["lost"], [], ["all"])])
    assert gathering.sweep() == 1
    assert found("kite") == [kept.pk]


def test_removed_text_is_not_found_any_more_but_its_numbers_are(answered):
    task = answered("Name a secret fish.", "A secret pike.")
    gathering.gather(seconds=0)
    outputs.remove_text([task.pk], timezone.now())
    assert found("secret") == found("pike") == []
    assert found("", agent=frozenset({"writer"})) == [task.pk]
    assert Output.objects.get().text_removed_at is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', True),
        (" [1, 2]\n", True),
        ("Here:\n```json\n{}\n```", True),
        ("[Note] this is none", False),
        ("plain", False),
        ("[" * 100_000, False),
    ],
)
def test_json_is_known_when_it_is_seen(text, expected):
    assert has_json(text) is expected
