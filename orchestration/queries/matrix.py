"""The matrix: every model on every node, with what is there, what runs and what is being done about it."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from typing_extensions import TypedDict

from orchestration.models import Attempt, LoadPlan, Node, NodeModel, Task
from orchestration.payloads import iso, node_status
from orchestration.payloads.pulls import PullPayload
from orchestration.policy.errands import NO_CONTEXT, doing
from orchestration.policy.states import UNFINISHED, ErrandType
from orchestration.queries.pulls import payloads_of

Place = tuple[str, int]
"""Model and node."""


class MatrixErrand(TypedDict):
    """What is being done, ``words`` being how far. ``share``: percents, None where nobody knows."""

    task_id: int
    type: str
    doing: str
    status: str
    share: float | None
    words: str


class MatrixCell(TypedDict):
    """``state``: loaded, loading, on_disk or absent. ``mismatch``: not the weights that most nodes have."""

    key: str
    model: str
    node_id: int
    node: str
    state: str
    size_bytes: int | None
    held_bytes: int | None
    running: int
    slots: int
    expires_at: str | None
    digest: str
    mismatch: bool
    pinned: bool
    pinned_by: str
    errand: MatrixErrand | None


class MatrixNode(TypedDict):
    id: int
    name: str
    status: str


class MatrixRow(TypedDict):
    """``mismatch``: which nodes have which weights, in words; empty where all have the same."""

    model: str
    size_bytes: int
    mismatch: str
    cells: list[MatrixCell]


class Matrix(TypedDict):
    nodes: list[MatrixNode]
    rows: list[MatrixRow]


def matrix() -> Matrix:
    """A fixed number of queries. Models that are on a node, or on their way to one."""
    nodes = list(Node.objects.order_by("name"))
    held = {(row.model.name, row.node_id): row for row in NodeModel.objects.select_related("model")}
    errands = _errands()
    running = _running()
    loading = {(plan.model_name, plan.node_id) for plan in LoadPlan.objects.exclude(loading_since=None)}
    names = sorted({model for model, _ in (*held, *errands)})
    odd = {name: _odd_ones(name, nodes, held) for name in names}
    return Matrix(
        nodes=[MatrixNode(id=node.pk, name=node.name, status=node_status(node)) for node in nodes],
        rows=[
            MatrixRow(
                model=name,
                size_bytes=max((row.size_bytes for (model, _), row in held.items() if model == name), default=0),
                mismatch=_which(name, nodes, held) if odd[name] else "",
                cells=[
                    _cell(
                        name,
                        node,
                        held.get((name, node.pk)),
                        errands.get((name, node.pk)),
                        running[name, node.pk],
                        loading=(name, node.pk) in loading,
                        mismatch=node.pk in odd[name],
                    )
                    for node in nodes
                ],
            )
            for name in names
        ],
    )


def _running() -> Counter[Place]:
    live = Attempt.objects.filter(ended_at=None, node__isnull=False).exclude(num_ctx=NO_CONTEXT).order_by()
    return Counter((model, node) for model, node in live.values_list("model_name", "node_id"))


def _errands() -> dict[Place, MatrixErrand]:
    """Those that are unfinished; of several for a place the first."""
    rows = Task.objects.filter(type__in=list(ErrandType), status__in=UNFINISHED, lane__node__isnull=False)
    tasks = list(rows.light().select_related("pull", "lane__node").order_by("-pk"))
    pulls = {each["task_id"]: each for each in payloads_of([task.pull for task in tasks if hasattr(task, "pull")])}
    return {
        (task.lane.models[0], task.lane.node_id): _errand(task, pulls.get(task.pk))
        for task in tasks
        if task.lane.node_id is not None and task.lane.models
    }


def _errand(task: Task, pull: PullPayload | None) -> MatrixErrand:
    waits = task.lane.waiting_reason if task.status == "pending" else ""
    return MatrixErrand(
        task_id=task.pk,
        type=task.type,
        doing=doing(task.type),
        status=task.status,
        share=pull["percent"] if pull else None,
        words=waits or (pull["words"] if pull else ""),
    )


def _cell(
    model: str,
    node: Node,
    row: NodeModel | None,
    errand: MatrixErrand | None,
    running: int,
    *,
    loading: bool,
    mismatch: bool,
) -> MatrixCell:
    loaded = row is not None and row.loaded
    single = row is not None and "embedding" in row.model.capabilities
    return MatrixCell(
        key=f"{node.pk}:{model}",
        model=model,
        node_id=node.pk,
        node=node.name,
        state="loading" if loading and not loaded else "loaded" if loaded else "on_disk" if row else "absent",
        size_bytes=row.size_bytes if row else None,
        held_bytes=(row.vram_bytes or row.loaded_bytes) if row and loaded else None,
        running=running,
        slots=1 if single else node.slots_per_model,
        expires_at=iso(row.expires_at) if row and loaded else None,
        digest=row.digest[:12] if row else "",
        mismatch=mismatch,
        pinned=bool(row and row.pinned),
        pinned_by=row.pinned_by if row else "",
        errand=errand,
    )


def _digests(name: str, nodes: Iterable[Node], held: Mapping[Place, NodeModel]) -> dict[str, list[Node]]:
    found: dict[str, list[Node]] = defaultdict(list)
    for node in nodes:
        row = held.get((name, node.pk))
        if row and row.installed and row.digest:
            found[row.digest].append(node)
    return found


def _odd_ones(name: str, nodes: Iterable[Node], held: Mapping[Place, NodeModel]) -> set[int]:
    """Nodes with other weights than most have; where no weights are the most common, all of them."""
    found = _digests(name, nodes, held)
    if len(found) < 2:
        return set()
    most = max(len(holders) for holders in found.values())
    usual = [digest for digest, holders in found.items() if len(holders) == most]
    return {node.pk for digest, some in found.items() for node in some if len(usual) > 1 or digest != usual[0]}


def _which(name: str, nodes: Iterable[Node], held: Mapping[Place, NodeModel]) -> str:
    parts = [
        f"{', '.join(node.name for node in holders)} {'has' if len(holders) == 1 else 'have'} {digest[:12]}"
        for digest, holders in _digests(name, nodes, held).items()
    ]
    return f"Same tag, different weights: {'; '.join(parts)}"
