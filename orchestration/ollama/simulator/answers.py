"""Decides what will be said before the first token leaves: thoughts, text or JSON, tool calls, where it ends."""

import json
import math
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

from .refusal import Refusal
from .specs import ModelSpec, NodeSpec
from .structured import Inventor
from .text import Writer, tokens_of, write_tokens
from .tools import tool_calls, wants_tool

_ECHO = "echo:"
_NUMBERED = re.compile(r"^\[(\d{1,3})\]", re.MULTILINE)
_TOLD_TO_CITE = "number in square brackets"
_CITED = 0.5
THINKING, CONTENT, SILENT = "thinking", "content", "silent"
Piece = tuple[str, str]


@dataclass(slots=True)
class Question:
    """What the model is asked. ``prompt`` is the last thing said; ``text`` everything it reads."""

    model: ModelSpec
    prompt: str
    text: str
    options: Mapping[str, Any]
    num_ctx: int
    prompt_tokens: int
    format: Any = None
    think: bool | str = False
    shift: bool = True
    messages: Sequence[Mapping[str, Any]] = ()
    tools: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class Answer:
    pieces: list[Piece] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    done_reason: str = "stop"


def _random_for(question: Question) -> Random:
    seed = question.options.get("seed", -1)
    if seed < 0:
        seed = 0 if question.options.get("temperature") == 0 else secrets.randbits(62)
    return Random(f"{question.model.weights_key}\n{question.text}\n{seed}")


def answer_to(question: Question, node: NodeSpec) -> Answer:
    random = _random_for(question)
    limit = _limit(question)
    answer = Answer(pieces=_thoughts(question, node, random))
    if question.prompt.startswith(_ECHO):
        answer.pieces += _spoken(question.prompt.removeprefix(_ECHO).removeprefix(" "))
    elif wants_tool(question.tools, question.messages):
        answer.tool_calls = tool_calls(question.tools, question.prompt, question.model.tool_shape, random)
        answer.pieces += [(SILENT, piece) for piece in tokens_of(json.dumps(answer.tool_calls[0]["function"]))]
    elif question.format not in (None, ""):
        answer.pieces += _spoken(_json(question, random))
    else:
        answer.pieces += _citing(question, random, _prose(question, node, random, limit - len(answer.pieces)))
    return _cut(_stopped(answer, question.options.get("stop") or ()), limit)


def _spoken(text: str) -> list[Piece]:
    return [(CONTENT, piece) for piece in tokens_of(text)]


def _limit(question: Question) -> int:
    """Most tokens of the answer; without context shift it ends where the context is full."""
    asked = question.options.get("num_predict", -1)
    limit = asked if asked > 0 else 10 * question.num_ctx
    limit = min(limit, 10 * question.num_ctx)
    return limit if question.shift else max(1, min(limit, question.num_ctx - question.prompt_tokens))


def _natural_length(node: NodeSpec, random: Random) -> int:
    spread = 0.5
    centre = math.log(node.mean_answer_tokens) - spread * spread / 2
    return max(4, int(random.lognormvariate(centre, spread)))


def _thoughts(question: Question, node: NodeSpec, random: Random) -> list[Piece]:
    if not question.think:
        return []
    share = {"low": 0.15, "medium": 0.35, "high": 0.8, "max": 1.0}.get(str(question.think), 0.35)
    length = max(3, int(share * _natural_length(node, random)))
    asked = question.options.get("num_predict", -1)
    if asked > 0:
        length = max(1, min(length, asked // 3))
    writer = Writer(question.model.name, question.prompt, random)
    return [(THINKING, piece) for piece in tokens_of(writer.thoughts(length))[: length + 20]]


def _prose(question: Question, node: NodeSpec, random: Random, room: int) -> list[Piece]:
    writer = Writer(question.model.name, question.prompt, random)
    asked = question.options.get("num_predict", -1)
    if asked > 0 and node.fill_num_predict:
        return [(CONTENT, piece) for piece in write_tokens(writer, room + 1, closes=False)]
    natural = _natural_length(node, random)
    closing = 20 if natural > 40 else 0
    return [(CONTENT, piece) for piece in write_tokens(writer, max(1, natural - closing), closes=closing > 0)]


def _citing(question: Question, random: Random, pieces: list[Piece]) -> list[Piece]:
    """Told to cite numbered passages, it does so at the end of some sentences."""
    numbers = _NUMBERED.findall(question.prompt) if _TOLD_TO_CITE in question.prompt else []
    if not numbers:
        return pieces
    cited: list[Piece] = []
    for kind, text in pieces:
        if text == "." and random.random() < _CITED:
            cited.append((CONTENT, f" [{random.choice(numbers)}]"))
        cited.append((kind, text))
    return cited


def check_format(value: Any) -> None:
    if value in (None, "", "json") or isinstance(value, dict):
        return
    shown = json.dumps(json.dumps(value))  # the server quotes the JSON it was sent
    raise Refusal(500, f'invalid format: {shown}; expected "json" or a valid JSON Schema object', in_stream=True)


def _json(question: Question, random: Random) -> str:
    schema = question.format if isinstance(question.format, dict) else {}
    inventor = Inventor(schema, question.prompt, random)
    value = inventor.value(schema) if schema else inventor.free_object()
    return json.dumps(value, ensure_ascii=False)


def _stopped(answer: Answer, stops: Sequence[str]) -> Answer:
    """End before the first stop text in what is said; thoughts do not count."""
    said = "".join(text for kind, text in answer.pieces if kind == CONTENT)
    ends = [found for stop in stops if stop and (found := said.find(stop)) >= 0]
    if ends:
        before = [piece for piece in answer.pieces if piece[0] != CONTENT]
        answer.pieces = before + _spoken(said[: min(ends)])
    return answer


def _cut(answer: Answer, limit: int) -> Answer:
    if len(answer.pieces) > limit:
        answer.pieces = answer.pieces[:limit]
        answer.tool_calls = []
        answer.done_reason = "length"
    return answer
