"""Ollama's options: which there are, what each takes and does, and who may set it. Forms, checks and the API use this
one table; it is section 4 of Ollama's API as of 0.33.

Runner options are part of the identity of a loaded model: a request that differs in one makes its server load the
model anew. They hold for a model or for the whole fleet, so that all requests for a model agree; ``num_ctx`` is the
one that Drover itself keeps apart, and anybody may set it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from orchestration.errors import InvalidInput
from orchestration.policy.context import BUCKETS

LARGEST = 2**63 - 1
"""Servers read whole numbers into 64 bits."""
NAME_SHOWN = 80

RETIRED_OPTIONS = frozenset(
    {"mirostat", "mirostat_tau", "mirostat_eta", "penalize_newline", "tfs_z", "low_vram", "f16_kv", "logits_all"}
    | {"vocab_only", "use_mlock", "numa", "num_gqa", "embedding_only", "rope_frequency_base", "rope_frequency_scale"}
)
"""Known to older clients and ignored by today's servers: dropped without a word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option: its type and the range, both ends included, that makes sense. ``usual``: what holds where nobody
    sets it. ``runner``: for models and the fleet only."""

    label: str
    help: str
    kind: type
    least: int | None = None
    most: int | None = None
    usual: str
    runner: bool = False

    @property
    def type_word(self) -> str:
        return {int: "whole number", float: "number", bool: "true or false", list: "list of texts"}[self.kind]

    @property
    def range_words(self) -> str:
        """Empty where any value of its type will do."""
        if self.least is None:
            return ""
        return f"{self.least:,} or more" if self.most is None else f"{self.least:,} to {self.most:,}"


OPTIONS: dict[str, Option] = {
    "num_ctx": Option(
        label="Context",
        kind=int,
        least=1,
        most=BUCKETS[-1],
        usual="4,096, more where the prompt needs it",
        help="Tokens that prompt and answer may take together. Rounded up, so that requests share a loaded model.",
    ),
    "num_predict": Option(
        label="Most tokens",
        kind=int,
        least=-2,
        most=1_000_000,
        usual="-1, until it stops by itself",
        help="Tokens of the answer. -1: no limit; -2: until the context is full.",
    ),
    "temperature": Option(
        label="Temperature",
        kind=float,
        least=0,
        most=10,
        usual="0.8",
        help="0 always takes the likeliest word; more gives more variety, above 1 it gets wild.",
    ),
    "top_p": Option(
        label="Top p",
        kind=float,
        least=0,
        most=1,
        usual="0.9",
        help="Only the likeliest words that together have this probability.",
    ),
    "top_k": Option(
        label="Top k", kind=int, least=0, usual="40", help="Only so many of the likeliest words; 0 is no limit."
    ),
    "min_p": Option(
        label="Min p",
        kind=float,
        least=0,
        most=1,
        usual="0",
        help="Leaves out words less likely than this part of the likeliest one.",
    ),
    "typical_p": Option(
        label="Typical p",
        kind=float,
        least=0,
        most=1,
        usual="1",
        help="Below 1, words that are as surprising as the text so far are taken.",
    ),
    "seed": Option(
        label="Seed",
        kind=int,
        usual="-1, another one each time",
        help="The same seed, options and prompt give the same answer on the same server.",
    ),
    "stop": Option(
        label="Stop at", kind=list, usual="the model's own", help="The answer ends before the first of these texts."
    ),
    "repeat_penalty": Option(
        label="Repeat penalty",
        kind=float,
        least=0,
        most=10,
        usual="1, before Ollama 0.32.10 1.1",
        help="Above 1, words that were there lately become less likely.",
    ),
    "repeat_last_n": Option(
        label="Repeat window",
        kind=int,
        least=-1,
        usual="64",
        help="How many tokens back the repeat penalty looks; 0 is none, -1 the whole context.",
    ),
    "presence_penalty": Option(
        label="Presence penalty",
        kind=float,
        least=-10,
        most=10,
        usual="0",
        help="Above 0, words that were there at all become less likely.",
    ),
    "frequency_penalty": Option(
        label="Frequency penalty",
        kind=float,
        least=-10,
        most=10,
        usual="0",
        help="Above 0, words become less likely the more often they were there.",
    ),
    "num_keep": Option(
        label="Tokens kept",
        kind=int,
        least=-1,
        usual="4",
        help="Of the beginning, when the context is full and what follows it moves up.",
    ),
    "num_batch": Option(
        label="Batch size",
        kind=int,
        least=1,
        most=65_536,
        usual="by context and memory",
        runner=True,
        help="Tokens of the prompt that are read at once.",
    ),
    "num_gpu": Option(
        label="Layers on the GPU",
        kind=int,
        least=-1,
        most=10_000,
        usual="-1, as many as fit",
        runner=True,
        help="0 runs it on the CPU alone.",
    ),
    "main_gpu": Option(
        label="Main GPU", kind=int, least=0, most=255, usual="chosen by Ollama", runner=True, help="Its number."
    ),
    "num_thread": Option(
        label="Threads",
        kind=int,
        least=0,
        most=4096,
        usual="0, as many as there are cores",
        runner=True,
        help="Of the CPU.",
    ),
    "use_mmap": Option(
        label="Memory-mapped file",
        kind=bool,
        usual="chosen by Ollama",
        runner=True,
        help="Whether weights are mapped from the file or read into memory.",
    ),
    "draft_num_predict": Option(
        label="Draft tokens",
        kind=int,
        least=0,
        most=1024,
        usual="4 with a draft model, else 0",
        runner=True,
        help="Guessed ahead by a draft model. Needs Ollama 0.30.",
    ),
}
RUNNER_OPTIONS = frozenset(name for name, option in OPTIONS.items() if option.runner)


def check_options(options: Mapping[str, Any], *, runner: bool = False) -> dict[str, Any]:
    """The options with their types made right. ``runner``: whether runner options may be among them.

    Raises InvalidInput that has every problem by the name of its option.
    """
    checked, problems = checked_options(options, runner=runner)
    if problems:
        raise InvalidInput(" ".join(problems.values()), option=next(iter(problems)), fields=problems)
    return checked


def checked_options(options: Mapping[str, Any], *, runner: bool = False) -> tuple[dict[str, Any], dict[str, str]]:
    """What is right among them, and what is wrong with the others."""
    checked: dict[str, Any] = {}
    problems: dict[str, str] = {}
    for name, value in options.items():
        if value is None or name in RETIRED_OPTIONS:
            continue
        try:
            checked[name] = _checked(name, value, runner=runner)
        except InvalidInput as error:
            problems[name[:NAME_SHOWN]] = error.message
    return checked, problems


def _checked(name: str, value: Any, *, runner: bool) -> Any:
    option = OPTIONS.get(name)
    if option is None:
        raise InvalidInput(_unknown(name[:NAME_SHOWN], runner=runner))
    if option.runner and not runner:
        raise InvalidInput(
            f"The option {name} would make the node reload its model for this one request; "
            "set it for the model, where it holds for everybody."
        )
    if option.kind is list:
        return _strings(name, value)
    if option.kind is bool:
        if not isinstance(value, bool):
            raise InvalidInput(f"The option {name} is true or false, not {value!r:.80}.")
        return value
    number = _number(name, value, option.kind)
    if (option.least is not None and number < option.least) or (option.most is not None and number > option.most):
        raise InvalidInput(f"The option {name} is {value}; it takes {option.range_words}.")
    return number


def _unknown(name: str, *, runner: bool) -> str:
    known = [known for known, option in OPTIONS.items() if runner or not option.runner]
    near = get_close_matches(name, OPTIONS, n=1)
    hint = f"Did you mean {near[0]}?" if near else f"Known options: {', '.join(known)}."
    return f"There is no option {name}. {hint}"


def _strings(name: str, value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return list(value)
    raise InvalidInput(f"The option {name} takes a list of strings.")


def _number(name: str, value: Any, kind: type) -> float:
    whole = isinstance(value, float) and value.is_integer()
    if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and not whole and value % 1):
        word = "a whole number" if kind is int else "a number"
        raise InvalidInput(f"The option {name} takes {word}, not {value!r:.80}.")
    if value != value or abs(value) == float("inf"):
        raise InvalidInput(f"The option {name} takes a finite number.")
    if abs(value) > LARGEST:
        raise InvalidInput(f"The option {name} is too large.")
    return int(value) if kind is int else float(value)
