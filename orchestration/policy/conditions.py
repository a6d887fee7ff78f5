"""Conditions of steps, such as ``{{review}} contains "yes" and not {{count}} < 3``: read, and decided over values.

A value is only ever compared, never read as part of the condition. There are no regular expressions to write.

    condition   = both ("or" both)*
    both        = one ("and" one)*
    one         = "not" one | "(" condition ")" | side comparison side | side "is" ["not"] "empty"
    side        = {{placeholder}} | "text" | 'text' | number
    comparison  = == | != | < | <= | > | >= | "contains" | "starts with" | "ends with"

Two sides that are both numbers are compared as numbers, others as texts. Blanks around a value do not count (answers of
models end in line breaks), capitals do.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, Protocol

from orchestration.errors import InvalidInput
from orchestration.policy.templates import references

LONGEST = 2_000
_DEEPEST = 30
_LONGEST_NUMBER = 60
_SIGNS = ("==", "!=", "<=", ">=", "<", ">", "(", ")")
_WORDS = {"and", "or", "not", "is", "empty", "contains", "starts", "ends", "with"}


class _Node(Protocol):
    def holds(self, values: Mapping[str, str]) -> bool: ...


@dataclass(frozen=True, slots=True)
class Condition:
    """``names``: of the placeholders in it, as between the braces, each once."""

    text: str
    names: tuple[str, ...]
    _node: _Node

    def holds(self, values: Mapping[str, str]) -> bool:
        """A placeholder without a value is empty."""
        return self._node.holds(values)


class _Token(NamedTuple):
    """``kind``: name, text, number, word, sign or end."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class _Side:
    """A placeholder, or what was written."""

    text: str
    named: bool

    def value(self, values: Mapping[str, str]) -> str:
        return (values.get(self.text, "") if self.named else self.text).strip()


@dataclass(frozen=True, slots=True)
class _Comparison:
    left: _Side
    right: _Side
    numbers: Callable[[Decimal, Decimal], bool] | None
    texts: Callable[[str, str], bool]

    def holds(self, values: Mapping[str, str]) -> bool:
        left, right = self.left.value(values), self.right.value(values)
        if self.numbers:
            one, other = number(left), number(right)
            if one is not None and other is not None:
                return self.numbers(one, other)
        return self.texts(left, right)


@dataclass(frozen=True, slots=True)
class _Empty:
    side: _Side

    def holds(self, values: Mapping[str, str]) -> bool:
        return not self.side.value(values)


@dataclass(frozen=True, slots=True)
class _Not:
    node: _Node

    def holds(self, values: Mapping[str, str]) -> bool:
        return not self.node.holds(values)


@dataclass(frozen=True, slots=True)
class _Several:
    nodes: tuple[_Node, ...]
    need_all: bool

    def holds(self, values: Mapping[str, str]) -> bool:
        found = (node.holds(values) for node in self.nodes)
        return all(found) if self.need_all else any(found)


_BY_SIGN: dict[str, tuple[Callable[[Decimal, Decimal], bool], Callable[[str, str], bool]]] = {
    "==": (operator.eq, operator.eq),
    "!=": (operator.ne, operator.ne),
    "<": (operator.lt, operator.lt),
    "<=": (operator.le, operator.le),
    ">": (operator.gt, operator.gt),
    ">=": (operator.ge, operator.ge),
}
_BY_WORD: dict[str, Callable[[str, str], bool]] = {
    "contains": lambda text, part: part in text,
    "starts": str.startswith,
    "ends": str.endswith,
}


def parse(text: str) -> Condition:
    """Raises InvalidInput that says what is wrong, and where."""
    if len(text) > LONGEST:
        raise InvalidInput(f"A condition has at most {LONGEST:,} characters.", field="condition")
    tokens = _tokens(text)
    reading = _Reading(tokens)
    node = reading.condition(0)
    reading.end()
    names = dict.fromkeys(token.text for token in tokens if token.kind == "name")
    return Condition(text, tuple(names), node)


def number(text: str) -> Decimal | None:
    """None for what is none; ``nan``, ``inf`` and digits of other scripts are texts."""
    if not text or len(text) > _LONGEST_NUMBER or set(text) - set("+-.0123456789eE"):
        return None
    try:
        return Decimal(text)
    except ArithmeticError:
        return None


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        token, at = _token(text, at)
        found.append(token)
    return [*found, _Token("end", "", len(text))]


