"""Whether a node can load one more model without displacing one that is in use.

Ollama evicts idle models by itself. Where it would have to evict a busy one it marks it and blocks every other load
until it falls idle; and a request for the marked model that carries a keep-alive, as all of ours do, takes the mark
away again, so that the load may wait for that whole keep-alive. Drover therefore never sends a request that would
need it.
"""

from collections.abc import Collection, Mapping

from orchestration.policy.fleet import NodeView, Variant

MOST_LOADED = 3
"""Models a server with one GPU holds at once unless it is told otherwise (OLLAMA_MAX_LOADED_MODELS)."""
SHARE = 0.8
"""Of the free memory: what Ollama lets a further model take."""
CACHE_BYTES_PER_TOKEN = 131_072
"""Of context, for a model of REFERENCE_BYTES; grows with the square root of the size."""
REFERENCE_BYTES = 5_000_000_000

Busy = Mapping[Variant, Collection[int]]


def reloads(busy: Busy, variant: Variant) -> str:
    """The words for runs of the same model with another context, which a reload would have to wait for."""
    sizes = [str(other.num_ctx) for other, slots in busy.items() if _is_reload(other, variant) and slots]
    return f"{variant.model} runs there with a context of {', '.join(sizes)}" if sizes else ""


def _is_reload(other: Variant, variant: Variant) -> bool:
    return other.model == variant.model and other.num_ctx != variant.num_ctx


def lacking(node: NodeView, busy: Busy, variant: Variant) -> str:
    """Why the node cannot load the variant beside what is in use there; empty when it can."""
    others = [other for other, slots in busy.items() if slots and other.model != variant.model]
    loading = [other for other in others if not node.has_loaded(other)]
    if loading:
        return f"{loading[0].model} is being loaded there"
    if not others:
        return ""
    names = ", ".join(other.model for other in others)
    if len(others) >= MOST_LOADED:
        return f"{names} are in use there"
    if node.vram_bytes is None:
        return f"{names} in use there, and its video memory is not known"
    free = node.vram_bytes - sum(taken_bytes(node, other) for other in others)
    return "" if needed_bytes(node, variant) <= SHARE * free else f"{names} in use there"


def disturbs(node: NodeView, busy: Busy, variant: Variant) -> str:
    """The words for a load in progress that counts on memory which new work for the variant would keep in use."""
    busy_then = {**busy, variant: {0}}
    for loading in [other for other, slots in busy.items() if slots and not node.has_loaded(other)]:
        rest = {other: slots for other, slots in busy_then.items() if other != loading}
        if loading.model != variant.model and lacking(node, rest, loading):
            return f"{loading.model} is being loaded there"
    return ""


def taken_bytes(node: NodeView, variant: Variant) -> int:
    return node.resident_bytes.get(variant.model) or needed_bytes(node, variant)


def needed_bytes(node: NodeView, variant: Variant) -> int:
    """An estimate: the file, and the cache for the context of every slot."""
    size = node.size_bytes.get(variant.model, 0)
    cache = CACHE_BYTES_PER_TOKEN * (size / REFERENCE_BYTES) ** 0.5
    return int(size + variant.num_ctx * node.slots(variant.model) * cache)
