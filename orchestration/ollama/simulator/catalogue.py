"""Well-known models with believable sizes: what ``pull`` finds and what the demo installs."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from .specs import ModelSpec, NodeSpec

_CHAT = ("completion",)
_TOOLS = ("completion", "tools")
_THINK = ("completion", "tools", "thinking")
_VISION = ("completion", "vision")
_CODE = ("completion", "insert")
_EMBED = ("embedding",)
_STOP_TURN = (("stop", ["<|user|>", "<|assistant|>"]),)

_MODELS = (
    ModelSpec("llama3.2:latest", 2_019_377_376, "llama", "3.2B", embedding_length=3072, capabilities=_TOOLS),
    ModelSpec("llama3.2:1b", 1_321_082_688, "llama", "1.2B", "Q8_0", embedding_length=2048, capabilities=_TOOLS),
    ModelSpec("llama3.1:8b", 4_920_738_944, "llama", "8.0B", capabilities=_TOOLS),
    ModelSpec("llama3.3:70b", 42_520_397_824, "llama", "70.6B", embedding_length=8192, capabilities=_TOOLS),
    ModelSpec("llama2:latest", 3_825_807_040, "llama", "7B", "Q4_0", 4096, parameters=_STOP_TURN),
    ModelSpec("codellama:latest", 3_825_898_144, "llama", "7B", "Q4_0", 16_384, capabilities=_CODE),
    ModelSpec("qwen3:8b", 5_225_374_144, "qwen3", "8.2B", context=40_960, capabilities=_THINK),
    ModelSpec("qwen3:4b", 2_620_774_400, "qwen3", "4.0B", context=262_144, embedding_length=2560, capabilities=_THINK),
    ModelSpec(
        "qwen3:0.6b", 522_640_384, "qwen3", "751.63M", context=40_960, embedding_length=1024, capabilities=_THINK
    ),
    ModelSpec(
        "qwen2.5-coder:7b",
        4_683_073_184,
        "qwen2",
        "7.6B",
        context=32_768,
        embedding_length=3584,
        capabilities=("completion", "tools", "insert"),
    ),
    ModelSpec("deepseek-r1:8b", 5_225_372_800, "qwen3", "8.2B", capabilities=("completion", "thinking")),
    ModelSpec("gpt-oss:20b", 13_780_154_624, "gptoss", "20.9B", "MXFP4", embedding_length=2880, capabilities=_THINK),
    ModelSpec("mistral:7b", 4_372_811_776, "llama", "7.2B", context=32_768, capabilities=_TOOLS, tool_shape="native"),
    ModelSpec("phi4:14b", 9_053_114_496, "phi3", "14.7B", context=16_384, embedding_length=5120),
    ModelSpec("gemma3:4b", 3_338_792_448, "gemma3", "4.3B", embedding_length=2560, capabilities=_VISION),
    ModelSpec("llava:7b", 4_733_351_307, "llama", "7B", "Q4_0", 32_768, capabilities=_VISION),
    ModelSpec("llama3.2-vision:11b", 7_816_574_976, "mllama", "10.7B", capabilities=_VISION),
    ModelSpec("nomic-embed-text:latest", 274_290_656, "nomic-bert", "137M", "F16", 2048, 768, _EMBED),
    ModelSpec("mxbai-embed-large:latest", 669_603_712, "bert", "334M", "F16", 512, 1024, _EMBED),
    ModelSpec("all-minilm:latest", 45_949_216, "bert", "23M", "F16", 512, 384, _EMBED),
)

# Further names of the same files, as the public registry has them.
_OTHER_NAMES = {
    "llama3.2:3b": "llama3.2:latest",
    "llama3.1:latest": "llama3.1:8b",
    "llama2:7b": "llama2:latest",
    "codellama:7b": "codellama:latest",
    "qwen3:latest": "qwen3:8b",
    "mistral:latest": "mistral:7b",
    "phi4:latest": "phi4:14b",
    "gemma3:latest": "gemma3:4b",
    "llava:latest": "llava:7b",
    "gpt-oss:latest": "gpt-oss:20b",
    "deepseek-r1:latest": "deepseek-r1:8b",
}

CATALOGUE: dict[str, ModelSpec] = {spec.name: spec for spec in _MODELS}


def look_up(display: str, extra: dict[str, ModelSpec] | None = None) -> ModelSpec | None:
    """The published model of that completed name; ``extra`` are models known to one node only."""
    name = display.lower()
    if extra and name in extra:
        return extra[name]
    return CATALOGUE.get(_OTHER_NAMES.get(name, name)) or _listed().get(name)


@cache
def _listed() -> dict[str, ModelSpec]:
    """Whatever Drover's bundled list says can be pulled, so that in a demo it can be."""
    rows = json.loads((Path(__file__).parents[2] / "catalogue.json").read_text(encoding="utf-8"))
    specs = [_of_list(row, tag) for row in rows for tag in row["tags"] if tag["size_bytes"]]
    return {spec.name: spec for spec in specs}


def _of_list(row: dict[str, Any], tag: dict[str, Any]) -> ModelSpec:
    embeds = "embedding" in row["capabilities"]
    return ModelSpec(
        f"{row['name']}:{tag['tag']}",
        tag["size_bytes"],
        row["name"],
        tag["parameter_size"].upper(),
        capabilities=_EMBED if embeds else ("completion", *row["capabilities"]),
        weights=f"{row['name']} {tag['parameter_size']} {tag['size_bytes']}",
    )


def demo_nodes(speed: float = 1.0) -> list[NodeSpec]:
    """Three unequal servers with six models, none of them holding everything."""
    return [
        NodeSpec(
            name="gpu-a",
            vram_gb=24,
            slots=2,
            speed=speed,
            context_length=8192,
            fill_num_predict=False,
            models=("llama3.2:latest", "codellama:latest", "qwen3:8b", "nomic-embed-text:latest"),
        ),
        NodeSpec(
            name="gpu-b",
            vram_gb=48,
            slots=4,
            speed=1.5 * speed,
            context_length=16_384,
            fill_num_predict=False,
            models=("llama3.2:latest", "llama2:latest", "qwen3:8b", "gemma3:4b", "nomic-embed-text:latest"),
        ),
        NodeSpec(
            name="mac-mini",
            vram_gb=36,
            slots=2,
            speed=0.45 * speed,
            context_length=8192,
            fill_num_predict=False,
            models=("llama3.2:latest", "codellama:latest", "gemma3:4b"),
        ),
    ]
