"""The prompts that benchmarks bring along: plain English of known length, and sets of them by name."""

from dataclasses import dataclass
from itertools import cycle

CHARACTERS_PER_TOKEN = 4
"""Of plain English, in round figures. What it really was is in the report, by Ollama's own count."""

_SENTENCES = (
    "The harbour wakes before the town does, and the first boats leave while the lamps along the quay still burn.",
    "A clerk in a green coat writes down the name of every ship, its cargo, its captain and the hour of the tide.",
    "Nobody has read the older books for years, but they stand in the right order and the dust on them is even.",
    "When the wind turns north the masts begin to sing, each of them in a key of its own, and children count them.",
    "Bread is sold from a window at the corner, warm until eight, and at half the price from nine o'clock on.",
    "The road to the hills is steep and well kept; carts go up empty in the morning and come down full at night.",
    "In winter the market moves under the arches, where the voices carry far and every bargain is heard by all.",
    "The old pilot draws his maps from memory and leaves a blank where he was asleep, which he marks as unknown.",
)
_QUESTION = "Write a long and detailed continuation of this text. Do not stop early."


@dataclass(frozen=True, slots=True)
class Prompt:
    name: str
    text: str


def of_length(tokens: int) -> str:
    """About so many tokens, the question at the end included."""
    room = tokens * CHARACTERS_PER_TOKEN - len(_QUESTION) - 2
    parts: list[str] = []
    for sentence in cycle(_SENTENCES):
        if room <= 0:
            break
        parts.append(sentence[:room])
        room -= len(sentence) + 1
    return f"{' '.join(parts)}\n\n{_QUESTION}"


def _lengths(*tokens: int) -> tuple[Prompt, ...]:
    return tuple(Prompt(f"{count:,} tokens", of_length(count)) for count in tokens)


PROMPT_SETS: dict[str, tuple[Prompt, ...]] = {
    "short": _lengths(128),
    "mixed": _lengths(128, 1024),
    "long": _lengths(2048, 8192),
    "reading": _lengths(128, 512, 2048, 8192),
}
"""By name. Short prompts show how fast a model writes, long ones how fast it reads."""
