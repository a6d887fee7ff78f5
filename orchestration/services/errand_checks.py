"""What is looked at before a node does something with a model: whether it has it, has room for it, and who uses it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from orchestration.errors import ModelInUse, NoDiskRoom, Unprocessable
from orchestration.models import Attempt, Node, NodeModel, Task
from orchestration.policy.errands import NO_CONTEXT
from orchestration.policy.pulls import size
from orchestration.policy.states import UNFINISHED, ErrandType
from orchestration.queries.dependents import dependents
from orchestration.queries.pulls import expected_bytes

Place = tuple[str, int]


def check(type: ErrandType, places: Sequence[Place], nodes: Mapping[int, Node], *, force: bool) -> None:
    """Raises Unprocessable, NoDiskRoom, ModelInUse; the last two not with ``force``."""
    if type in (ErrandType.LOAD, ErrandType.DELETE, ErrandType.COPY):
        _check_installed(places, nodes)
    if type == ErrandType.PULL and not force:
        _check_disks(places, nodes)
    if type == ErrandType.DELETE and not force:
        _check_unused(places, nodes)


def prepare(type: ErrandType, places: Sequence[Place]) -> None:
    """Who wants a model out of the memory does not want it brought back because it was pinned."""
    if type in (ErrandType.UNLOAD, ErrandType.DELETE):
        for model, node_id in places:
            here = NodeModel.objects.filter(node=node_id, model__name=model, pinned=True)
            here.update(pinned=False, pinned_context=None, pinned_by="")


def _check_installed(places: Sequence[Place], nodes: Mapping[int, Node]) -> None:
    there = set(NodeModel.objects.filter(installed=True, node__in=nodes).values_list("model__name", "node_id"))
    for model, node_id in places:
        if (model, node_id) not in there:
            name = nodes[node_id].name
            raise Unprocessable(f"{name} has no {model} on its disk. Pull it there first.", model=model, node=name)


def _check_disks(places: Sequence[Place], nodes: Mapping[int, Node]) -> None:
    """Models of one family share files, so what is taken is an upper bound."""
    wanted: dict[int, list[str]] = defaultdict(list)
    for model, node_id in places:
        if nodes[node_id].disk_bytes is not None:
            wanted[node_id].append(model)
    sizes = {model: expected_bytes(model) or 0 for model in {model for models in wanted.values() for model in models}}
    for node_id, models in wanted.items():
        node = nodes[node_id]
        held = dict(node.node_models.filter(installed=True).values_list("model__name", "size_bytes"))
        taken = sum(held.values()) + _coming(node_id)
        for model in models:
            need = 0 if model in held else sizes[model]
            if need and taken + need > (node.disk_bytes or 0):
                raise NoDiskRoom(_no_room(node, taken, model, need), node=node.name, model=model, needed_bytes=need)
            taken += need


def _no_room(node: Node, taken: int, model: str, need: int) -> str:
    free = size(max(0, (node.disk_bytes or 0) - taken))
    return (
        f"{node.name} has room for {free} more: about {size(taken)} of {size(node.disk_bytes or 0)} are taken, "
        f"and {model} takes about {size(need)}. Delete something there, or force it."
    )


def _coming(node_id: int) -> int:
    """What the pulls that are not over will bring."""
    rows = Task.objects.filter(type=ErrandType.PULL, status__in=UNFINISHED, lane__node=node_id)
    return sum(total or 0 for total in rows.values_list("pull__total_bytes", flat=True))


def _check_unused(places: Sequence[Place], nodes: Mapping[int, Node]) -> None:
    running = Attempt.objects.filter(ended_at=None, node__in=nodes).exclude(num_ctx=NO_CONTEXT)
    busy = set(running.values_list("model_name", "node_id"))
    for model, node_id in places:
        if (model, node_id) in busy:
            name = nodes[node_id].name
            raise ModelInUse(f"{name} is running {model} now. Wait, or force it.", model=model, node=name)
    for model in dict.fromkeys(model for model, _ in places):
        if _stays_elsewhere(model, places):
            continue
        if found := dependents(model):
            words = f"{model} is used by {found.words}. Delete it all the same with force."
            raise ModelInUse(words, model=model, dependents=[dict(each) for each in found.named_by], tasks=found.tasks)


def _stays_elsewhere(model: str, places: Sequence[Place]) -> bool:
    """Whoever uses it is served by another node as before."""
    gone = [node_id for name, node_id in places if name == model]
    left = NodeModel.objects.filter(model__name=model, installed=True, node__enabled=True)
    return left.exclude(node__in=gone).exists()
