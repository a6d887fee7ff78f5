"""What a clean-up removes: measured by the dry run, and taken piece by piece by the clean-up itself."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import reduce
from operator import add, or_
from typing import Any

from django.conf import settings
from django.db.models import BigIntegerField, Count, Exists, F, Func, Max, Min, OuterRef, Q, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from orchestration.errors import InvalidInput, NotFound
from orchestration.models import Attempt, CleanUp, Collection, FolderSink, RetentionRule, Task
from orchestration.models.tasks import TaskQuerySet
from orchestration.payloads import iso
from orchestration.payloads import retention as shapes
from orchestration.payloads.retention import CleanUpPayload, PlanPayload, RetentionPayload, SinkPayload
from orchestration.policy.retention import Removal, Removed, Rule, cutoff, last_due, next_due
from orchestration.policy.states import ENDED, UNFINISHED

TEXTS = (
    *("input", "messages", "system_prompt", "images", "passages", "template"),
    *("output", "thinking", "tool_calls", "vectors"),
)
_NOTHING = Q(pk__in=[])


class _Bytes(Func):
    """Of a text, or of JSON as it is written."""

    output_field = BigIntegerField()
    template = "OCTET_LENGTH(CAST(%(expressions)s AS text))"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="LENGTH(CAST(%(expressions)s AS BLOB))", **context)


def _size(*columns: str) -> Sum:
    parts = [Coalesce(_Bytes(F(name)), 0, output_field=BigIntegerField()) for name in columns]
    return Sum(reduce(add, parts), output_field=BigIntegerField())


def rules() -> list[Rule]:
    """Those in force, that for all others last."""
    rows = RetentionRule.objects.select_related("agent")
    found = [
        Rule(
            agent_id=row.agent_id,
            agent=row.agent.name if row.agent else "",
            text_days=row.text_days,
            task_days=row.task_days,
            keep_collected=row.keep_collected,
        )
        for row in rows
    ]
    return sorted(found, key=lambda rule: (rule.agent_id is None, rule.agent))


def due_texts(among: Sequence[Rule], as_of: datetime) -> TaskQuerySet:
    """Tasks whose texts have been kept for long enough."""
    return _ended().filter(_due(among, as_of, {rule: rule.text_days for rule in among}), text_removed_at=None)


def due_tasks(among: Sequence[Rule], as_of: datetime, *, runs: Sequence[int] | None = None) -> TaskQuerySet:
    """Tasks that have been kept for long enough, in runs of which all have: none is ever half there.

    ``runs``: only of these. The others of a run are looked for once for all, not for each task: a batch has many.
    """
    old = _due(among, as_of, {rule: rule.task_days for rule in among})
    due = _ended().filter(old)
    due = due if runs is None else due.filter(run__in=runs)
    candidates: Any = due.order_by().values("run") if runs is None else runs
    return due.exclude(run__in=Task.objects.filter(~old, run__in=candidates).order_by().values("run"))


def _ended() -> TaskQuerySet:
    """In runs of which everything has: what follows may need the rest."""
    unfinished = Task.objects.filter(run=OuterRef("run"), status__in=UNFINISHED)
    return Task.objects.filter(~Exists(unfinished), status__in=ENDED, awaited=False)


def _due(among: Sequence[Rule], as_of: datetime, days: Mapping[Rule, int | None]) -> Q:
    """The latest of the moments stands for all once more: the database finds it in an index."""
    limits = {rule: cutoff(as_of, kept) for rule, kept in days.items() if kept is not None}
    if not limits:
        return _NOTHING
    parts = [_of(rule, among) & Q(ended_at__lte=limit) & _unless_kept(rule) for rule, limit in limits.items()]
    return Q(ended_at__lte=max(limits.values())) & reduce(or_, parts)


def _of(rule: Rule, among: Sequence[Rule]) -> Q:
    if rule.agent_id is not None:
        return Q(agent_id=rule.agent_id)
    own = [other.agent_id for other in among if other.agent_id is not None]
    return Q(agent_id=None) | ~Q(agent_id__in=own) if own else Q()


def _unless_kept(rule: Rule) -> Q:
    collected = Collection.outputs.through.objects.filter(output_id=OuterRef("pk"))
    return Q(~Exists(collected)) if rule.keep_collected else Q()


def planned(among: Sequence[Rule], as_of: datetime) -> Removal:
    """What a clean-up by these rules removes: whole tasks first, then texts of what is left."""
    tasks, texts = due_tasks(among, as_of), due_texts(among, as_of)
    removal = measured(tasks, whole=True)
    whole = removal.count > 0
    removal.add_all(measured(texts.exclude(pk__in=tasks.order_by().values("pk")) if whole else texts, whole=False))
    return removal


def check_moment(as_of: datetime) -> None:
    """The longest rule must not lead to a time before all days."""
    if not 1970 <= as_of.year <= 9000:
        raise InvalidInput("as_of is a moment between the years 1970 and 9000.", field="as_of")


def dry_run(as_of: datetime) -> PlanPayload:
    """What a clean-up as of then would remove, by the rules in force. To the millisecond, as moments are told."""
    check_moment(as_of)
    as_of = as_of.replace(microsecond=as_of.microsecond // 1000 * 1000)
    among = rules()
    return shapes.plan(among, as_of, planned(among, as_of))


def measured(tasks: TaskQuerySet, *, whole: bool) -> Removal:
    """The texts of these tasks, by agent. ``whole``: the tasks go with them."""
    figures = {"count": Count("pk"), "size": _size(*TEXTS), "oldest": Min("ended_at"), "newest": Max("ended_at")}
    sent = Attempt.objects.filter(task__in=tasks.order_by().values("pk"), request__isnull=False).order_by()
    requests = dict(sent.values_list("task__agent_name").annotate(size=_size("request")))
    removal = Removal()
    for agent, count, size, oldest, newest in tasks.order_by().values_list("agent_name").annotate(**figures):
        size = (size or 0) + requests.get(agent, 0)
        counted = {"tasks" if whole else "texts": count}
        removal.add(agent, Removed(bytes=size, oldest=oldest, newest=newest, **counted))
    return removal


def due_at(now: datetime) -> datetime | None:
    """When a clean-up by the clock was due last, and has not been done since. A rule that was changed after that waits
    for the next time, so that there is a day to look at what it would remove."""
    due = last_due(now, settings.DROVER_CLEANUP_HOUR, timezone.get_default_timezone())
    changed = RetentionRule.objects.order_by("-updated_at").values_list("updated_at", flat=True).first()
    if due is None or changed is None or changed > due:
        return None
    return None if CleanUp.objects.filter(scheduled=True, at__gte=due).exists() else due


def retention() -> RetentionPayload:
    """The rules, when they are kept to, and the folder that answers are written into."""
    rows = RetentionRule.objects.select_related("agent")
    zone = timezone.get_default_timezone()
    hour = settings.DROVER_CLEANUP_HOUR
    return RetentionPayload(
        rules=sorted((shapes.rule(row) for row in rows), key=lambda rule: (not rule["agent"], rule["agent"])),
        next_cleanup_at=iso(next_due(timezone.now(), hour, zone)) if rows else None,
        sink=sink(),
    )


def get_rule(rule_id: int) -> RetentionRule:
    row = RetentionRule.objects.select_related("agent").filter(pk=rule_id).first()
    if row is None:
        raise NotFound(f"There is no retention rule {rule_id}.")
    return row


def clean_ups() -> list[CleanUpPayload]:
    """The newest first."""
    return [shapes.clean_up(row) for row in CleanUp.objects.all()[:200]]


def get_clean_up(clean_up_id: int) -> CleanUp:
    row = CleanUp.objects.filter(pk=clean_up_id).first()
    if row is None:
        raise NotFound(f"There is no clean-up {clean_up_id}.")
    return row


def sink() -> SinkPayload | None:
    """None where no folder is set."""
    if not settings.DROVER_SINK_FOLDER:
        return None
    row = FolderSink.objects.filter(pk=1).first() or FolderSink()
    return shapes.sink(row, str(settings.DROVER_SINK_FOLDER))
