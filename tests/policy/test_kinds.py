"""What kind of work a prompt asks for: whole words, orders and syntax, never parts of words."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.policy.kinds import LONG_TOKENS, Kind, find, named

WORDS = st.sampled_from(
    [
        *("the", "river", "runs", "slowly", "while", "decode", "barcode", "postcode", "encoder", "functional"),
        *("classroom", "refactored", "reviewer", "documentary", "codeine", "scripture", "programme"),
    ]
)


def kinds(*texts: str, task_type: str = "generate", **fields: int) -> list[str]:
    return [it.kind for it in find(texts, task_type=task_type, **fields)][:-1]


def because(text: str) -> str:
    return find([text], task_type="chat")[0].because


@pytest.mark.parametrize(
    "text",
    [
        "Decode the barcode on this parcel.",
        "What is the postcode of Oxford?",
        "Explain the dress code at weddings.",
        "Write a code of conduct for our club.",
        "Discuss Morse code and its history.",
        "Write a story about a python.",
        "Please write a haiku about code.",
        "Explain the function of the heart.",
        "The class hours: nine to five.",
        "Let us go to Java and import spices.",
        "I wrote a script for a play.",
        "Write a poem <3 for 2 > 1",
        "```text\nDear Sir or Madam\n```",
        "Write a review of the film.",
        "Who can document that he was there?",
        "From here, select a seat; where would you sit?",
        "",
    ],
)
def test_prose_is_of_no_special_kind(text: str) -> None:
    assert kinds(text) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("```python\nx = 1\n```", "a fenced block of python"),
        ("```text\nhi\n```\n~~~\nx = 1\n~~~", "a fenced block"),
        ("Refactor this:\n```go\nx := 1\n```", "a fenced block of go and the verb “refactor”"),
        ("def add(a, b): return a + b", "the definition of a function"),
        ("async function load() { return 1 }", "the definition of a function"),
        ("#include <stdio.h>", "an include"),
        ("from os import path", "an import"),
        ("const total = items.length", "the declaration of a variable"),
        ("SELECT name FROM people", "a query in SQL"),
        ("<div class='x'>hello</div>", "tags of HTML"),
        ("Traceback (most recent call last):\n  File", "a traceback"),
        ("Write quicksort in Python", "“write … in python”"),
        ("Write the HTML structure based on: {{plan}}", "“write … html”"),
        ("Could you fix the bug?", "“fix … bug”"),
        ("I need a function that sorts", "“need … function”"),
        ("explain what this codebase does", "“explain … codebase”"),
    ],
)
def test_code_is_told_by_fences_syntax_and_orders(text: str, why: str) -> None:
    assert kinds(text) == [Kind.CODE]
    assert because(text) == why


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Review this Python code for bugs: def add(a,b): return a+b", ["review", "code"]),
        ("Could you review my essay?", ["review"]),
        ("Document this:\n```\nf()\n```", ["documentation", "code"]),
        ("Write a README for the project", ["documentation"]),
        ("Please translate this Python code to Rust", ["code", "translation"]),
        ("Translate into French: good morning", ["translation"]),
        ("Summarise the text below", ["summary"]),
        ("Please give me a short summary.", ["summary"]),
    ],
)
def test_orders_tell_other_kinds_the_most_telling_first(text: str, found: list[str]) -> None:
    assert kinds(text) == found


def test_images_and_length_tell_too() -> None:
    assert kinds("What is this?", images=1) == [Kind.VISION]
    assert kinds("What is this?", tokens=LONG_TOKENS, images=2) == [Kind.VISION, Kind.LONG_CONTEXT]
    assert kinds("What is this?", tokens=LONG_TOKENS - 1) == []
    assert [it.because for it in find(["x"], task_type="chat", images=2, tokens=9000)][:2] == [
        "2 images",
        "about 9,000 tokens",
    ]


def test_the_type_comes_last_and_texts_to_embed_are_nothing_else() -> None:
    assert [it.kind for it in find(["Refactor this"], task_type="chat")] == ["code", "chat"]
    assert [it.kind for it in find(["Refactor this"], task_type="embed")] == ["embed"]
    assert [it.kind for it in find(["x"], task_type="invoice")] == ["invoice"]


def test_in_a_conversation_the_latest_words_that_say_anything_decide() -> None:
    assert kinds("Refactor this", "Thanks. And now shorter.") == ["code"]
    assert kinds("Refactor this", "Now summarize the changes") == ["summary"]


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("Code", "code"),
        ("coding", "code"),
        ("long-context", "long_context"),
        ("Docs", "documentation"),
        ("poem", "poem"),
    ],
)
def test_keys_are_understood_in_the_words_that_people_use(key: str, kind: str) -> None:
    assert named(key) == kind


@settings(deadline=None)
@given(st.lists(WORDS, max_size=40).map(" ".join))
def test_words_that_only_contain_others_say_nothing(text: str) -> None:
    assert kinds(text) == []


@settings(deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_a_fenced_block_is_found_wherever_it_stands(before: str, after: str) -> None:
    text = f"{before.replace('`', ' ').replace('~', ' ')}\n```rust\nlet x = 1;\n```\n{after}"
    assert Kind.CODE in kinds(text)


@settings(deadline=None)
@given(st.text(max_size=2000))
def test_any_text_has_kinds_in_their_order_each_once_with_a_reason(text: str) -> None:
    found = find([text], task_type="chat")
    order = [list(Kind).index(Kind(it.kind)) for it in found]
    assert order == sorted(set(order))
    assert all(it.because for it in found)


@pytest.mark.parametrize(
    "text",
    ["\n" * 20_000, "write a " * 20_000, "(" * 20_000, "def f(" * 9000, "SELECT " * 9000, "<a " * 9000, "to " * 9000],
)
def test_no_text_however_strange_takes_long(text: str) -> None:
    began = time.process_time()
    find([text], task_type="generate")
    assert time.process_time() - began < 2
