"""Which answers go into the folder next, what is noted about those that went, and about what is in the way."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import FolderSink, Output, Task
from orchestration.services import gathering, outputs
from orchestration.services.sink import note_problem, note_written, unwritten

HERE, THERE = "/srv/answers", "/srv/others"


@pytest.fixture
def kept(submit, answer):
    run = submit("Name a fish.", "Name a bird.", "Name a tree.", tags=["nightly"])
    tasks = list(run.tasks.order_by("pk"))
    for task in tasks:
        answer(task, "Here it is.")
    gathering.gather(seconds=60)
    return [task.pk for task in tasks]


def left(most=10):
    return [task.pk for task in unwritten(most)]


# What is left ---------------------------------------------------------------------------------------------------------


def test_the_oldest_come_first_and_no_more_than_asked_for(kept):
    assert left() == kept
    assert left(2) == kept[:2]


def test_what_is_written_is_not_left(kept):
    note_written(folder=HERE, task_ids=kept[:2], files=2, now=timezone.now())
    assert left() == kept[2:]
    note_written(folder=HERE, task_ids=kept[2:], files=1, now=timezone.now())
    assert left() == []


def test_what_has_lost_its_text_is_not_left(kept):
    outputs.remove_text(kept[:1], timezone.now())
    assert left() == kept[1:]


def test_what_the_search_has_not_taken_yet_waits_for_that(submit, answer):
    task = submit("Name a fish.").tasks.get()
    answer(task, "A pike.")
    assert left() == []
    gathering.gather(seconds=60)
    assert left() == [task.pk]


def test_all_that_files_say_is_read_at_once(kept, django_assert_num_queries):
    with django_assert_num_queries(2):
        first, *_ = unwritten(10)
        said = (first.input, first.output, first.tags, first.owner.username, first.output_tokens, first.attempt_count)
    assert said == ("Name a fish.", "Here it is.", ["nightly"], "bob", 90, 1)
    assert "vectors" in first.get_deferred_fields()


def test_nothing_left_is_one_question(db, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert unwritten(10) == []


# What is noted --------------------------------------------------------------------------------------------------------


def test_files_are_counted_and_the_last_moment_stays(kept):
    first = timezone.now()
    note_written(folder=HERE, task_ids=kept[:2], files=2, now=first)
    note_written(folder=HERE, task_ids=kept[2:], files=0, now=first + timedelta(minutes=1))
    row = FolderSink.objects.get()
    assert (row.folder, row.files, row.written_at) == (HERE, 2, first)
    assert Output.objects.get(pk=kept[2]).written_at == first + timedelta(minutes=1)


def test_only_what_was_written_is_noted(kept):
    note_written(folder=HERE, task_ids=kept[1:2], files=1, now=timezone.now())
    assert list(Output.objects.exclude(written_at=None).values_list("pk", flat=True)) == kept[1:2]


def test_a_problem_is_as_old_as_it_is_whatever_its_words(db):
    began = timezone.now()
    note_problem(folder=HERE, problem="full", now=began)
    note_problem(folder=HERE, problem="full", now=began + timedelta(minutes=1))
    note_problem(folder=HERE, problem="fuller", now=began + timedelta(minutes=2))
    row = FolderSink.objects.get()
    assert (row.problem, row.problem_since, row.files, row.written_at) == ("fuller", began, 0, None)


def test_endless_words_are_cut_and_still_the_same_problem(db):
    began = timezone.now()
    for minutes in range(2):
        note_problem(folder=HERE, problem="x" * 5000, now=began + timedelta(minutes=minutes))
    row = FolderSink.objects.get()
    assert (len(row.problem), row.problem_since) == (300, began)


def test_writing_again_is_the_end_of_a_problem_and_keeps_the_count(kept):
    now = timezone.now()
    note_written(folder=HERE, task_ids=kept[:1], files=1, now=now)
    note_problem(folder=HERE, problem="full", now=now)
    row = FolderSink.objects.get()
    assert (row.problem, row.files, row.written_at) == ("full", 1, now)
    note_written(folder=HERE, task_ids=kept[1:2], files=1, now=now)
    row.refresh_from_db()
    assert (row.problem, row.problem_since, row.files) == ("", None, 2)


@pytest.mark.parametrize("how", ["written", "in the way"])
def test_another_folder_begins_anew_and_is_not_filled_with_what_the_first_one_has(kept, how):
    now = timezone.now()
    note_written(folder=HERE, task_ids=kept[:2], files=2, now=now - timedelta(days=1))
    note_problem(folder=HERE, problem="full", now=now - timedelta(days=1))
    if how == "written":
        note_written(folder=THERE, task_ids=kept[2:], files=1, now=now)
    else:
        note_problem(folder=THERE, problem="full", now=now)
    row = FolderSink.objects.get()
    expected = (THERE, 1, now, "", None) if how == "written" else (THERE, 0, None, "full", now)
    assert (row.folder, row.files, row.written_at, row.problem, row.problem_since) == expected
    assert not set(left()) & set(kept[:2])


def test_answers_that_went_meanwhile_are_no_harm(kept):
    Task.objects.filter(pk=kept[0]).delete()
    note_written(folder=HERE, task_ids=kept, files=3, now=timezone.now())
    assert FolderSink.objects.get().files == 3
    assert left() == []
