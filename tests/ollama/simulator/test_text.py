"""Answers read like Markdown, and are the same for the same seed."""

from random import Random

import pytest

from orchestration.ollama.simulator.text import Writer, asks_for_code, tokens_of, topics_of, write_tokens


def written(model="llama3.2", prompt="Explain harbours and tides", seed=1, length=300, closes=True):
    return "".join(write_tokens(Writer(model, prompt, Random(seed)), length, closes=closes))


def test_the_same_seed_writes_the_same_and_another_model_writes_differently():
    assert written() == written()
    assert written() != written(seed=2)
    assert written() != written(model="mistral:7b")


def test_long_answers_have_paragraphs_headings_and_lists():
    text = written(length=2000)
    assert "\n\n" in text
    assert "\n##" in text
    assert any(mark in text for mark in ("\n- ", "\n* ", "\n2. "))


def test_answers_are_about_the_words_of_the_prompt():
    assert "harbours" in written().lower()


@pytest.mark.parametrize("prompt", ["Write a Python function that adds", "refactor this class", "a SQL statement"])
def test_prompts_about_code_get_code(prompt):
    assert asks_for_code(prompt)
    assert "```python\n" in written(prompt=prompt)


def test_other_prompts_get_none():
    assert "```" not in written(length=2000)


def test_code_in_answers_is_valid_python():
    for seed in range(20):
        block = written(prompt="Write code for sorting parcels", seed=seed).split("```")[1]
        compile(block.removeprefix("python\n"), "answer", "exec")


def test_tokens_put_together_are_the_text():
    text = "Hello, wörld!\n\n- item 12345 ```x``` \t é中文"
    assert "".join(tokens_of(text)) == text


def test_an_exact_length_is_exact():
    tokens = write_tokens(Writer("a", "b", Random(1)), 137, closes=False)
    assert len(tokens) == 137


def test_there_are_always_topics():
    assert len(topics_of("")) > 1
    assert topics_of("Tell me about Lighthouses and Boats") == ["lighthouses", "boats"]
