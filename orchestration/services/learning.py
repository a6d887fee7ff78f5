"""Settling: what ended attempts took is learned from, charged and added up, each exactly once.

Called by the scheduler in its pass, before anything that has not ended is touched: it locks nodes, as polls do first.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from django.db import transaction
from django.db.models import Case, F, Value, When

from orchestration.models import Attempt, NodeVariant, OutputEstimate, ShareAccount
from orchestration.policy.errands import is_errand
from orchestration.policy.estimates import TOKENS_PER_SECOND, blend, slowdown
from orchestration.policy.learning import Call, Known, learn, received_in_part
from orchestration.policy.states import AttemptStatus
from orchestration.services import circuits, usage
from orchestration.services.ended import Ended, unsettled

Key = tuple[int, str, int]
"""Node, model, context."""

_LEARNED = ("tokens_per_second", "run_seconds", "slots", "slots_at", "clean_runs", "last_used_at")


@transaction.atomic
def settle(*, most: int = 500) -> int:
    """The number of attempts settled, the oldest first. The number of statements does not depend on it.

    One caller at a time: nothing here keeps two from settling the same, but the role that the scheduler holds does."""
    ended = unsettled(most)
    if not ended:
        return 0
    circuits.note(circuits.outcomes_of(ended))
    traffic = _Traffic(ended)
    answered = [row for row in ended if row.status == AttemptStatus.COMPLETED and not is_errand(row.type)]
    calls = {row.pk: _call(row, traffic) for row in answered}
    known = _learn_places(ended, calls)
    _learn_kinds(ended, calls)
    _correct_accounts(ended, calls, known, traffic)
    usage.count(ended)
    Attempt.objects.filter(pk__in=[row.pk for row in ended]).update(settled=True)
    return len(ended)


class _Traffic:
    """Who was in flight on a node when an attempt ended: what is in flight now, and what is settled together with it.

    The slow-down while it ran is not known. That at its end stands for it, or that at its start where this was more,
    as its slot tells: of requests that came together the last one ends alone, but ran in company.
    """

    def __init__(self, ended: Sequence[Ended]) -> None:
        self._granted: dict[int, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
        self._ended: dict[int, dict[str, list[datetime]]] = defaultdict(lambda: defaultdict(list))
        live = Attempt.objects.filter(
            ended_at=None, num_ctx__gt=0
        ).order_by()  # by node SQLite would read all that ever ran there
        for node, model, granted in live.values_list("node_id", "model_name", "granted_at"):
            if node is not None:
                insort(self._granted[node][model], granted)
        for row in ended:
            if row.node_id is not None:
                insort(self._granted[row.node_id][row.model_name], row.granted_at)
                insort(self._ended[row.node_id][row.model_name], row.ended_at)

    def slowdown(self, row: Ended) -> float:
        if row.node_id is None:
            return 1.0
        at = row.ended_at
        running = {
            model: bisect_left(granted, at) - bisect_left(self._ended[row.node_id][model], at)
            for model, granted in self._granted[row.node_id].items()
        }
        with_it = max(row.slot, running.pop(row.model_name, 1) - 1)
        return slowdown(with_it, sum(1 for count in running.values() if count > 0))


def _call(row: Ended, traffic: _Traffic) -> Call:
    return Call(
        granted_at=row.granted_at,
        ended_at=row.ended_at,
        run_seconds=max(0.0, (row.ended_at - (row.started_at or row.granted_at)).total_seconds()),
        slowdown=traffic.slowdown(row),
        prompt_tokens=row.prompt_tokens or 0,
        output_tokens=row.output_tokens or 0,
        load_seconds=row.load_seconds or 0.0,
        decode_seconds=row.decode_seconds or 0.0,
        inside_seconds=row.inside_seconds,
    )


def _learn_places(ended: Sequence[Ended], calls: Mapping[int, Call]) -> dict[Key, Known]:
    """What is known of each variant that was used; its last use is also that of calls that brought nothing."""
    by_key: dict[Key, list[Ended]] = defaultdict(list)
    for row in sorted(ended, key=lambda row: row.ended_at):
        if row.node_id is not None and row.started_at is not None:
            by_key[row.node_id, row.model_name, row.num_ctx].append(row)
    known = _known(by_key)
    for key, rows in by_key.items():
        taught = [calls[row.pk] for row in rows if row.pk in calls]
        after = learn(known.get(key, Known()), taught, slots=rows[0].slots or 1)
        last = rows[-1].ended_at
        known[key] = replace(after, last_used_at=max(after.last_used_at or last, last))
    _store(known, by_key)
    return known


def _known(keys: Iterable[Key]) -> dict[Key, Known]:
    nodes, models = {node for node, _, _ in keys}, {model for _, model, _ in keys}
    rows = NodeVariant.objects.filter(node__in=nodes, model_name__in=models)
    return {
        (node, model, num_ctx): Known(**dict(zip(_LEARNED, learned, strict=True)))
        for node, model, num_ctx, *learned in rows.values_list("node_id", "model_name", "num_ctx", *_LEARNED)
    }


def _store(known: Mapping[Key, Known], used: Iterable[Key]) -> None:
    """In one order whatever was used, so that nobody who locks several waits in a circle."""
    rows = [
        NodeVariant(
            node_id=key[0],
            model_name=key[1],
            num_ctx=key[2],
            **{name: getattr(known[key], name) for name in _LEARNED},
        )
        for key in sorted(used)
    ]
    unique = ["node", "model_name", "num_ctx"]
    NodeVariant.objects.bulk_create(rows, update_conflicts=True, unique_fields=unique, update_fields=_LEARNED)


def _learn_kinds(ended: Sequence[Ended], calls: Mapping[int, Call]) -> None:
    """How much work tasks of one agent and type are."""
    taught = [row for row in ended if row.pk in calls and calls[row.pk].work and row.agent_id is not None]
    agents = {row.agent_id for row in taught}
    means: dict[tuple[int, str], float] = {
        (agent, kind): tokens
        for agent, kind, tokens in OutputEstimate.objects.filter(agent__in=agents).values_list(
            "agent_id", "type", "tokens"
        )
    }
    changed = set()
    for row in taught:
        assert row.agent_id is not None
        key = row.agent_id, row.type
        means[key] = blend(means.get(key), calls[row.pk].work)
        changed.add(key)
    rows = [OutputEstimate(agent_id=agent, type=kind, tokens=means[agent, kind]) for agent, kind in sorted(changed)]
    OutputEstimate.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["agent", "type"], update_fields=["tokens"]
    )


def _correct_accounts(
    ended: Sequence[Ended], calls: Mapping[int, Call], known: Mapping[Key, Known], traffic: _Traffic
) -> None:
    """Accounts were charged with what attempts were expected to take; here with the difference to what they took."""
    owed: dict[int, float] = defaultdict(float)
    for row in ended:
        owed[row.share] += _received(row, calls.get(row.pk), known, traffic) - row.estimated_tokens
    shares = sorted(share for share, tokens in owed.items() if tokens)
    if not shares:
        return
    ShareAccount.objects.bulk_create([ShareAccount(share=share) for share in shares], ignore_conflicts=True)
    changes = Case(*(When(share=share, then=Value(owed[share])) for share in shares))
    ShareAccount.objects.filter(share__in=shares).update(service=F("service") + changes)


def _received(row: Ended, call: Call | None, known: Mapping[Key, Known], traffic: _Traffic) -> float:
    """Tokens. What a server did not count stays as expected; who broke off what was being written has had that part;
    what was lost or taken back has brought its user nothing."""
    if call is not None:
        return call.work or row.estimated_tokens
    began = row.first_token_at or (row.started_at if row.status == AttemptStatus.CANCELLED else None)
    if began is None or row.node_id is None or row.status == AttemptStatus.LOST:
        return 0.0
    place = known.get((row.node_id, row.model_name, row.num_ctx), Known())
    seconds = (row.ended_at - began).total_seconds()
    return received_in_part(seconds, place.tokens_per_second or TOKENS_PER_SECOND, traffic.slowdown(row))
