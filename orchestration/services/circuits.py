"""The circuits of nodes, kept up with how attempts end."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from django.conf import settings
from django.db import transaction

from orchestration.models import Node
from orchestration.policy.circuit import Circuit, CircuitRules, Outcome, fold
from orchestration.policy.states import AttemptStatus
from orchestration.services.announce import announce_node
from orchestration.services.ended import Ended
from orchestration.services.fields import cut

_REASON = 300


def rules() -> CircuitRules:
    return CircuitRules(
        faults=settings.DROVER_CIRCUIT_FAULTS,
        first_pause=settings.DROVER_CIRCUIT_PAUSE,
        growth=settings.DROVER_CIRCUIT_GROWTH,
        longest_pause=settings.DROVER_CIRCUIT_LONGEST,
    )


def outcomes_of(attempts: Iterable[Ended]) -> dict[int, list[Outcome]]:
    """By node, in the order of their ends. Attempts that were cancelled, lost or refused for what they asked say
    nothing about their node."""
    found: dict[int, list[Outcome]] = defaultdict(list)
    for row in attempts:
        well = row.status == AttemptStatus.COMPLETED
        if row.node_id and (well or row.node_fault):
            words = cut(row.error, _REASON)
            found[row.node_id].append(Outcome(well=well, granted_at=row.granted_at, ended_at=row.ended_at, words=words))
    return {node: sorted(outcomes, key=lambda it: it.ended_at) for node, outcomes in found.items()}


@transaction.atomic
def note(outcomes: Mapping[int, Sequence[Outcome]]) -> list[Node]:
    """The nodes whose circuit is another one now. Nothing is locked where nothing changes.

    To be called before attempts that have not ended are touched: a poll locks the node first and its attempts then.
    """
    changed = [node.pk for node in Node.objects.filter(pk__in=outcomes) if _after(node, outcomes) != node.circuit]
    locked = Node.objects.select_for_update(no_key=True).filter(pk__in=changed).order_by("pk")
    return [_store(node, _after(node, outcomes)) for node in locked]


def _after(node: Node, outcomes: Mapping[int, Sequence[Outcome]]) -> Circuit:
    return fold(node.circuit, outcomes[node.pk], rules())


def _store(node: Node, circuit: Circuit) -> Node:
    seen = node.circuit_until != circuit.until
    node.faults, node.circuit_until = circuit.faults, circuit.until
    node.circuit_reason = circuit.reason
    node.save(update_fields=["faults", "circuit_until", "circuit_reason"])
    if seen:
        announce_node(node)
    return node
