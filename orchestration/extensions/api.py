"""The shapes that extensions are written against."""

from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

Need = Literal["completion", "embedding"]
"""What a model must be able to do for a task type."""

Messages = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a model answered. ``vectors``: of an embedding, one for each text."""

    text: str = ""
    thinking: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    vectors: list[list[float]] | None = None
    done_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Vectors:
    """A result that is one vector for each text, finite numbers, all of the same length."""

    rows: list[list[float]]


Output = str | Vectors | Mapping[str, Any] | Sequence[Any] | int | float | bool | None
"""The result of a task: text, vectors, or anything that JSON can say. None: what was written."""


class Stream(Protocol):
    """An answer while it comes: ``async for piece in stream`` gives its text, ``await stream.answer()`` the whole.

    Leaving the loop early, like cancelling the task, closes the connection, which tells the model to stop.
    """

    def __aiter__(self) -> AsyncIterator[str]: ...

    async def answer(self) -> Answer:
        """What is left of it is read first."""


class ModelClient(Protocol):
    """Calls of the model and node that were granted to the task, one at a time: a task holds one slot.

    ``options`` are Ollama's, on top of the task's own; the context size stays as granted.
    """

    def generate(
        self,
        prompt: str,
        *,
        system: str = "",
        images: Sequence[str] = (),
        format: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        think: bool | str | None = None,
    ) -> Stream: ...

    def chat(
        self,
        messages: Messages,
        *,
        tools: Sequence[Mapping[str, Any]] | None = None,
        format: str | Mapping[str, Any] | None = None,
        options: Mapping[str, Any] | None = None,
        think: bool | str | None = None,
    ) -> Stream: ...

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Vectors that are known from an hour ago need no call."""


class TaskContext(Protocol):
    """One attempt at a task, as its handler sees it. Everything here may be used from the handler's own threads."""

    @property
    def task_id(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def agent(self) -> str: ...
    @property
    def node(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def input(self) -> str | list[str]: ...
    @property
    def messages(self) -> Messages: ...
    @property
    def system(self) -> str: ...
    @property
    def images(self) -> Sequence[str]: ...
    @property
    def format(self) -> str | Mapping[str, Any] | None: ...
    @property
    def parameters(self) -> Mapping[str, Any]: ...
    @property
    def options(self) -> Mapping[str, Any]: ...
    @property
    def client(self) -> ModelClient: ...

    @property
    def cancelled(self) -> bool:
        """For code that does not await: coroutines are cancelled in asyncio's manner."""

    def progress(self, percent: float, message: str = "") -> None:
        """0 to 100. Also a sign of life: who gives none for too long is taken to hang."""

    def write(self, text: str) -> None:
        """More of the answer, for those who watch."""


class TaskHandler(Protocol):
    """A task type. It runs in a thread and an event loop of its own, in a worker.

    ``parameters``: the JSON schema that a task's parameters must follow.
    """

    needs: Need = "completion"
    parameters: Mapping[str, Any] | None = None

    async def run(self, context: TaskContext) -> Output: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCall:
    """What an agent's task is about to ask. ``inputs``: the texts of an embedding, in place of ``prompt``.

    ``notes`` go nowhere: ``before`` may leave there what ``after`` needs.
    """

    type: str
    agent: str
    model: str
    prompt: str = ""
    inputs: Sequence[str] = ()
    messages: Messages = ()
    system: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)


class AgentExtension(Protocol):
    """Processing around the calls of the agents that name it. Each method may be a coroutine.

    ``before`` may change prompt, inputs, messages, system, options and notes; ``after`` gets the call as ``before``
    gave it, and may change text and thinking, or vectors.
    """

    def before(self, call: ModelCall) -> ModelCall | Awaitable[ModelCall]:
        return call

    def after(self, call: ModelCall, answer: Answer) -> Answer | Awaitable[Answer]:
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteModel:
    """A model that the task may use. ``capabilities`` is empty where its server does not tell."""

    name: str
    capabilities: frozenset[str] = frozenset()
    labels: frozenset[str] = frozenset()
    context_length: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteRequest:
    """A task that looks for its models. ``prompt``: all of its text, joined."""

    type: str
    prompt: str
    agent: str
    models: Sequence[RouteModel]
    images: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteChoice:
    """Some of the models, best first, and why, for people to read."""

    models: Sequence[str]
    reason: str


class Router(Protocol):
    """Chooses the models of a task when it is submitted. It must answer at once, and may run in any thread."""

    def route(self, request: RouteRequest) -> RouteChoice | None:
        """None: as without it."""