def _token(text: str, at: int) -> tuple[_Token, int]:
    """The one that begins here, and where the next may begin."""
    if text.startswith("{{", at):
        return _placeholder(text, at)
    if text[at] in "\"'":
        return _quoted(text, at)
    sign = next((sign for sign in _SIGNS if text.startswith(sign, at)), "")
    if sign:
        return _Token("sign", sign, at), at + len(sign)
    end = at
    while end < len(text) and (text[end].isalnum() or text[end] in "+-._"):
        end += 1
    word = text[at:end]
    if word.lower() in _WORDS:
        return _Token("word", word.lower(), at), end
    if number(word) is not None:
        return _Token("number", word, at), end
    shown = word or text[at]
    raise _wrong(f"{shown!r} is nothing that a condition may have; texts stand in quotes, steps in {{{{braces}}}}", at)


def _placeholder(text: str, at: int) -> tuple[_Token, int]:
    end = text.find("}}", at) + 2
    found = references(text[at:end]) if end > 1 else []
    if len(found) != 1 or found[0].start != 0 or found[0].end != end - at:
        raise _wrong("{{ begins no placeholder such as {{review}}", at)
    return _Token("name", found[0].name, at), end


def _quoted(text: str, at: int) -> tuple[_Token, int]:
    r"""``\"`` and ``\\`` stand for a quote and a backslash."""
    quote, written, place = text[at], [], at + 1
    while place < len(text) and text[place] != quote:
        if text[place] == "\\" and text[place + 1 : place + 2] in (quote, "\\"):
            place += 1
        written.append(text[place])
        place += 1
    if place >= len(text):
        raise _wrong("A quote is opened but not closed", at)
    return _Token("text", "".join(written), at), place + 1


class _Reading:
    """Goes over the tokens once."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = 0

    def condition(self, depth: int) -> _Node:
        nodes = [self._both(depth)]
        while self._takes("word", "or"):
            nodes.append(self._both(depth))
        return nodes[0] if len(nodes) == 1 else _Several(tuple(nodes), need_all=False)

    def end(self) -> None:
        token = self._tokens[self._place]
        if token.kind != "end":
            raise _wrong(f"{_shown(token)} is one too many; join conditions with and, or", token.at)

    def _both(self, depth: int) -> _Node:
        nodes = [self._one(depth)]
        while self._takes("word", "and"):
            nodes.append(self._one(depth))
        return nodes[0] if len(nodes) == 1 else _Several(tuple(nodes), need_all=True)

    def _one(self, depth: int) -> _Node:
        if depth > _DEEPEST:
            raise _wrong(f"Brackets and nots go more than {_DEEPEST} deep", self._tokens[self._place].at)
        if self._takes("word", "not"):
            return _Not(self._one(depth + 1))
        if self._takes("sign", "("):
            inner = self.condition(depth + 1)
            self._needs("sign", ")")
            return inner
        return self._comparison()

    def _comparison(self) -> _Node:
        left, token = self._side(), self._tokens[self._place]
        self._place += 1
        if token.kind == "sign" and token.text in _BY_SIGN:
            return _Comparison(left, self._side(), *_BY_SIGN[token.text])
        if token.kind == "word" and token.text in _BY_WORD:
            if token.text != "contains":
                self._needs("word", "with")
            return _Comparison(left, self._side(), None, _BY_WORD[token.text])
        if token.kind == "word" and token.text == "is":
            negated = self._takes("word", "not")
            self._needs("word", "empty")
            return _Not(_Empty(left)) if negated else _Empty(left)
        expected = "==, !=, <, <=, >, >=, contains, starts with, ends with, is empty or is not empty"
        raise _wrong(f"Expected {expected}, not {_shown(token)}", token.at)

    def _side(self) -> _Side:
        token = self._tokens[self._place]
        if token.kind not in ("name", "text", "number"):
            raise _wrong(f'Expected {{{{a step}}}}, "a text" or a number, not {_shown(token)}', token.at)
        self._place += 1
        return _Side(token.text, named=token.kind == "name")

    def _takes(self, kind: str, text: str) -> bool:
        token = self._tokens[self._place]
        taken = token.kind == kind and token.text == text
        self._place += taken
        return taken

    def _needs(self, kind: str, text: str) -> None:
        token = self._tokens[self._place]
        if not self._takes(kind, text):
            raise _wrong(f"Expected {text!r}, not {_shown(token)}", token.at)


def _shown(token: _Token) -> str:
    return "the end" if token.kind == "end" else repr(token.text)


def _wrong(message: str, at: int) -> InvalidInput:
    return InvalidInput(f"{message} (character {at + 1} of the condition).", field="condition", at=at)
