"""The presets that every Drover has: ways of answering that people ask for by name."""

from dataclasses import dataclass

from orchestration.policy.effective import PresetValues


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn(PresetValues):
    about: str


_ALL = (
    BuiltIn(
        name="balanced",
        about="Reasonable for most work: some variety, no wild guesses.",
        options={"temperature": 0.7, "top_p": 0.9, "top_k": 40, "repeat_penalty": 1.1},
    ),
    BuiltIn(
        name="creative",
        about="Varied and surprising: stories, names, ideas.",
        options={"temperature": 1.1, "top_p": 0.95, "top_k": 100, "min_p": 0.02, "presence_penalty": 0.4},
    ),
    BuiltIn(
        name="precise",
        about="The likeliest words, the same each time: extraction, code, classification.",
        options={"temperature": 0.0, "top_p": 0.5, "top_k": 10, "seed": 42, "repeat_penalty": 1.0},
    ),
    BuiltIn(
        name="fast",
        about="Short answers without thinking first, in a small context.",
        options={"temperature": 0.3, "num_predict": 512, "num_ctx": 4096},
        think=False,
    ),
    BuiltIn(
        name="long context",
        about="Room for long documents and long answers; takes more memory on the nodes.",
        options={"temperature": 0.4, "num_ctx": 32_768, "num_predict": 8192, "num_keep": 64},
    ),
)
BUILT_IN: dict[str, BuiltIn] = {preset.name: preset for preset in _ALL}
