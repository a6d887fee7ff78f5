"""Memory of a node: what a variant takes, and which idle or busy variants would have to go for one more.

Ollama evicts by itself only what is idle; where it would have to evict a busy model it marks it and blocks every other
load until that falls idle, and a request for the marked model that carries a keep-alive, as all of ours do, takes the
mark away again. Drover therefore makes room itself, before it loads.
"""

from collections.abc import Iterable, Sequence

from orchestration.policy.fleet import NodeView, Resident, Variant

CACHE_BYTES_PER_TOKEN = 131_072
"""Of context, for a model of REFERENCE_BYTES; grows with the square root of the size."""
REFERENCE_BYTES = 5_000_000_000


def needed_bytes(node: NodeView, variant: Variant) -> int:
    """As measured on this node, else an estimate: the file, and the cache for the context of every slot."""
    if variant in node.known_bytes:
        return node.known_bytes[variant]
    size = node.size_bytes.get(variant.model, 0)
    cache = CACHE_BYTES_PER_TOKEN * (size / REFERENCE_BYTES) ** 0.5
    return int(size + variant.num_ctx * node.slots(variant.model) * cache)


def capacity_bytes(node: NodeView) -> int:
    """For Drover's models: what is known or was learned, less what is kept for others."""
    total = node.learned_bytes if node.vram_bytes is None else node.vram_bytes
    return max(0, total - node.reserved_bytes)


def victims(node: NodeView, variant: Variant, ranked: Sequence[Variant], most_loaded: int) -> list[Variant] | None:
    """Which of ``ranked`` (the least needed first) have to go for the variant; None when that is not enough.

    The same model with another context goes in any case. A model larger than the whole memory is loaded alone and
    partly into main memory, as Ollama does it.
    """
    gone = [other for other in node.resident if other.model == variant.model]
    room = capacity_bytes(node)
    needed = needed_bytes(node, variant)
    for other in ranked:
        if other in gone:
            continue
        rest = [resident for it, resident in node.resident.items() if it not in gone]
        if needed + _taken(rest) <= room and len(rest) < most_loaded:
            break
        gone.append(other)
    rest = [resident for it, resident in node.resident.items() if it not in gone]
    fits = not rest or (needed + _taken(rest) <= room and len(rest) < most_loaded)
    return gone if fits else None


def _taken(residents: Iterable[Resident]) -> int:
    return sum(resident.size_bytes for resident in residents)
