"""How an answer is written on the wire of the native endpoints, piece by piece or as a whole."""

import json
import math
import random
from dataclasses import dataclass, field
from typing import Any, Protocol

from .answers import CONTENT, THINKING
from .stamps import encode, encode_text, utc_stamp, without_empty


@dataclass(slots=True)
class Said:
    """Everything said so far, collected for an answer in one piece."""

    thinking: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    logprobs: list[dict[str, Any]] = field(default_factory=list)

    def add(self, kind: str, text: str, logprobs: list[dict[str, Any]] | None) -> None:
        if kind == THINKING:
            self.thinking.append(text)
        elif kind == CONTENT:
            self.content.append(text)
        self.logprobs += logprobs or ()


@dataclass(slots=True)
class Ending:
    """The last object: why it ended, and the metrics in nanoseconds."""

    done_reason: str
    metrics: dict[str, int] = field(default_factory=dict)
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    context: list[int] = field(default_factory=list)


class Voice(Protocol):
    content_type: str

    def piece(self, kind: str, text: str, logprobs: list[dict[str, Any]] | None) -> bytes: ...
    def calls(self, calls: list[dict[str, Any]]) -> bytes: ...
    def last(self, ending: Ending) -> bytes: ...
    def whole(self, said: Said, ending: Ending | None) -> dict[str, Any]: ...
    def failure(self, message: str) -> bytes: ...


class NativeVoice:
    """Lines of ``/api/generate`` and ``/api/chat``; the frame of a line is made once, not per token."""

    content_type = "application/x-ndjson"

    def __init__(self, name: str, *, chats: bool) -> None:
        self._name = name
        self._chats = chats
        self._head = f'{{"model":{encode_text(name)},"created_at":"'
        self._content = '","message":{"role":"assistant","content":' if chats else '","response":'
        self._close = "}" if chats else ""

    def piece(self, kind: str, text: str, logprobs: list[dict[str, Any]] | None) -> bytes:
        extra = f',"logprobs":{json.dumps(logprobs)}' if logprobs else ""
        quoted = encode_text(text)
        if kind == THINKING and self._chats:
            said, thought = f'"","thinking":{quoted}', ""
        elif kind == THINKING:
            said, thought = '""', f',"thinking":{quoted}'
        else:
            said, thought = quoted, ""
        line = f'{self._head}{utc_stamp()}{self._content}{said}{self._close}{thought},"done":false{extra}}}\n'
        return line.encode()

    def calls(self, calls: list[dict[str, Any]]) -> bytes:
        return encode(self._object(Said(tool_calls=calls)) | {"done": False}) + b"\n"

    def last(self, ending: Ending) -> bytes:
        return encode(self.whole(Said(tool_calls=ending.tool_calls), ending)) + b"\n"

    def whole(self, said: Said, ending: Ending | None) -> dict[str, Any]:
        answer = self._object(said)
        if ending is None:
            return answer | {"done": False}
        answer |= {"done": True, "done_reason": ending.done_reason}
        if ending.context and not self._chats:
            answer["context"] = ending.context
        return answer | without_empty({"logprobs": said.logprobs} | ending.metrics)

    def failure(self, message: str) -> bytes:
        return encode({"error": message}) + b"\n"

    def _object(self, said: Said) -> dict[str, Any]:
        head: dict[str, Any] = {"model": self._name, "created_at": utc_stamp()}
        content = "".join(said.content)
        extra = without_empty({"thinking": "".join(said.thinking), "tool_calls": said.tool_calls})
        if self._chats:
            return head | {"message": {"role": "assistant", "content": content} | extra}
        return head | {"response": content} | extra


def logprobs_of(text: str, alternatives: int) -> list[dict[str, Any]]:
    """Invented, but ordered as real ones: the chosen token first, the others less likely."""
    best = -random.expovariate(4.0)
    entry = _logprob(text, best)
    if alternatives:
        others = [_logprob(f"{text}{'~' * rank}", best - math.log(2 + rank)) for rank in range(1, alternatives)]
        entry["top_logprobs"] = [_logprob(text, best), *others]
    return [entry]


def _logprob(text: str, value: float) -> dict[str, Any]:
    return {"token": text, "logprob": value, "bytes": list(text.encode())}
