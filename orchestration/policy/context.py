"""Ollama options: which exist, what values they take, and the num_ctx buckets requests are put into.

The table is section 4 of Ollama's API as of 0.33. Runner options other than ``num_ctx`` are part of the identity of
a loaded model, so a request that sets one would make the node reload it; they are refused with that reason.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestration.errors import InvalidInput

BUCKETS = (4096, 8192, 16384, 32768, 65536, 131072, 262144)
"""Context sizes in tokens. A request gets the smallest that holds what it asks for."""

BYTES_PER_TOKEN = 3.5
"""Of UTF-8, in round figures: a little more than most tokenizers of today make of English, and about a token for each
character of Chinese. Who estimates too few cuts off the beginning of a prompt."""
IMAGE_TOKENS = 1024
"""Vision models take from a few hundred tokens for an image to a few thousand."""

LARGEST = 2**63 - 1
"""Servers read whole numbers into 64 bits."""

RUNNER_OPTIONS = frozenset({"num_batch", "num_gpu", "main_gpu", "num_thread", "use_mmap", "draft_num_predict"})
RETIRED_OPTIONS = frozenset(
    {"mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline", "tfs_z", "low_vram", "f16_kv", "logits_all"}
    | {"vocab_only", "use_mlock", "numa", "num_gqa", "embedding_only", "rope_frequency_base", "rope_frequency_scale"}
)
"""Known to older clients and ignored by today's servers: dropped without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One sampling option: its type and the range, both ends included, that makes sense."""

    kind: type
    least: float | None = None
    most: float | None = None


OPTIONS: dict[str, Option] = {
    "num_ctx": Option(kind=int, least=1, most=BUCKETS[-1]),
    "num_predict": Option(kind=int, least=-2, most=1_000_000),
    "num_keep": Option(kind=int, least=-1),
    "seed": Option(kind=int),
    "temperature": Option(kind=float, least=0, most=10),
    "top_k": Option(kind=int, least=0),
    "top_p": Option(kind=float, least=0, most=1),
    "min_p": Option(kind=float, least=0, most=1),
    "typical_p": Option(kind=float, least=0, most=1),
    "repeat_last_n": Option(kind=int, least=-1),
    "repeat_penalty": Option(kind=float, least=0, most=10),
    "presence_penalty": Option(kind=float, least=-10, most=10),
    "frequency_penalty": Option(kind=float, least=-10, most=10),
    "stop": Option(kind=list),
}


def check_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options with their types made right. Raises InvalidInput that names the option and says what it takes."""
    checked: dict[str, Any] = {}
    for name, value in options.items():
        if name in RUNNER_OPTIONS:
            raise InvalidInput(
                f"The option {name} would make the node reload its model for this one request; "
                "set it in the model on the server (Modelfile PARAMETER) instead.",
                option=name,
            )
        if value is None or name in RETIRED_OPTIONS:
            continue
        checked[name] = _checked(name, value)
    return checked


def _checked(name: str, value: Any) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        name = name[:80]
        near = get_close_matches(name, OPTIONS, n=1)
        hint = f" Did you mean {near[0]}?" if near else f" Known options: {', '.join(OPTIONS)}."
        raise InvalidInput(f"There is no option {name}.{hint}", option=name)
    if option.kind is list:
        return _strings(name, value)
    number = _number(name, value, option.kind)
    if (option.least is not None and number < option.least) or (option.most is not None and number > option.most):
        raise InvalidInput(f"The option {name} is {value}; it takes {_range(option)}.", option=name)
    return number


def _strings(name: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    raise InvalidInput(f"The option {name} takes a list of strings.", option=name)


def _number(name: str, value: Any, kind: type) -> float:
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and not whole and value % 1):
        word = "a whole number" if kind is int else "a number"
        raise InvalidInput(f"The option {name} takes {word}, not {value!r}.", option=name)
    if value != value or abs(value) == float("inf"):
        raise InvalidInput(f"The option {name} takes a finite number.", option=name)
    if abs(value) > LARGEST:
        raise InvalidInput(f"The option {name} is too large.", option=name)
    return int(value) if kind is int else float(value)


def _range(option: Option) -> str:
    if option.most is None:
        return f"{option.least} or more"
    return f"{option.least} to {option.most}"


def bucket(num_ctx: int | None, *, default: int) -> int:
    """The context size a request gets: the smallest bucket that holds what it asks for, the default if it asks nothing.

    Few sizes mean that requests share a loaded model instead of reloading it for each other.
    """
    wanted = default if num_ctx is None else num_ctx
    return next((size for size in BUCKETS if size >= wanted), BUCKETS[-1])


def needed_tokens(texts: Iterable[str], *, images: int = 0, answer: float = 0) -> int:
    """About as much context as these texts, images and an answer of so many tokens take together."""
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)
    return math.ceil(size / BYTES_PER_TOKEN + images * IMAGE_TOKENS + answer)
