"""Runner and sampling options: types, precedence, and which differences force a reload."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .refusal import Refusal
from .specs import ModelSpec, NodeSpec

_INTEGER_NAMES = (
    "num_ctx num_batch num_gpu main_gpu num_thread draft_num_predict num_predict num_keep seed top_k repeat_last_n"
)
_FLOAT_NAMES = "temperature top_p min_p typical_p repeat_penalty presence_penalty frequency_penalty"
_INTEGERS = frozenset(_INTEGER_NAMES.split())
_FLOATS = frozenset(_FLOAT_NAMES.split())
_BOOLEANS = frozenset({"use_mmap"})
_AUTOMATIC_BATCH = 512


def _wrong(key: str, kind: str) -> Refusal:
    return Refusal(500, f'option "{key}" must be of type {kind}')


def _checked(key: str, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if key in _INTEGERS:
        if not is_number:
            raise _wrong(key, "integer")
        return int(value)
    if key in _FLOATS and not is_number:
        raise _wrong(key, "float32")
    if key in _BOOLEANS and not isinstance(value, bool):
        raise _wrong(key, "boolean")
    if key == "stop" and not isinstance(value, list):
        raise _wrong(key, "array")
    if key == "stop" and not all(isinstance(entry, str) for entry in value):
        raise _wrong(key, "an array of strings")
    return value


def merge_options(model: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Request over model; unknown keys vanish, null means not given."""
    known = _INTEGERS | _FLOATS | _BOOLEANS | {"stop"}
    given = {key: value for key, value in request.items() if value is not None}
    return {key: _checked(key, value) for key, value in (dict(model) | given).items() if key in known}


@dataclass(frozen=True, slots=True)
class RunnerOptions:
    """The part of a request that is the identity of a loaded model."""

    num_ctx: int
    asked_ctx: int | None = None
    num_batch: int | None = None
    num_gpu: int = -1
    main_gpu: int | None = None
    num_thread: int = 0
    use_mmap: bool | None = None
    draft_num_predict: int = 0
    shift: bool = True

    def serves(self, wanted: "RunnerOptions", node: NodeSpec) -> bool:
        """Whether a runner loaded with these options takes a request that wants those."""
        return (
            self._same_context(wanted, node)
            and (self.num_batch or _AUTOMATIC_BATCH) == (wanted.num_batch or _AUTOMATIC_BATCH)
            and (self.main_gpu, self.num_thread, self.draft_num_predict)
            == (wanted.main_gpu, wanted.num_thread, wanted.draft_num_predict)
            and wanted.use_mmap in (None, self.use_mmap)
            and (wanted.num_gpu < 0 or wanted.num_gpu == self.num_gpu)
            and (self.shift == wanted.shift or not node.has_llama_server)
        )

    def _same_context(self, wanted: "RunnerOptions", node: NodeSpec) -> bool:
        if self.asked_ctx is None and wanted.asked_ctx is None:
            return True
        if node.has_llama_server:
            return self.num_ctx == wanted.num_ctx
        # Older servers compared what was asked for, so a request above the training context reloaded every time.
        return (self.asked_ctx or node.default_context) == (wanted.asked_ctx or node.default_context)


def runner_options(options: Mapping[str, Any], model: ModelSpec, node: NodeSpec, *, shift: bool) -> RunnerOptions:
    asked = options.get("num_ctx")
    lowest = 2048 if "vision" in model.capabilities else 4
    context = max(lowest, node.default_context if asked is None else asked)
    return RunnerOptions(
        num_ctx=min(context, model.context),
        asked_ctx=asked,
        num_batch=options.get("num_batch"),
        num_gpu=max(-1, options.get("num_gpu", -1)),
        main_gpu=options.get("main_gpu"),
        num_thread=options.get("num_thread", 0),
        use_mmap=options.get("use_mmap"),
        draft_num_predict=options.get("draft_num_predict", 0),
        shift=shift,
    )
