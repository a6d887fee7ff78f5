"""What of a conversation fits into the model's context, and how it is told."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from orchestration.policy.windows import TurnSize, Window, answer_room, window

ROOM = {"system": 100, "context": 4096, "answer": 1024}


def of(*sizes: int, question: int = 50, **room: int) -> Window:
    turns = [TurnSize(question=size // 5, answer=size - size // 5) for size in sizes]
    return window(turns=turns, question=question, **{**ROOM, **room})


def test_a_short_conversation_goes_whole() -> None:
    found = of(300, 300, 300)
    assert found.sent == (0, 1, 2)
    assert (found.tokens, found.left_out) == (100 + 900 + 50, 0)
    assert found.words == "All 3 turns sent: about 1,050 of 4,096 tokens, 1,024 kept for the answer."


def test_the_first_question_has_nothing_before_it() -> None:
    assert of().words.startswith("No earlier turn yet: about 150 of 4,096 tokens")
    assert of(300).words.startswith("The one turn so far is sent")


def test_the_first_and_the_newest_stay_and_those_between_leave() -> None:
    found = of(*[300] * 30)
    assert found.sent[0] == 0
    assert list(found.sent[1:]) == list(range(found.sent[1], 30))
    assert 4 < len(found.sent) < 10
    left = 30 - len(found.sent)
    assert f"{len(found.sent)} of 30 turns sent: the first and the newest {len(found.sent) - 1}" in found.words
    assert f"{left} between them left out" in found.words


def test_a_large_first_turn_leaves_like_any_other() -> None:
    found = of(2000, *[300] * 10)
    assert 0 not in found.sent
    assert f"the oldest {found.left_out} left out" in found.words


def test_a_question_that_fills_the_context_goes_alone() -> None:
    found = of(100, 100, question=5000)
    assert found.sent == ()
    assert found.words.startswith("0 of 2 turns sent: the question fills the context, no earlier turn fits")


def test_the_beginning_stays_the_same_for_several_turns_once_the_window_is_full() -> None:
    starts = [of(*[300] * count).sent[1] for count in range(9, 60)]
    moves = sum(before != after for before, after in pairwise(starts))
    assert starts == sorted(starts)
    assert moves <= len(starts) / 2


sizes = st.lists(st.builds(TurnSize, question=st.integers(0, 900), answer=st.integers(0, 900)), max_size=40)


@given(turns=sizes, question=st.integers(0, 6000), context=st.integers(256, 8192), system=st.integers(0, 600))
def test_what_is_sent_fits_unless_the_question_alone_does_not(
    turns: list[TurnSize], question: int, context: int, system: int
) -> None:
    found = window(turns=turns, question=question, system=system, context=context, answer=context // 4)
    alone = system + question
    assert found.tokens <= max(alone, context - context // 4)
    assert found.tokens == alone + sum(turns[at].both for at in found.sent)
    newest = [at for at in found.sent if at != 0]
    assert newest == list(range(len(turns) - len(newest), len(turns)))


def test_the_answer_gets_what_is_asked_for_or_a_quarter() -> None:
    assert answer_room(4096) == 1024
    assert answer_room(131_072) == 2048
    assert answer_room(4096, 300) == 300
    assert answer_room(4096, 1_000_000) == 1024
    assert answer_room(4096, -1) == 1024
    assert answer_room(4096, 4000) == 2048
