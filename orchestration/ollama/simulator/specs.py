"""What can be said about a simulated node and its models before anything runs."""

import re
from dataclasses import dataclass, field

GB = 1_000_000_000
GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as its files describe it. ``weights`` names the file: specs with equal weights share one runner."""

    name: str
    size: int
    family: str
    parameter_size: str
    quantization: str = "Q4_K_M"
    context: int = 131_072
    embedding_length: int = 4096
    capabilities: tuple[str, ...] = ("completion",)
    tool_shape: str = "rendered"
    weights: str = ""
    template: str = "{{ if .System }}{{ .System }}\n{{ end }}{{ .Prompt }}"
    system: str = ""
    license: str = "Permissive demonstration licence."
    parameters: tuple[tuple[str, object], ...] = ()
    tokens_per_second: float = 0.0

    @property
    def weights_key(self) -> str:
        return self.weights or self.name

    @property
    def is_embedding(self) -> bool:
        return "completion" not in self.capabilities

    @property
    def decode_rate(self) -> float:
        """Tokens per second of one request alone on a node of speed 1: memory bandwidth over file size."""
        return self.tokens_per_second or max(1.5, min(140.0, 300.0 / (self.size / GB)))

    @property
    def cache_bytes_per_token(self) -> int:
        return int(131_072 * (self.size / (5 * GB)) ** 0.5)


@dataclass(slots=True)
class NodeSpec:
    """One simulated server. Everything that an operator would set by environment or hardware; most may change live.

    ``speed`` scales the hardware (loads, prefill, decode, pulls), never the clock: keep-alives stay real seconds.
    ``fill_num_predict``: answers have exactly ``num_predict`` tokens when it is given; else it is only an upper bound.
    """

    name: str = "node"
    port: int = 0
    vram_gb: float = 24.0
    slots: int = 1
    speed: float = 1.0
    models: tuple[str | ModelSpec, ...] = ("llama3.2:latest", "nomic-embed-text:latest")
    host: str = "127.0.0.1"
    version: str = "0.33.0-rc2"
    ram_gb: float = 40.0
    disk_gb_per_second: float = 1.0
    pull_gb_per_second: float = 0.25
    context_length: int = 0
    max_loaded_models: int = 3
    max_queue: int = 512
    keep_alive: float = 300.0
    chunk_tokens: int = 1
    jitter: float = 0.15
    fill_num_predict: bool = True
    mean_answer_tokens: int = 250
    known: dict[str, ModelSpec] = field(default_factory=dict)

    @property
    def vram(self) -> int:
        return int(self.vram_gb * GIB)

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version; a build of one's own counts as the newest."""
        numbers = [int(part) for part in re.findall(r"\d+", self.version)[:2]]
        major, minor = (*numbers, 0, 0)[:2]
        return (major, minor) if (major, minor) != (0, 0) else (99, 0)

    @property
    def has_llama_server(self) -> bool:
        return self.release >= (0, 30)

    @property
    def default_context(self) -> int:
        if self.context_length:
            return self.context_length
        if self.vram < 23 * GIB:
            return 4096
        return 32_768 if self.vram < 47 * GIB else 262_144
