"""Retention: rules about how long texts and tasks are kept, and the clean-ups that keep to them, piece by piece."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Count, Exists, OuterRef
from django.utils import timezone

from orchestration import events
from orchestration.errors import Conflict, InvalidInput
from orchestration.models import Agent, CleanUp, Conversation, RetentionRule, Run, Task, Turn
from orchestration.models.tasks import TaskQuerySet
from orchestration.payloads.retention import counts_of, removal_of
from orchestration.permissions import SYSTEM, Action, Actor, require
from orchestration.policy.retention import Removal, Rule, problem, rules_of
from orchestration.queries import retention as queries
from orchestration.services import audit, outputs
from orchestration.services.again import atomic_again
from orchestration.services.fields import apply, cut, save

PIECE = 100
"""Tasks in a transaction: on SQLite nobody else writes meanwhile."""
UNCONFIRMED = 100
"""So many are removed without the caller having said how many they expect."""
_FIELDS = ("text_days", "task_days", "keep_collected")

Place = tuple[datetime, int]
"""(ended_at, id) of the last task of a piece."""


@transaction.atomic
def add_rule(*, actor: Actor, agent: Agent | None, **values: Any) -> RetentionRule:
    """``agent`` None: for all others. Conflict when it has a rule already."""
    require(actor, Action.CLEAN_UP)
    if RetentionRule.objects.filter(agent=agent).exists():
        whose = f"Agent {agent.name} has" if agent else "All other agents have"
        raise Conflict(f"{whose} a retention rule already: change that one.")
    row = RetentionRule(agent=agent)
    _save(row, values)
    audit.record(actor, "retention.created", row, **{name: getattr(row, name) for name in _FIELDS})
    return row


@transaction.atomic
def change_rule(*, actor: Actor, rule_id: int, **values: Any) -> RetentionRule:
    """Whose rule it is stays as it is."""
    require(actor, Action.CLEAN_UP)
    row = queries.get_rule(rule_id)
    before = {name: getattr(row, name) for name in values}
    _save(row, values)
    if changed := audit.changes(before, values):
        audit.record(actor, "retention.changed", row, changes=changed)
    return row


@transaction.atomic
def remove_rule(*, actor: Actor, rule_id: int) -> None:
    """Its agent then goes by the rule for all others."""
    require(actor, Action.CLEAN_UP)
    row = queries.get_rule(rule_id)
    audit.record(actor, "retention.deleted", row)
    row.delete()


def _save(row: RetentionRule, values: dict[str, Any]) -> None:
    apply(row, values, _FIELDS)
    field, why = problem(row.text_days, row.task_days)
    if field:
        raise InvalidInput(why, field=field)
    save(row)


@transaction.atomic
def ask_clean_up(*, actor: Actor, as_of: datetime | None = None, expected: int | None = None) -> CleanUp:
    """The process that leads begins with it within a second. ``as_of``: of the dry run that was looked at.

    ``expected`` is how many tasks may change at most, needed for more than UNCONFIRMED. Raises Conflict when more
    would, when none would, and while another clean-up is under way; InvalidInput for a moment to come.
    """
    require(actor, Action.CLEAN_UP)
    now = timezone.now()
    queries.check_moment(as_of or now)
    if as_of is not None and as_of > now:
        raise InvalidInput("A clean-up cannot be as of a moment to come.", field="as_of")
    if CleanUp.objects.filter(ended_at=None).exists():
        raise Conflict("Another clean-up is under way: wait for its end, or stop it.")
    among = queries.rules()
    count = queries.planned(among, as_of or now).count
    _confirm(count, expected)
    row = CleanUp.objects.create(
        at=now,
        by_name=cut(actor.name, 150),
        as_of=as_of or now,
        rules=[asdict(rule) for rule in among],
        counts={"expected": count},
    )
    audit.record(actor, "cleanup.asked", row, as_of=row.as_of.isoformat(), tasks=count)
    return row


def _confirm(count: int, expected: int | None) -> None:
    if not count:
        raise Conflict("Nothing has been kept for longer than the rules say.", matched=0)
    if expected is None and count > UNCONFIRMED:
        raise Conflict(f"This is about {count:,} tasks: say that you expect {count}.", matched=count)
    if expected is not None and count > expected:
        raise Conflict(f"{count:,} tasks match by now, not {expected:,}: nothing was removed.", matched=count)


@transaction.atomic
def stop_clean_up(*, actor: Actor, clean_up_id: int) -> CleanUp:
    """What is removed stays removed. Conflict when it has ended."""
    require(actor, Action.CLEAN_UP)
    row = queries.get_clean_up(clean_up_id)
    ended = {"ended_at": timezone.now(), "stopped_by_name": cut(actor.name, 150)}
    if not CleanUp.objects.filter(pk=row.pk, ended_at=None).update(**ended):
        raise Conflict(f"Clean-up {clean_up_id} has ended.")
    row.refresh_from_db()
    audit.record(actor, "cleanup.stopped", row, **_summed(removal_of(row)))
    return row


@transaction.atomic
def schedule(*, now: datetime) -> CleanUp | None:
    """The daily one, when it is due and no other is under way."""
    if queries.due_at(now) is None or CleanUp.objects.filter(ended_at=None).exists():
        return None
    rules = [asdict(rule) for rule in queries.rules()]
    return CleanUp.objects.create(at=now, by_name=SYSTEM.name, scheduled=True, as_of=now, rules=rules)


def carry_on(*, go_on: Callable[[], bool]) -> CleanUp | None:
    """Does what is left of the clean-up that was asked for first; the row when it is done.

    ``go_on`` is asked between the pieces. What it breaks off is taken up again by the next call, in any process.
    """
    row = CleanUp.objects.filter(ended_at=None).order_by("pk").first()
    if row is None:
        return None
    among = rules_of(row.rules)
    if _delete_runs(row, among, go_on) and _take_texts(row, among, go_on):
        return _end(row.pk)
    return None


def _delete_runs(clean_up: CleanUp, among: Sequence[Rule], go_on: Callable[[], bool]) -> bool:
    """Some runs at a time, so that one that is begun is brought to its end even when somebody stops it meanwhile.

    False when it was broken off."""
    due = queries.due_tasks(among, clean_up.as_of).order_by("run").values_list("run").annotate(count=Count("pk"))
    for runs in _groups(list(due)):
        if _is_stopped(clean_up):
            return False
        rows = queries.due_tasks(among, clean_up.as_of, runs=runs)
        while go_on():
            if not _piece(clean_up.pk, rows, _delete):
                break
        else:
            return False
    return True


def _groups(runs: Iterable[tuple[int, int]]) -> Iterator[list[int]]:
    """Of runs with their numbers of tasks: each has enough of them for a piece."""
    group: list[int] = []
    tasks = 0
    for run_id, count in runs:
        group.append(run_id)
        tasks += count
        if tasks >= PIECE:
            yield group
            group, tasks = [], 0
    if group:
        yield group


def _take_texts(clean_up: CleanUp, among: Sequence[Rule], go_on: Callable[[], bool]) -> bool:
    """The oldest first. False when it was broken off."""
    rows = queries.due_texts(among, clean_up.as_of)
    last: Place | None = None
    while go_on() and not _is_stopped(clean_up):
        left = rows if last is None else rows.filter(ended_at__gte=last[0]).exclude(ended_at=last[0], pk__lte=last[1])
        last = _piece(clean_up.pk, left, _remove_texts)
        if last is None:
            return True
    return False


def _is_stopped(clean_up: CleanUp) -> bool:
    return not CleanUp.objects.filter(pk=clean_up.pk, ended_at=None).exists()


Remove = Callable[[Sequence[int], datetime], Removal]


@atomic_again
def _piece(clean_up_id: int, tasks: TaskQuerySet, remove: Remove) -> Place | None:
    """The next ones. Where they ended; None when there were none."""
    row = CleanUp.objects.select_for_update().get(pk=clean_up_id)
    found = list(tasks.order_by("ended_at", "pk").values_list("ended_at", "pk", "run_id")[:PIECE])
    if not found:
        return None
    runs = Run.objects.filter(pk__in={run_id for _, _, run_id in found}).order_by("pk")
    list(runs.select_for_update(no_key=True).values_list("pk"))  # so that nobody does them again meanwhile
    ids = list(tasks.filter(pk__in=[pk for _, pk, _ in found]).values_list("pk", flat=True))
    removal = removal_of(row)
    removal.add_all(remove(ids, timezone.now()))
    row.counts = {**row.counts, "by_agent": counts_of(removal)}
    row.save(update_fields=["counts"])
    ended_at, pk, _ = found[-1]
    return ended_at or row.as_of, pk


def _remove_texts(ids: Sequence[int], now: datetime) -> Removal:
    removal = queries.measured(Task.objects.filter(pk__in=ids), whole=False)
    outputs.remove_text(ids, now)
    _untitle(list(Turn.objects.filter(task__in=ids).values_list("conversation_id", flat=True)))
    return removal


def _delete(ids: Sequence[int], now: datetime) -> Removal:
    """With the items of steps among them: they are of the same run, and would go with their step uncounted."""
    rows = Task.objects.filter(pk__in=[*ids, *Task.objects.filter(parent__in=ids).values_list("pk", flat=True)])
    removal = queries.measured(rows, whole=True)
    gone = dict(rows.order_by().values_list("pk", "run_id"))
    outputs.forget(gone)
    turns = Turn.objects.filter(task__in=gone)
    talks = list(turns.values_list("conversation_id", flat=True))
    turns.update(text="", images=[], text_removed_at=now)
    Task.objects.filter(pk__in=gone).only("pk").delete()
    Run.objects.filter(pk__in=set(gone.values()), tasks=None).delete()
    Conversation.objects.filter(
        ~Exists(_turns(text_removed_at=None) | _turns(task__isnull=False)), pk__in=talks
    ).delete()
    _untitle(talks)
    events.on_commit(("tasks_changed", {"count": len(gone)}))
    return removal


def _untitle(conversation_ids: Sequence[int]) -> None:
    """A conversation is called by what was said in it first."""
    with_text = _turns(text_removed_at=None)
    Conversation.objects.filter(~Exists(with_text), pk__in=conversation_ids).update(title="")


def _turns(**conditions: Any) -> Any:
    return Turn.objects.filter(conversation=OuterRef("pk"), **conditions)


@transaction.atomic
def _end(clean_up_id: int) -> CleanUp:
    CleanUp.objects.filter(pk=clean_up_id, ended_at=None).update(ended_at=timezone.now())
    row = CleanUp.objects.get(pk=clean_up_id)
    removal = removal_of(row)
    if removal.count or not row.scheduled:
        audit.record(SYSTEM, "cleanup.done", row, asked_by=row.by_name, **_summed(removal))
    return row


def _summed(removal: Removal) -> dict[str, int]:
    total = removal.total
    return {"texts": total.texts, "tasks": total.tasks, "bytes": total.bytes}
