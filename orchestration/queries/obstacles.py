"""What is in the way of a waiting task: the nodes that have one of its models, what they hold, run and load."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from typing_extensions import TypedDict

from orchestration.models import Attempt, LoadPlan, Node, NodeModel, NodeVariant
from orchestration.payloads import LoadPlanPayload, load_plan, node_status
from orchestration.policy.errands import NO_CONTEXT


class HeldModel(TypedDict):
    """``wanted``: one of those the task waits for."""

    name: str
    running: int
    slots: int
    wanted: bool


class Obstacle(TypedDict):
    """A node that has one of the models on its disk. ``reason``: why it is not well, where it is not."""

    node_id: int
    node: str
    status: str
    reason: str
    holds: list[HeldModel]
    plan: LoadPlanPayload | None


def obstacles(models: Sequence[str], *, only: int | None = None) -> list[Obstacle]:
    """Five small queries, by name of the node. ``only``: the one that may run it."""
    nodes = Node.objects.filter(node_models__model__name__in=models, node_models__installed=True).distinct()
    nodes = nodes if only is None else nodes.filter(pk=only)
    found = {node.pk: node for node in nodes}
    running = _running(found)
    held = _held(found)
    slots = _learned(found)
    plans = {plan.node_id: plan for plan in LoadPlan.objects.filter(pk__in=found)}
    return [
        _obstacle(node, [_model(node, row, running, slots, models) for row in held[pk]], plans.get(pk))
        for pk, node in found.items()
    ]


def _running(nodes: Iterable[int]) -> Counter[tuple[int | None, str]]:
    live = Attempt.objects.filter(ended_at=None, node__in=nodes).exclude(num_ctx=NO_CONTEXT)
    return Counter(live.order_by().values_list("node_id", "model_name"))


def _held(nodes: Iterable[int]) -> dict[int, list[NodeModel]]:
    held: dict[int, list[NodeModel]] = defaultdict(list)
    rows = NodeModel.objects.filter(node__in=nodes, loaded=True).select_related("model")
    for row in rows.order_by("model__name"):
        held[row.node_id].append(row)
    return held


def _learned(nodes: Iterable[int]) -> dict[tuple[int, str, int], int | None]:
    rows = NodeVariant.objects.filter(node__in=nodes).exclude(slots=None)
    return {
        (node, model, ctx): n for node, model, ctx, n in rows.values_list("node_id", "model_name", "num_ctx", "slots")
    }


def _model(
    node: Node,
    row: NodeModel,
    running: Counter[tuple[int | None, str]],
    learned: dict[tuple[int, str, int], int | None],
    models: Sequence[str],
) -> HeldModel:
    name = row.model.name
    most = 1 if "embedding" in row.model.capabilities else node.slots_per_model
    known = learned.get((node.pk, name, row.loaded_context or 0))
    return HeldModel(
        name=name,
        running=running[node.pk, name],
        slots=min(most, known) if known else most,
        wanted=name in models,
    )


def _obstacle(node: Node, holds: list[HeldModel], plan: LoadPlan | None) -> Obstacle:
    return Obstacle(
        node_id=node.pk,
        node=node.name,
        status=node_status(node),
        reason=node.health_reason,
        holds=holds,
        plan=load_plan(plan) if plan else None,
    )
