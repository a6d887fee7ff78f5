"""The prompts that benchmarks bring along."""

import pytest

from orchestration.policy.prompt_sets import CHARACTERS_PER_TOKEN, PROMPT_SETS, of_length


@pytest.mark.parametrize("tokens", [64, 128, 1024, 8192])
def test_a_text_is_as_long_as_it_says(tokens):
    assert len(of_length(tokens)) == pytest.approx(tokens * CHARACTERS_PER_TOKEN, abs=CHARACTERS_PER_TOKEN)


def test_every_text_ends_with_what_is_to_be_done():
    texts = [prompt.text for prompts in PROMPT_SETS.values() for prompt in prompts]
    assert all(text.endswith("Do not stop early.") for text in texts)


def test_names_within_a_set_differ():
    for prompts in PROMPT_SETS.values():
        assert len({prompt.name for prompt in prompts}) == len(prompts)
