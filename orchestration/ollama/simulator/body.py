"""Reading request bodies the way Go's JSON decoder does: any content type, any case of keys, its own complaints."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .durations import keep_alive_seconds
from .refusal import Refusal

Check = Callable[[Any, str], Any]

_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_CONTEXTS = (
    ("Expecting value", "looking for beginning of value"),
    ("Expecting property name", "looking for beginning of object key string"),
    ("Illegal trailing comma before end of object", "looking for beginning of object key string"),
    ("Illegal trailing comma", "looking for beginning of value"),
    ("Expecting ':' delimiter", "after object key"),
    ("Invalid control character", "in string literal"),
    ("Invalid \\escape", "in string escape code"),
)


@dataclass(frozen=True, slots=True)
class Shape:
    """The fields of one request type under its Go name; fields not named are ignored."""

    name: str
    fields: Mapping[str, Check]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


def _mismatch(value: Any, path: str, go_type: str) -> NoReturn:
    kind = f"number {value}" if isinstance(value, float) and go_type == "int" else _kind(value)
    raise Refusal(400, f"json: cannot unmarshal {kind} into Go struct field {path} of type {go_type}")


def expect(go_type: str, *kinds: type) -> Check:
    def check(value: Any, path: str) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            _mismatch(value, path, go_type)
        return value

    return check


TEXT = expect("string", str)
FLAG = expect("bool", bool)
WHOLE = expect("int", int)
NUMBER = expect("float64", int, float)
OBJECT = expect("map[string]interface {}", dict)


def anything(value: Any, _path: str) -> Any:
    return value


def listed(item: Check, go_type: str) -> Check:
    def check(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            _mismatch(value, path, go_type)
        return [item(entry, path) for entry in value if entry is not None]

    return check


def keep_alive(value: Any, _path: str) -> float:
    return keep_alive_seconds(value)


def think(value: Any, _path: str) -> Any:
    words = '"high", "medium", "low", "max", true, or false'
    if isinstance(value, bool) or value in ("high", "medium", "low", "max"):
        return value
    if isinstance(value, str):
        raise Refusal(400, f'invalid think value: "{value}" (must be {words})')
    raise Refusal(400, f"think must be a boolean or string ({words})")


def image(value: Any, path: str) -> str:
    text = str(TEXT(value, path)).replace("\r", "").replace("\n", "")
    match = _BASE64.match(text)
    good = match.end() if match else 0
    if good < len(text) or len(text) % 4:
        raise Refusal(400, f"illegal base64 data at input byte {good if good < len(text) else len(text) // 4 * 4}")
    return text


def nested(fields: Mapping[str, Check], go_type: str) -> Check:
    def check(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            _mismatch(value, path, go_type)
        return _fields(value, fields, path)

    return check


def _fields(value: dict[str, Any], fields: Mapping[str, Check], path: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, entry in value.items():
        name = key if key in fields else key.lower()
        if entry is not None and name in fields:
            found[name] = fields[name](entry, f"{path}.{name}")
    return found


_FUNCTION = nested({"index": WHOLE, "name": TEXT, "arguments": OBJECT}, "api.ToolCallFunction")
_MESSAGE = nested(
    {
        "role": lambda value, path: TEXT(value, path).lower(),
        "content": TEXT,
        "thinking": TEXT,
        "images": listed(image, "[]api.ImageData"),
        "tool_calls": listed(nested({"id": TEXT, "function": _FUNCTION}, "api.ToolCall"), "[]api.ToolCall"),
        "tool_name": TEXT,
        "tool_call_id": TEXT,
    },
    "api.Message",
)
_TOOL_FUNCTION = nested({"name": TEXT, "description": TEXT, "parameters": OBJECT}, "api.ToolFunction")
_COMMON: dict[str, Check] = {
    "model": TEXT,
    "name": TEXT,
    "stream": FLAG,
    "format": anything,
    "keep_alive": keep_alive,
    "options": OBJECT,
    "think": think,
    "truncate": FLAG,
    "shift": FLAG,
    "logprobs": FLAG,
    "top_logprobs": WHOLE,
}
_NAMED: dict[str, Check] = {"model": TEXT, "name": TEXT, "stream": FLAG, "insecure": FLAG}

GENERATE = Shape(
    "GenerateRequest",
    _COMMON
    | {
        "prompt": TEXT,
        "suffix": TEXT,
        "system": TEXT,
        "template": TEXT,
        "context": listed(WHOLE, "[]int"),
        "raw": FLAG,
        "images": listed(image, "[]api.ImageData"),
    },
)
CHAT = Shape(
    "ChatRequest",
    _COMMON
    | {
        "messages": listed(_MESSAGE, "[]api.Message"),
        "tools": listed(nested({"type": TEXT, "function": _TOOL_FUNCTION}, "api.Tool"), "api.Tools"),
    },
)
EMBED = Shape(
    "EmbedRequest",
    {
        "model": TEXT,
        "input": anything,
        "truncate": FLAG,
        "dimensions": WHOLE,
        "keep_alive": keep_alive,
        "options": OBJECT,
    },
)
EMBEDDINGS = Shape("EmbeddingRequest", {"model": TEXT, "prompt": TEXT, "keep_alive": keep_alive, "options": OBJECT})
SHOW = Shape("ShowRequest", _NAMED | {"verbose": FLAG, "system": TEXT, "template": TEXT, "options": OBJECT})
PULL = Shape("PullRequest", _NAMED)
PUSH = Shape("PushRequest", _NAMED)
DELETE = Shape("DeleteRequest", _NAMED)
COPY = Shape("CopyRequest", {"source": TEXT, "destination": TEXT})
CREATE = Shape(
    "CreateRequest",
    _NAMED
    | {
        "from": TEXT,
        "files": OBJECT,
        "adapters": OBJECT,
        "template": TEXT,
        "system": TEXT,
        "license": anything,
        "parameters": OBJECT,
        "messages": listed(_MESSAGE, "[]api.Message"),
        "quantize": TEXT,
    },
)
FREE = Shape("Request", {})


def _no_constant(name: str) -> NoReturn:
    raise Refusal(400, f"invalid character '{name[0]}' looking for beginning of value")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _complaint(error: json.JSONDecodeError) -> str:
    text = error.doc
    if error.msg.startswith("Unterminated string") or error.pos >= len(text):
        return "unexpected EOF"
    if error.msg.startswith("Expecting ',' delimiter"):
        # Python does not say which container it was in; the nearest open bracket does.
        in_array = text.rfind("[", 0, error.pos) > text.rfind("{", 0, error.pos)
        context = "after array element" if in_array else "after object key:value pair"
    else:
        context = next((words for start, words in _CONTEXTS if error.msg.startswith(start)), _CONTEXTS[0][1])
    return f"invalid character {text[error.pos]!r} {context}"


def read_json(raw: bytes) -> Any:
    """The first JSON value of a body; what follows it is not looked at."""
    text = raw.decode("utf-8", "replace").lstrip(" \t\r\n")
    if not text:
        raise Refusal(400, "missing request body")
    try:
        return _DECODER.raw_decode(text)[0]
    except json.JSONDecodeError as error:
        raise Refusal(400, _complaint(error)) from None


def read_body(raw: bytes, shape: Shape) -> dict[str, Any]:
    value = read_json(raw)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Refusal(400, f"json: cannot unmarshal {_kind(value)} into Go value of type api.{shape.name}")
    return value if shape is FREE else _fields(value, shape.fields, shape.name)
