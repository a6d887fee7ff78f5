"""Pinning: a model that people want to stay in the memory of a node."""

from orchestration.errors import InvalidInput, Unprocessable
from orchestration.models import Node, NodeModel
from orchestration.permissions import Action, Actor, require
from orchestration.policy.context import BUCKETS, bucket
from orchestration.policy.routing import full_name
from orchestration.policy.states import ErrandType
from orchestration.services import audit, errands
from orchestration.services.again import atomic_again
from orchestration.services.announce import announce_node


@atomic_again
def set_pinned(*, actor: Actor, node_id: int, model: str, pinned: bool, num_ctx: int | None = None) -> NodeModel:
    """A pinned model is loaded when there is room, is not displaced by Drover, and does not leave by itself.

    Raises Unprocessable where the node has not got it.
    """
    require(actor, Action.EDIT_MODEL)
    name = full_name(model)
    node = Node.objects.select_for_update(no_key=True).filter(pk=node_id).first()
    row = NodeModel.objects.select_related("model").filter(node=node_id, model__name=name, installed=True).first()
    if node is None or row is None:
        where = node.name if node else f"Node {node_id}"
        raise Unprocessable(f"{where} has no {name} on its disk. Pull it there first.", model=name)
    wanted = _context(num_ctx, row) if pinned else None
    if (row.pinned, row.pinned_context) == (pinned, wanted):
        return row
    row.pinned, row.pinned_context, row.pinned_by = pinned, wanted, actor.name if pinned else ""
    row.save(update_fields=["pinned", "pinned_context", "pinned_by"])
    audit.record(actor, "model.pinned" if pinned else "model.unpinned", row, num_ctx=wanted)
    if row.loaded and row.loaded_context in BUCKETS:
        # How long it stays is told with a request; this one changes nothing else.
        place, told = (name, node_id), {"num_ctx": row.loaded_context}
        errands.order(actor=actor, type=ErrandType.LOAD, places=[place], parameters=told)
    announce_node(node)
    return row


def _context(asked: int | None, row: NodeModel) -> int | None:
    """As asked for, else as it is loaded; empty means as usual when it will be loaded."""
    if asked is not None and not 1 <= asked <= BUCKETS[-1]:
        raise InvalidInput(f"num_ctx is from 1 to {BUCKETS[-1]:,}.", field="num_ctx")
    if asked is not None:
        return bucket(asked, default=asked)
    return row.loaded_context if row.loaded else None
