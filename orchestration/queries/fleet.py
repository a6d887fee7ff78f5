"""Nodes, models and model configurations."""

from django.db.models import Prefetch, QuerySet
from typing_extensions import TypedDict

from orchestration import payloads
from orchestration.errors import NotFound
from orchestration.models import ModelConfig, Node, NodeModel
from orchestration.payloads import ModelConfigPayload, NodePayload
from orchestration.queries.ids import by_id_or_name


class KnownModelRow(TypedDict):
    name: str
    size_bytes: int
    family: str
    parameter_size: str
    quantization: str
    capabilities: list[str]
    context_length: int | None
    installed_on: list[str]
    loaded_on: list[str]


def nodes() -> list[NodePayload]:
    """All nodes with their models and plans, by name. Two queries."""
    return [in_full(row) for row in _in_whole()]


def _in_whole() -> QuerySet[Node]:
    # One query for rows with their models: SQLite takes no list of thousands of ids.
    models = Prefetch("node_models", queryset=NodeModel.objects.select_related("model"))
    return Node.objects.select_related("load_plan").prefetch_related(models)


def in_full(row: Node) -> NodePayload:
    """``row`` as get_node gives it."""
    models = sorted(row.node_models.all(), key=lambda item: (not item.loaded, item.model.name))
    plan = getattr(row, "load_plan", None)
    return {
        **payloads.node(row),
        "models": [payloads.node_model(item) for item in models],
        "plan": payloads.load_plan(plan) if plan else None,
    }


def get_node(id_or_name: str | int) -> Node:
    row = by_id_or_name(_in_whole(), str(id_or_name))
    if row is None:
        raise NotFound(f"There is no node {id_or_name}.")
    return row


def node_detail(id_or_name: str | int) -> NodePayload:
    return in_full(get_node(id_or_name))


def known_models() -> list[KnownModelRow]:
    """Every model that is on a node, by name, with where it is installed and loaded."""
    rows: dict[str, KnownModelRow] = {}
    for item in NodeModel.objects.select_related("node", "model").order_by("model__name", "node__name"):
        row = rows.setdefault(item.model.name, _known(item))
        if item.installed:
            row["installed_on"].append(item.node.name)
        if item.loaded:
            row["loaded_on"].append(item.node.name)
    return list(rows.values())


def _known(item: NodeModel) -> KnownModelRow:
    model = item.model
    return KnownModelRow(
        name=model.name,
        size_bytes=model.size_bytes,
        family=model.family,
        parameter_size=model.parameter_size,
        quantization=model.quantization,
        capabilities=model.capabilities,
        context_length=model.context_length,
        installed_on=[],
        loaded_on=[],
    )


def model_configs() -> list[ModelConfigPayload]:
    return [payloads.model_config(row) for row in ModelConfig.objects.all()]


def get_model_config(config_id: int) -> ModelConfig:
    row = ModelConfig.objects.filter(pk=config_id).first()
    if row is None:
        raise NotFound(f"There is no model configuration {config_id}.")
    return row
