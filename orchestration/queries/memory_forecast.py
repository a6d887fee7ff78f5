"""About how much memory a model would take on each node with a given context, and where that fits."""

from collections import defaultdict
from collections.abc import Sequence

from django.conf import settings
from typing_extensions import TypedDict

from orchestration.errors import NotFound
from orchestration.models import ModelDetails, Node, NodeModel, NodeVariant, OllamaModel
from orchestration.policy.context import BUCKETS, bucket
from orchestration.policy.memory_forecast import cache_per_token, fit, forecast
from orchestration.policy.routing import full_name
from orchestration.queries import catalogue


class NodeForecast(TypedDict):
    """All bytes are estimates. ``fits``: fits, alone, spills or unknown."""

    node: str
    installed: bool
    slots: int
    total_bytes: int
    weights_bytes: int
    cache_bytes: int
    basis: str
    vram_bytes: int | None
    fits: str
    words: str


class MemoryForecast(TypedDict):
    """``num_ctx``: what a request for as much as was asked gets; ``context_length``: the most that the model takes."""

    model: str
    num_ctx: int
    context_length: int | None
    nodes: list[NodeForecast]


def memory_forecast(name: str, num_ctx: int | None = None) -> MemoryForecast:
    """Raises NotFound for a model of which not even the size is known."""
    return forecasts(name, [num_ctx])[0]


def every_forecast(name: str) -> list[MemoryForecast]:
    """For each of the sizes that the model takes; none where not even its own size is known."""
    try:
        found = forecasts(name, BUCKETS)
    except NotFound:
        return []
    return list({it["num_ctx"]: it for it in found}.values())


def forecasts(name: str, contexts: Sequence[int | None]) -> list[MemoryForecast]:
    name = full_name(name)
    model = OllamaModel.objects.filter(name=name).first()
    held = {row.node_id: row for row in NodeModel.objects.filter(model__name=name)}
    size = model.size_bytes if model and model.size_bytes else catalogue.size_of(name) or 0
    if not size and not any(row.size_bytes for row in held.values()):
        raise NotFound(f"Nothing is known of the size of {name}.")
    most = model.context_length if model else None
    seen, nodes = _Seen(name), list(Node.objects.filter(enabled=True))
    embeds = bool(model and "embedding" in model.capabilities)
    found = []
    for wanted in contexts:
        context = bucket(wanted, default=settings.DROVER_DEFAULT_NUM_CTX)
        context = min(context, most) if most else context
        rows = [
            _on(node, held.get(node.pk), size, context, seen, slots=1 if embeds else node.slots_per_model)
            for node in nodes
        ]
        found.append(MemoryForecast(model=name, num_ctx=context, context_length=most, nodes=rows))
    return found


class _Seen:
    """What was measured of the model, and what its files tell of themselves."""

    def __init__(self, name: str) -> None:
        self.bytes: dict[int, dict[int, int]] = defaultdict(dict)
        rows = NodeVariant.objects.filter(model_name=name, size_bytes__gt=0)
        for node_id, num_ctx, size in rows.values_list("node_id", "num_ctx", "size_bytes"):
            self.bytes[node_id][num_ctx] = size or 0
        digests = NodeModel.objects.filter(model__name=name).exclude(digest="").values_list("digest", flat=True)
        details = ModelDetails.objects.filter(digest__in=digests).values_list("digest", "metadata")
        self.per_token = {digest: cache_per_token(metadata) for digest, metadata in details}
        self.taken: dict[int, int] = defaultdict(int)
        loaded = NodeModel.objects.filter(loaded=True).exclude(model__name=name)
        for node_id, vram, memory in loaded.values_list("node_id", "vram_bytes", "loaded_bytes"):
            self.taken[node_id] += vram or memory or 0

    def rate(self, digest: str) -> float | None:
        """Where this file tells nothing, another one of the same name does."""
        return self.per_token.get(digest) or next(filter(None, self.per_token.values()), None)


def _on(node: Node, row: NodeModel | None, size: int, num_ctx: int, seen: _Seen, *, slots: int) -> NodeForecast:
    found = forecast(
        weights=row.size_bytes if row and row.size_bytes else size,
        per_token=seen.rate(row.digest if row else ""),
        num_ctx=num_ctx,
        slots=slots,
        measured=seen.bytes.get(node.pk, {}),
    )
    word, words = fit(
        found.total_bytes, room=node.vram_bytes, learned=node.learned_bytes, taken=seen.taken.get(node.pk, 0)
    )
    return NodeForecast(
        node=node.name,
        installed=bool(row and row.installed),
        slots=slots,
        total_bytes=found.total_bytes,
        weights_bytes=found.weights_bytes,
        cache_bytes=found.cache_bytes,
        basis=found.basis,
        vram_bytes=node.vram_bytes,
        fits=word,
        words=words,
    )
