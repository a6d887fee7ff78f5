"""Which turns of a conversation go to the model with the next question, and the rule in words.

The system prompt and the question always go. Of the earlier turns the newest go, whole and without a gap, as long as
they fit; the first one stays too where it is small, because it often says what all of it is about. When the window is
full, the oldest leave until a quarter of it is free: so the beginning stays the same for several turns, and a node
that still holds it need not read it again.
"""

from collections.abc import Sequence
from dataclasses import dataclass

FIRST_SHARE = 1 / 4
"""Of the room for turns: a first turn that takes more leaves like any other."""
KEPT_SHARE = 3 / 4
"""What is left of the room for turns after the oldest have made way."""
ANSWER_SHARE = 1 / 4
LONGEST_ANSWER = 8192
"""Tokens. A larger ``num_predict`` is meant as a bound, not as what the answer will take."""
MOST_FOR_ANSWER = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnSize:
    """Tokens of one turn that has an answer."""

    question: int
    answer: int

    @property
    def both(self) -> int:
        return self.question + self.answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """``sent``: positions of the turns that go, oldest first, of ``turns`` in all. ``tokens``: of everything that goes;
    ``context``: what the model is given room for, ``answer`` of it for what it will say."""

    sent: tuple[int, ...]
    turns: int
    tokens: int
    context: int
    answer: int

    @property
    def left_out(self) -> int:
        return self.turns - len(self.sent)

    @property
    def words(self) -> str:
        size = f"about {self.tokens:,} of {self.context:,} tokens, {self.answer:,} kept for the answer"
        if not self.left_out:
            return f"{_all(self.turns)}: {size}."
        return f"{len(self.sent)} of {self.turns} turns sent: {self._which()}, {size}."

    def _which(self) -> str:
        newest = len(self.sent) - self._keeps_first
        if not self.sent:
            return "the question fills the context, no earlier turn fits"
        if not self._keeps_first:
            return f"the oldest {self.left_out} left out"
        return f"the first and the newest {newest}, {self.left_out} between them left out"

    @property
    def _keeps_first(self) -> bool:
        return bool(self.sent) and self.sent[0] == 0


def _all(turns: int) -> str:
    return {0: "No earlier turn yet", 1: "The one turn so far is sent"}.get(turns, f"All {turns} turns sent")


def answer_room(context: int, asked: float = 0) -> int:
    """Tokens kept for the answer: what is asked for (``num_predict``), else a quarter of the context."""
    if 0 < asked <= LONGEST_ANSWER:
        return int(min(asked, context // 2))
    return min(MOST_FOR_ANSWER, int(context * ANSWER_SHARE))


def window(*, turns: Sequence[TurnSize], question: int, system: int, context: int, answer: int) -> Window:
    """``system``: tokens of all that goes before the turns: system prompt, memory, documents."""
    room = max(0, context - answer - system)
    keeps_first = bool(turns) and turns[0].both <= room * FIRST_SHARE
    first = turns[0].both if keeps_first else 0
    start = _start(turns, int(keeps_first), question, room - first)
    sent = tuple([0] * keeps_first + list(range(start, len(turns))))
    if keeps_first and question > room - first:
        sent = sent[1:]
    tokens = system + question + sum(turns[position].both for position in sent)
    return Window(sent=sent, turns=len(turns), tokens=tokens, context=context, answer=answer)


def _start(turns: Sequence[TurnSize], begin: int, question: int, room: int) -> int:
    """Where the newest turns begin. Told turn by turn, as it was when each was asked, so that it seldom moves."""
    start, used = begin, 0
    for position in range(begin, len(turns) + 1):
        asked = turns[position].question if position < len(turns) else question
        if used + asked > room:
            while start < position and used + asked > room * KEPT_SHARE:
                used -= turns[start].both
                start += 1
        used += turns[position].both if position < len(turns) else 0
    return start
