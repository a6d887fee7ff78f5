"""About how much memory a model takes with a given context: its weights, the cache for every slot, what comes on top.

From what the file tells of itself where that is known, and corrected by what was measured: then only the difference in
the cache is computed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestration.policy.room import CACHE_BYTES_PER_TOKEN, REFERENCE_BYTES

BYTES_PER_VALUE = 2
"""Of the cache, as f16: what servers use where nobody says otherwise (OLLAMA_KV_CACHE_TYPE)."""
BUFFER_BYTES = 300_000_000
"""For computing, in round figures; with a large vocabulary it is more."""
BUFFER_SHARE = 0.02
"""Of the weights, on top of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """``basis``: where it comes from, in words."""

    total_bytes: int
    weights_bytes: int
    cache_bytes: int
    basis: str


def cache_per_token(metadata: Mapping[str, Any]) -> float | None:
    """Bytes for one token of one slot, from a file's own account; None where that does not say enough."""
    family = metadata.get("general.architecture")
    layers = _number(metadata, f"{family}.block_count")
    heads = _number(metadata, f"{family}.attention.head_count")
    width = _number(metadata, f"{family}.embedding_length")
    if not layers or not heads:
        return None
    key = _number(metadata, f"{family}.attention.key_length") or width / heads
    value = _number(metadata, f"{family}.attention.value_length") or key
    kept = metadata.get(f"{family}.attention.head_count_kv")
    if isinstance(kept, list) and kept and all(isinstance(it, int) for it in kept):
        in_all = float(sum(kept))
    else:
        in_all = layers * (_number(metadata, f"{family}.attention.head_count_kv") or heads)
    return in_all * (key + value) * BYTES_PER_VALUE or None


def _number(metadata: Mapping[str, Any], name: str) -> float:
    value = metadata.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else 0.0


def forecast(
    *, weights: int, per_token: float | None, num_ctx: int, slots: int, measured: Mapping[int, int]
) -> Forecast:
    """``measured``: bytes by context, of the same model with as many slots. ``per_token``: of one slot's cache."""
    rate = _measured_rate(measured) or slots * (per_token or _rate_by_size(weights))
    cache = round(num_ctx * rate)
    if num_ctx in measured:
        return Forecast(
            total_bytes=measured[num_ctx], weights_bytes=weights, cache_bytes=cache, basis="as it was measured"
        )
    if measured:
        nearest = min(measured, key=lambda it: abs(it - num_ctx))
        total = max(weights, measured[nearest] + round((num_ctx - nearest) * rate))
        basis = f"from what was measured with a context of {nearest:,}"
        return Forecast(total_bytes=total, weights_bytes=weights, cache_bytes=cache, basis=basis)
    total = weights + cache + BUFFER_BYTES + round(weights * BUFFER_SHARE)
    basis = "from its layers and heads" if per_token else "from the size of its file alone"
    return Forecast(total_bytes=total, weights_bytes=weights, cache_bytes=cache, basis=basis)


def _measured_rate(measured: Mapping[int, int]) -> float | None:
    """Bytes a token of context, all slots together, where two sizes were seen."""
    if len(measured) < 2:
        return None
    least, most = min(measured), max(measured)
    rate = (measured[most] - measured[least]) / (most - least)
    return rate if rate > 0 else None


def _rate_by_size(weights: int) -> float:
    return float(CACHE_BYTES_PER_TOKEN * (weights / REFERENCE_BYTES) ** 0.5)


def fit(total: int, *, room: int | None, learned: int, taken: int) -> tuple[str, str]:
    """Whether it fits, as a word and in words. ``room``: video memory, where it is known; ``learned``: the most that
    was seen there at once; ``taken``: by other models now."""
    if room is None:
        if total <= learned:
            return "fits", "fits: as much was seen there before"
        return "unknown", "nobody said how much video memory it has"
    if total + taken <= room:
        return "fits", "fits beside what is loaded" if taken else "fits"
    if total <= room:
        return "alone", "fits when other models make room"
    return "spills", f"does not fit: about {round(100 * (total - room) / total)} % would be computed on the CPU"
