"""What could be better about a node, from what was seen of it: each with the reason and what mends it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchestration.policy.versions import Lag, parsed

Weight = Literal["warn", "info"]

_GIB: Final = 1024**3
_ALWAYS_ONE: Final = re.compile(r"mllama|qwen3vl|qwen35|qwen3next|lfm2|nemotron_h")
"""Families that a server runs one request at a time of, whatever it is told; so it does embedding models."""
_PARALLEL_OF_ONE_SINCE: Final = (0, 10, 0)
_OLD_PARALLEL: Final = 4
ROOM_FOR_MORE: Final = 0.6
"""A server that holds no more models although less than this part of its memory is taken is told not to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    kind: str
    weight: Weight
    words: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldModel:
    """One in memory: all it takes, and what of that is video memory."""

    name: str
    bytes: int
    vram_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotsSeen:
    """How many requests at once the server was seen to serve of a model, where that is fewer than Drover sends."""

    model: str
    slots: int
    family: str = ""
    embeds: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    name: str
    base_url: str
    version: str
    verify_tls: bool
    has_headers: bool
    slots_per_model: int
    vram_bytes: int | None
    learned_bytes: int
    disk_bytes: int | None
    most_loaded: int
    most_wanted: int
    held: Sequence[HeldModel] = ()
    slots_seen: Sequence[SlotsSeen] = ()
    lag: Lag | None = None


def hints(node: NodeFacts) -> list[Hint]:
    """The serious ones first."""
    found = [*_spills(node), *_slots(node), *_loaded(node), *_transport(node), *_version(node), *_unknown(node)]
    return sorted(found, key=lambda hint: hint.weight != "warn")


def spilled_share(total: int | None, vram: int | None) -> float:
    """The part of a loaded model that lies in main memory, where the processor works on it."""
    if not total or vram is None or vram >= total:
        return 0.0
    return (total - vram) / total


def _spills(node: NodeFacts) -> Iterable[Hint]:
    if node.held and not any(model.vram_bytes for model in node.held):
        words = f"All that {node.name} has loaded lies in main memory: it works without a graphics card."
        fix = "Where it has one, look at what the server says of it: journalctl -u ollama | grep -i gpu"
        return [Hint(kind="cpu", weight="info", words=words, fix=fix)]
    return [_spill(model) for model in node.held if spilled_share(model.bytes, model.vram_bytes) > 0]


def _spill(model: HeldModel) -> Hint:
    share = spilled_share(model.bytes, model.vram_bytes)
    words = (
        f"{max(1, round(share * 100))} % of {model.name} runs on the processor: {_size(model.vram_bytes)} of "
        f"{_size(model.bytes)} are in video memory. That is several times slower."
    )
    fix = "A smaller context, a smaller quantisation, fewer models at once, or another node for it."
    return Hint(kind="spill", weight="warn", words=words, fix=fix)


def _slots(node: NodeFacts) -> Iterable[Hint]:
    """Learned from requests that waited inside Ollama although a slot was free by Drover's count."""
    fewer = [seen for seen in node.slots_seen if seen.slots < node.slots_per_model and not _serves_one(seen)]
    if not fewer:
        return []
    least = min(seen.slots for seen in fewer)
    names = ", ".join(sorted({seen.model for seen in fewer}))
    words = (
        f"Requests to {names} waited inside Ollama: it serves {least} at once, Drover may send {node.slots_per_model}. "
        "Drover holds back by itself meanwhile."
    )
    fix = f"On the server: {environment(OLLAMA_NUM_PARALLEL=node.slots_per_model)} — or set the slots here to {least}."
    return [Hint(kind="slots", weight="warn", words=words, fix=fix)]


def _serves_one(seen: SlotsSeen) -> bool:
    return seen.embeds or bool(_ALWAYS_ONE.search(seen.family.lower()))


def _loaded(node: NodeFacts) -> Iterable[Hint]:
    """Drover itself stops at ``most_wanted`` where nobody knows the memory."""
    memory, taken = node.vram_bytes, sum(model.vram_bytes for model in node.held)
    if not memory or node.most_loaded < 1 or len(node.held) < node.most_loaded or taken > ROOM_FOR_MORE * memory:
        return []
    if node.most_loaded % 3:  # the server's own limit is three for each graphics card
        return []
    words = (
        f"Never more than {node.most_loaded} models were in memory at once, and {_size(memory - taken)} are free: "
        "that is the server's own limit where OLLAMA_MAX_LOADED_MODELS is not set."
    )
    fix = f"On the server: {environment(OLLAMA_MAX_LOADED_MODELS=node.most_loaded * 2)}"
    return [Hint(kind="loaded", weight="info", words=words, fix=fix)]


def _transport(node: NodeFacts) -> Iterable[Hint]:
    if node.base_url.startswith("https:") and not node.verify_tls:
        words = "Its TLS certificate is not checked: whoever stands in between can read and change everything"
        words += ", and take the headers that are sent." if node.has_headers else "."
        fix = "Put your own authority's certificate into the system's store of Drover's machine, and check it again."
        yield Hint(kind="tls", weight="warn", words=words, fix=fix)
    if node.base_url.startswith("http:") and node.has_headers:
        words = "Its headers are sent without encryption: everybody on the way can read them."
        yield Hint(kind="plain", weight="warn", words=words, fix="Use an https:// address.")


def _version(node: NodeFacts) -> Iterable[Hint]:
    if node.lag and (node.lag.lacks or node.lag.differs):
        lacks = f" It lacks: {'; '.join(node.lag.lacks)}." if node.lag.lacks else ""
        differs = f" Newer ones do otherwise: {'; '.join(node.lag.differs)}." if node.lag.differs else ""
        words = f"Ollama {node.version} is older than others of the fleet.{lacks}{differs}"
        fix = "On the server: curl -fsSL https://ollama.com/install.sh | sh"
        yield Hint(kind="version", weight="info", words=words, fix=fix)
    number = parsed(node.version)
    if number and number < _PARALLEL_OF_ONE_SINCE and node.slots_per_model > _OLD_PARALLEL:
        words = f"Before 0.10 a server serves {_OLD_PARALLEL} requests at once or one, by its memory."
        fix = f"On the server: {environment(OLLAMA_NUM_PARALLEL=node.slots_per_model)}"
        yield Hint(kind="parallel", weight="info", words=words, fix=fix)


def _unknown(node: NodeFacts) -> Iterable[Hint]:
    if node.vram_bytes is None:
        seen = f"the most that was seen, {_size(node.learned_bytes)}" if node.learned_bytes else "what it loads"
        words = (
            f"Its video memory is not given: Drover goes by {seen}, keeps at most {node.most_wanted} models there, "
            "and leaves it to Ollama to make room."
        )
        yield Hint(kind="memory", weight="info", words=words, fix="Enter it: nvidia-smi tells it on the server.")
    if node.disk_bytes is None:
        words = "The room on its disk is not given: pulls are not checked for it beforehand."
        yield Hint(kind="disk", weight="info", words=words, fix="Enter it: df -h ~/.ollama (or where its models are).")


def environment(**variables: int) -> str:
    """The commands that set variables of a server that systemd runs."""
    lines = ", ".join(f"Environment={name}={value}" for name, value in variables.items())
    return f"sudo systemctl edit ollama, add {lines} under [Service], then sudo systemctl restart ollama"


def _size(number: int) -> str:
    return f"{number / _GIB:.1f} GB"
