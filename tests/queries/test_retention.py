"""What a clean-up would remove, when one is due, and what is told about rules, clean-ups and the folder."""

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Attempt, CleanUp, Collection, FolderSink, Output, RetentionRule, Run, Task
from orchestration.policy.retention import Rule
from orchestration.policy.states import AttemptStatus
from orchestration.queries import retention as queries
from tests.queries.conftest import NOON


@pytest.fixture
def make(make_task, bob):
    """A task that ended so many days before noon, in a run of its own unless told otherwise."""

    def made(days, status="completed", **fields):
        fields.setdefault("run", Run.objects.create(kind="single", owner=bob))
        return make_task(status, ended_at=NOON - timedelta(days=days), **fields)

    return made


def rule(agent=None, **fields):
    return RetentionRule.objects.create(agent=agent, **fields)


def texts(as_of=NOON):
    return set(queries.due_texts(queries.rules(), as_of).values_list("pk", flat=True))


def tasks(as_of=NOON, **only):
    return set(queries.due_tasks(queries.rules(), as_of, **only).values_list("pk", flat=True))


# Rules ----------------------------------------------------------------------------------------------------------------


def test_rules_come_by_agent_and_that_of_all_others_last(make_agent):
    rule(text_days=90)
    for name in ("writer", "poet"):
        rule(make_agent(name), task_days=7, keep_collected=False)
    first, second, last = queries.rules()
    assert [first.agent, second.agent, last] == ["poet", "writer", Rule(text_days=90)]
    assert (first.agent_id is None, first.task_days, first.text_days, first.keep_collected) == (False, 7, None, False)
    assert [each["agent"] for each in queries.retention()["rules"]] == ["poet", "writer", None]


# What is due ----------------------------------------------------------------------------------------------------------


def test_the_moment_itself_is_long_enough(make):
    rule(text_days=10)
    due = make(10)
    assert texts() == {due.pk}
    assert texts(NOON - timedelta(microseconds=1)) == set()


def test_without_a_rule_for_it_nothing_is_due(make):
    make(4000)
    assert (texts(), tasks()) == (set(), set())
    rule(text_days=10)
    assert tasks() == set()


def test_each_agent_goes_by_its_own_rule_alone(make, agent, make_agent):
    poet = make_agent("poet")
    rule(poet, text_days=100)
    rule(text_days=10)
    mine, orphan = make(50), make(50, agent=None, agent_name="gone")
    make(50, agent=poet)
    assert texts() == {mine.pk, orphan.pk}
    RetentionRule.objects.filter(agent=None).delete()
    assert texts() == set()
    assert texts(NOON + timedelta(days=50)) == {Task.objects.get(agent=poet).pk}


def test_a_text_that_went_is_not_due_and_its_task_still_is(make):
    rule(text_days=10, task_days=10)
    gone = make(50, text_removed_at=NOON)
    assert texts() == set()
    assert tasks() == {gone.pk}


def test_nothing_is_due_of_a_run_that_goes_on(make, bob):
    rule(text_days=10, task_days=10)
    run = Run.objects.create(kind="workflow", owner=bob)
    make(50, run=run)
    waiting = make(50, "pending", run=run)
    assert texts() == tasks() == set()
    Task.objects.filter(pk=waiting.pk).update(status="completed")
    assert len(texts()) == len(tasks()) == 2


def test_a_run_is_due_as_a_whole_whichever_are_looked_at(make, bob):
    rule(task_days=10)
    run = Run.objects.create(kind="batch", owner=bob)
    make(50, run=run)
    young, alone, other = make(5, run=run), make(50), make(60)
    assert tasks() == {alone.pk, other.pk}
    assert tasks(runs=[run.pk, alone.run_id]) == {alone.pk}
    assert tasks(runs=[]) == set()
    assert young.pk in tasks(NOON + timedelta(days=6))


@pytest.mark.parametrize("kept", [True, False])
def test_what_is_collected_is_due_only_where_the_rule_says_so(make, kept):
    rule(text_days=10, task_days=10, keep_collected=kept)
    task = make(50)
    row = Output.objects.create(task=task, agent_name="writer", type="generate", ended_at=NOON)
    Collection.objects.create(name="Best").outputs.add(row)
    assert texts() == tasks() == (set() if kept else {task.pk})


# The dry run ----------------------------------------------------------------------------------------------------------


def test_a_dry_run_counts_bytes_of_all_texts_and_of_what_was_sent(make):
    rule(text_days=10)
    task = make(50, input="größe", output="ä" * 10, title="Not counted")
    Attempt.objects.create(
        task=task,
        **{"number": 1, "node_name": "gpu-a", "model_name": "m", "num_ctx": 4096, "slot": 0, "token": "t"},
        **{"status": AttemptStatus.COMPLETED, "queue": "normal", "granted_at": NOON, "lease_until": NOON},
        request={"prompt": "x" * 1000},
    )
    bare = queries.measured(Task.objects.filter(pk=task.pk), whole=False).total.bytes
    Task.objects.filter(pk=task.pk).update(input="größer", output="ä" * 20)
    assert queries.measured(Task.objects.filter(pk=task.pk), whole=False).total.bytes == bare + 1 + 20
    assert bare > 7 + 20 + 1000


