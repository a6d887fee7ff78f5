"""What Ollama says, as dataclasses: nanoseconds, missing fields and the other quirks of the protocol end here."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Any, Final

from orchestration.errors import InvalidInput, MalformedAnswer
from orchestration.ollama.ndjson import Json, parse_object

FOREVER: Final = timedelta.max
_LARGEST_COUNT: Final = 2**53  # a database counts to 2**63: this leaves room for sums
_GO_DURATION_UNITS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_GO_DURATION_PART: Final = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_GO_DURATION: Final = re.compile(rf"([+-]?)((?:{_GO_DURATION_PART.pattern})+|0)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Where the time of one call went, by the server's own account."""

    total: timedelta
    load: timedelta
    prefill: timedelta
    decode: timedelta
    prompt_tokens: int
    output_tokens: int

    @property
    def queued_inside(self) -> timedelta:
        """The wait for a slot of a loaded model: the only sign of a queue that the server gives. Of a call that wrote
        nothing, such as embedding, it tells no parts, and nobody knows how much of it was a wait."""
        if not self.prefill and not self.decode:
            return timedelta()
        return max(self.total - self.load - self.prefill - self.decode, timedelta())

    def __add__(self, other: "Metrics") -> "Metrics":
        """Of two calls, one after the other."""
        return Metrics(
            total=self.total + other.total,
            load=self.load + other.load,
            prefill=self.prefill + other.prefill,
            decode=self.decode + other.decode,
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )

    @property
    def tokens_per_second(self) -> float | None:
        seconds = self.decode.total_seconds()
        return self.output_tokens / seconds if seconds and self.output_tokens else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    name: str
    arguments: Json
    id: str | None
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """One object of a generate or chat answer; the last one is ``done`` and has the metrics."""

    text: str
    thinking: str
    tool_calls: tuple[ToolCall, ...]
    done: bool
    done_reason: str | None
    metrics: Metrics | None
    model: str
    raw: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledModel:
    name: str
    digest: str
    size_bytes: int
    family: str
    families: tuple[str, ...]
    parameter_size: str
    quantization: str
    capabilities: tuple[str, ...]
    context_length: int | None
    embedding_length: int | None
    modified_at: datetime | None
    remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    name: str
    digest: str
    size_bytes: int
    vram_bytes: int
    context_length: int | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDetails:
    capabilities: tuple[str, ...]
    context_length: int | None
    template: str
    parameters: str
    license: str
    system: str
    family: str
    parameter_size: str
    quantization: str
    model_info: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbedResult:
    vectors: list[list[float]]
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class PullProgress:
    status: str
    digest: str | None
    total: int | None
    completed: int | None
    done: bool


def parse_chunk(answer: Json) -> Chunk:
    done = answer.get("done", False)
    message = answer.get("message")
    if isinstance(message, dict):
        text = message.get("content")
    else:
        message, text = answer, answer.get("response")
    if not isinstance(done, bool) or (text is None and message is answer and not done):
        raise MalformedAnswer("The answer is neither of a chat nor of a generate call", keys=sorted(answer)[:20])
    tool_calls = message.get("tool_calls")
    return Chunk(
        text=_text(text),
        thinking=_text(message.get("thinking")),
        tool_calls=_tool_calls(tool_calls) if tool_calls else (),
        done=done,
        done_reason=_text(answer.get("done_reason")) or None,
        metrics=parse_metrics(answer) if done else None,
        model=_text(answer.get("model")),
        raw=answer,
    )


def parse_metrics(answer: Mapping[str, Any]) -> Metrics:
    return Metrics(
        total=_duration(answer.get("total_duration")),
        load=_duration(answer.get("load_duration")),
        prefill=_duration(answer.get("prompt_eval_duration")),
        decode=_duration(answer.get("eval_duration")),
        prompt_tokens=_count(answer.get("prompt_eval_count")),
        output_tokens=_count(answer.get("eval_count")),
    )


def parse_version(answer: Mapping[str, Any]) -> str:
    version = answer.get("version")
    if not isinstance(version, str) or not version:
        raise MalformedAnswer("The answer has no version", keys=sorted(answer)[:20])
    return version


def parse_installed(answer: Mapping[str, Any]) -> list[InstalledModel]:
    return [_installed(entry) for entry in _objects(answer, "models")]


def parse_loaded(answer: Mapping[str, Any]) -> list[LoadedModel]:
    return [_loaded(entry) for entry in _objects(answer, "models")]


def parse_details(answer: Mapping[str, Any]) -> ModelDetails:
    details, info = _object(answer.get("details")), _object(answer.get("model_info"))
    return ModelDetails(
        capabilities=_texts(answer.get("capabilities")),
        context_length=_context_length(info),
        template=_text(answer.get("template")),
        parameters=_text(answer.get("parameters")),
        license=_text(answer.get("license")),
        system=_text(answer.get("system")),
        family=_text(details.get("family")),
        parameter_size=_text(details.get("parameter_size")),
        quantization=_text(details.get("quantization_level")),
        model_info=info,
    )


def parse_embeddings(answer: Mapping[str, Any]) -> EmbedResult:
    vectors = answer.get("embeddings")
    if not isinstance(vectors, list) or not all(isinstance(vector, list) for vector in vectors):
        raise MalformedAnswer("The answer has no embeddings", keys=sorted(answer)[:20])
    return EmbedResult(vectors=vectors, metrics=parse_metrics(answer))


def parse_pull(answer: Mapping[str, Any]) -> PullProgress:
    status = answer.get("status")
    if not isinstance(status, str):
        raise MalformedAnswer("The answer has no status", keys=sorted(answer)[:20])
    return PullProgress(
        status=status,
        digest=_text(answer.get("digest")) or None,
        total=_optional_count(answer.get("total")),
        completed=_optional_count(answer.get("completed")),
        done=status == "success",
    )