def test_a_dry_run_tells_whole_tasks_first_and_by_agent(make, make_agent):
    poet = make_agent("poet")
    rule(text_days=10, task_days=40)
    make(50), make(20), make(20, agent=poet, agent_name="poet"), make(5)
    found = queries.dry_run(NOON + timedelta(microseconds=1234))
    assert found["as_of"] == "2026-11-20T12:00:00.001Z"
    assert (found["total"]["texts"], found["total"]["tasks"]) == (2, 1)
    assert [(each["agent"], each["texts"], each["tasks"]) for each in found["by_agent"]] == [
        ("writer", 1, 1),
        ("poet", 1, 0),
    ]
    assert (found["total"]["oldest"], found["total"]["newest"]) == (
        "2026-10-01T12:00:00.000Z",
        "2026-10-31T12:00:00.000Z",
    )
    assert Task.objects.count() == 4


@pytest.mark.parametrize("year", [1969, 9001])
def test_a_moment_beyond_all_rules_is_refused(db, year):
    rule(text_days=36_500)
    with pytest.raises(InvalidInput, match="between the years 1970 and 9000"):
        queries.dry_run(datetime(year, 1, 1, tzinfo=UTC))
    for edge in (1970, 9000):
        assert queries.dry_run(datetime(edge, 6, 1, tzinfo=UTC))["total"]["texts"] == 0


# By the clock ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_three(settings, db):
    settings.DROVER_CLEANUP_HOUR = 3
    rule(text_days=10)
    RetentionRule.objects.update(updated_at=NOON - timedelta(days=9))
    return NOON.replace(hour=3)


def test_a_clean_up_is_due_from_its_hour_until_it_was_asked_for(at_three):
    assert queries.due_at(at_three - timedelta(seconds=1)) == at_three - timedelta(days=1)
    assert queries.due_at(NOON) == at_three
    CleanUp.objects.create(at=at_three, by_name="alice")
    assert queries.due_at(NOON) == at_three
    CleanUp.objects.create(at=at_three, by_name="drover", scheduled=True)
    assert queries.due_at(NOON) is None
    assert queries.due_at(at_three + timedelta(days=1)) == at_three + timedelta(days=1)


def test_a_rule_that_was_changed_waits_for_the_next_hour(at_three):
    RetentionRule.objects.update(updated_at=at_three + timedelta(seconds=1))
    assert queries.due_at(NOON) is None
    assert queries.due_at(NOON + timedelta(days=1)) is not None


def test_none_is_due_without_rules_or_without_an_hour(at_three, settings):
    settings.DROVER_CLEANUP_HOUR = -1
    assert queries.due_at(NOON) is None
    assert queries.retention()["next_cleanup_at"] is None
    settings.DROVER_CLEANUP_HOUR = 3
    assert datetime.fromisoformat(queries.retention()["next_cleanup_at"]) > timezone.now()
    RetentionRule.objects.all().delete()
    assert queries.due_at(NOON) is None
    assert queries.retention()["next_cleanup_at"] is None


# What is told ---------------------------------------------------------------------------------------------------------


def test_clean_ups_are_told_the_newest_first(db):
    made = [CleanUp.objects.create(at=NOON, by_name=name, as_of=NOON).pk for name in ("alice", "bob")]
    assert [(row["id"], row["by"], row["status"]) for row in queries.clean_ups()] == [
        (made[1], "bob", "waiting"),
        (made[0], "alice", "waiting"),
    ]


def test_what_is_not_there_is_not_found(db):
    with pytest.raises(NotFound, match="no retention rule 7"):
        queries.get_rule(7)
    with pytest.raises(NotFound, match="no clean-up 7"):
        queries.get_clean_up(7)


def test_there_is_a_folder_only_where_one_is_set(db, settings, tmp_path):
    settings.DROVER_SINK_FOLDER = None
    assert queries.sink() is None
    settings.DROVER_SINK_FOLDER = tmp_path
    nothing = {"written_at": None, "problem": None, "problem_since": None}
    assert queries.sink() == {"folder": str(tmp_path), "files": 0, **nothing}
    assert not FolderSink.objects.exists()
    FolderSink.objects.create(pk=1, folder="/elsewhere", files=3, problem="full", problem_since=NOON)
    assert queries.sink() == {"folder": str(tmp_path), "files": 0, **nothing}
    FolderSink.objects.update(folder=str(tmp_path))
    told = queries.sink()
    assert told is not None
    assert (told["files"], told["problem"], told["problem_since"]) == (3, "full", "2026-11-20T12:00:00.000Z")