def format_keep_alive(keep_alive: timedelta) -> int | float:
    """Seconds as Ollama reads them; FOREVER, like any negative time, is -1."""
    if keep_alive == FOREVER or keep_alive < timedelta():
        return -1
    seconds = keep_alive.total_seconds()
    return int(seconds) if seconds.is_integer() else seconds


def parse_keep_alive(value: Any) -> timedelta | None:
    """What a client of Ollama may send: seconds, a Go duration, or nothing; anything negative is FOREVER."""
    if value is None:
        return None
    if isinstance(value, str):
        return _seconds(_go_duration(value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidInput(f"keep_alive must be seconds or a duration such as 5m, not {value!r}")
    return _seconds(value)


def _seconds(value: float) -> timedelta:
    try:
        return FOREVER if value < 0 else timedelta(seconds=value)
    except OverflowError:
        return FOREVER
    except ValueError as exc:
        raise InvalidInput("keep_alive must be a number") from exc


def _go_duration(text: str) -> float:
    found = _GO_DURATION.fullmatch(text)
    if found is None:
        missing_unit = re.fullmatch(r"[+-]?[\d.]+", text)
        raise InvalidInput(f'time: {"missing unit in" if missing_unit else "invalid"} duration "{text}"')
    parts = _GO_DURATION_PART.findall(found[2])
    seconds = sum(float(number) * _GO_DURATION_UNITS[unit] for number, unit in parts)
    return -seconds if found[1] == "-" else seconds


def _tool_calls(calls: Any) -> tuple[ToolCall, ...]:
    if not isinstance(calls, list):
        raise MalformedAnswer("tool_calls is not a list")
    return tuple(_tool_call(position, _object(call)) for position, call in enumerate(calls))


def _tool_call(position: int, call: Json) -> ToolCall:
    function = _object(call.get("function"))
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        # Some servers send the arguments as OpenAI does: JSON in a string.
        arguments = parse_object(arguments.encode()) if arguments.strip() else {}
    index = function.get("index")
    return ToolCall(
        name=_text(function.get("name")),
        arguments=_object(arguments),
        id=_text(call.get("id")) or None,
        index=position if index is None else _count(index),
    )


def _installed(entry: Json) -> InstalledModel:
    details = _object(entry.get("details"))
    return InstalledModel(
        name=_name(entry),
        digest=_text(entry.get("digest")),
        size_bytes=_count(entry.get("size")),
        family=_text(details.get("family")),
        families=_texts(details.get("families")),
        parameter_size=_text(details.get("parameter_size")),
        quantization=_text(details.get("quantization_level")),
        capabilities=_texts(entry.get("capabilities")),
        context_length=_optional_count(details.get("context_length")),
        embedding_length=_optional_count(details.get("embedding_length")),
        modified_at=_moment(entry.get("modified_at")),
        remote=bool(entry.get("remote_model") or entry.get("remote_host")),
    )


def _loaded(entry: Json) -> LoadedModel:
    return LoadedModel(
        name=_name(entry),
        digest=_text(entry.get("digest")),
        size_bytes=_count(entry.get("size")),
        vram_bytes=_count(entry.get("size_vram")),
        context_length=_optional_count(entry.get("context_length")),
        expires_at=_moment(entry.get("expires_at")),
    )


def _name(entry: Json) -> str:
    name = _text(entry.get("name")) or _text(entry.get("model"))
    if not name:
        raise MalformedAnswer("A model in the answer has no name", keys=sorted(entry)[:20])
    if not name.isprintable() or " " in name:  # it becomes part of addresses
        raise MalformedAnswer("A model in the answer has a name that no model can have", name=name[:200])
    return name


def _context_length(info: Json) -> int | None:
    architecture = info.get("general.architecture")
    if f"{architecture}.context_length" in info:
        return _optional_count(info[f"{architecture}.context_length"])
    return next((_optional_count(value) for key, value in info.items() if key.endswith(".context_length")), None)


def _objects(answer: Mapping[str, Any], key: str) -> list[Json]:
    if key not in answer:
        raise MalformedAnswer(f"The answer has no {key}", keys=sorted(answer)[:20])
    entries = [] if answer[key] is None else answer[key]
    if not isinstance(entries, list):
        raise MalformedAnswer(f"{key} is not a list")
    return [_object(entry) for entry in entries]


def _object(value: Any) -> Json:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise MalformedAnswer(f"An object was expected, not {type(value).__name__}")
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise MalformedAnswer(f"Text was expected, not {type(value).__name__}")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    if value is not None and not isinstance(value, list):
        raise MalformedAnswer(f"A list of texts was expected, not {type(value).__name__}")
    return tuple(_text(item) for item in value or ())


def _count(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise MalformedAnswer(f"A number was expected, not {type(value).__name__}")
    try:
        number = int(value)
        if number >= 2**64:
            raise OverflowError
        return min(max(number, 0), _LARGEST_COUNT)
    except (OverflowError, ValueError) as exc:
        raise MalformedAnswer("A number is out of range") from exc


def _optional_count(value: Any) -> int | None:
    return None if value is None else _count(value)


def _duration(nanoseconds: Any) -> timedelta:
    try:
        return timedelta(microseconds=_count(nanoseconds) / 1000)
    except OverflowError as exc:
        raise MalformedAnswer("A duration is out of range") from exc


def _moment(value: Any) -> datetime | None:
    """None for what is missing, unreadable, Go's zero time, or so far off that nobody can reckon with it."""
    try:
        moment = datetime.fromisoformat(value).astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        return None
    return moment if 1 < moment.year < MAXYEAR else None
