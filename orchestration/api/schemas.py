"""The shapes of bodies and of lists. What they mean is checked by the services; single objects are the payloads."""

from typing import Annotated, Any

from django.conf import settings
from ninja import Query
from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from orchestration.api.bodies import Body
from orchestration.payloads import (
    AgentPayload,
    ModelConfigPayload,
    PausePayload,
    RunPayload,
    TaskRow,
)
from orchestration.policy.failures import CHOICES
from orchestration.policy.kinds import Kind
from orchestration.policy.states import AgentKind, PauseKind
from orchestration.services.tries import LONGEST_FIRST_DELAY, MOST_GROWTH

LIMIT_DEFAULT = 50
LIMIT_MOST = 500
WAIT_MOST_SECONDS = 600
MANY = 1000

Limit = Annotated[int, Query(ge=1, le=LIMIT_MOST, description="Rows a page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="next_cursor of the page before.")]
Wait = Annotated[
    float, Query(ge=0, le=WAIT_MOST_SECONDS, allow_inf_nan=False, description="Seconds to wait for the end.")
]


def either(*kinds: type, words: str) -> BeforeValidator:
    """One problem in words where pydantic would name one for each member of the union."""

    def check(value: Any) -> Any:
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise PydanticCustomError("wrong_kind", "{words}", {"words": f"must be {words}"})
        return value

    return BeforeValidator(check)


def _texts(value: Any) -> Any:
    if isinstance(value, list) and not all(isinstance(item, str) for item in value):
        raise PydanticCustomError("wrong_kind", "must be a text, or for embed a list of texts")
    return value


Text = Annotated[
    str | list[str], BeforeValidator(_texts), either(str, list, words="a text, or for embed a list of texts")
]
KeepAlive = Annotated[
    float | str | None,
    either(int, float, str, type(None), words='seconds, or a text such as "5m"'),
    Field(description='Seconds or a duration such as "5m"; negative is for ever. A wish: it never shortens.'),
]
Think = Annotated[
    bool | str | None, either(bool, str, type(None), words='true, false, "low", "medium", "high" or "max"')
]
Format = Annotated[
    str | dict[str, Any] | None, either(str, dict, type(None), words='"json", a JSON schema, or "text" for none')
]
Preset = Annotated[str, Field(max_length=60, description="The name of a preset; own options win over its.")]
Document = Annotated[str | dict[str, Any], either(str, dict, words="a text or an object with a text")]
Tags = Annotated[list[str], Field(max_length=MANY)]
Names = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MANY)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False, le=30 * 86_400)]
Id = Annotated[int, Field(ge=1, lt=2**63)]
ShortText = Annotated[str, Field(max_length=200)]


class MessageIn(Body):
    role: str
    content: str = ""
    thinking: str = ""
    images: list[str] = []
    tool_calls: list[dict[str, Any]] = []
    tool_name: str = ""
    tool_call_id: str = ""


class TaskIn(Body):
    """One task: ``input``, or for chat ``messages``. ``model_name`` empty: the agent decides."""

    type: str = Field(description="generate, chat, embed, an installed task type, or custom with parameters.handler")
    input: Text = ""
    messages: list[MessageIn] | None = None
    model_name: ShortText = ""
    preset: Preset = ""
    parameters: dict[str, Any] = Field({}, description="Ollama options; or those of an installed task type.")
    priority: int | None = Field(None, description="0 high, 1 normal, 2 low")
    images: list[str] = Field([], description="Base64.")
    context: list[Document] = Field([], description="Texts to base the answer on, cited as [1], [2], …")
    document_ids: Annotated[list[Id], Field(max_length=MANY)] = Field([], description="Documents, likewise.")
    context_tokens: Annotated[int, Field(ge=256, le=1_000_000)] | None = Field(
        None, description="How much of the prompt they may take; of more, the passages nearest to the question."
    )
    client_ref: ShortText = ""
    metadata: dict[str, Any] = {}
    tags: Tags = []
    title: Annotated[str, Field(max_length=160)] = ""
    keep_alive: KeepAlive = None
    timeout_seconds: Seconds | None = None
    max_tries: Annotated[int, Field(ge=1, le=100)] | None = None
    think: Think = None
    format: Format = None
    tools: list[dict[str, Any]] | None = None


class SubmitBody(Body):
    """Tasks that belong together. What stands here holds for each task that does not say otherwise."""

    agent_id: Annotated[int | str, either(int, str, words="an agent's id or name")] = Field(
        "default", description="Id or name."
    )
    tasks: Annotated[list[TaskIn], Field(min_length=1, max_length=settings.DROVER_MAX_TASKS_PER_REQUEST)]
    sequential: bool = Field(False, description="Each task starts when the one before it has completed.")
    continue_on_error: bool = Field(False, description="A sequence goes on after a task that failed.")
    allow_missing_models: bool = Field(False, description="Wait for a model that no node has yet.")
    preset: Preset = ""
    parameters: dict[str, Any] = Field({}, description="Ollama options; a task's own win one by one.")
    priority: int = Field(1, description="0 high, 1 normal, 2 low")
    keep_alive: KeepAlive = None
    tags: Tags = []


class TaskChanges(Body):
    priority: int | None = None
    tags: Tags | None = None


Expected = Annotated[
    int | None,
    Field(ge=0, description="Most tasks it may be about, needed for more than 100 and without any filter."),
]
UpTo = Annotated[int | None, Field(ge=0, description="Tasks with a higher id are left alone: they came later.")]


class BulkCancel(Body):
    expected: Expected = None
    up_to: UpTo = None


class BulkPriority(BulkCancel):
    priority: int = Field(description="0 high, 1 normal, 2 low")


class PauseNew(Body):
    kind: Annotated[PauseKind, Field(strict=False)]
    key: ShortText = Field(description="A priority (0 to 2 or its word), an agent's id or name, or a model's name.")
    note: Annotated[str, Field(max_length=200)] = ""


class RetryIn(Body):
    """Beside max_tries. What is left out or null here is taken from the next in line: agent, model, settings."""

    first_delay_seconds: Annotated[float, Field(ge=0, le=LONGEST_FIRST_DELAY, allow_inf_nan=False)] | None = None
    growth: Annotated[float, Field(ge=1, le=MOST_GROWTH, allow_inf_nan=False)] | None = None
    on: Annotated[
        list[ShortText],
        Field(max_length=50, description=f"Error codes that are tried again: {', '.join(CHOICES)}. Empty: as usual."),
    ] = []


_PREFERENCES = (
    f"A model by kind of task: {', '.join(Kind)}, or the name of a task type of one's own. The kind is found in the "
    "prompt; the most telling that is named here decides."
)


class AgentConfigIn(Body):
    max_concurrent_tasks: Annotated[int, Field(ge=1, le=10_000)] = 3
    default_model: ShortText = ""
    timeout_seconds: Seconds | None = None
    max_tries: Annotated[int, Field(ge=1, le=100)] | None = None
    retry: RetryIn = RetryIn()
    routing_preferences: dict[str, str] = Field({}, description=_PREFERENCES)


class AgentChanges(Body):
    """Fields that are not sent stay as they are."""

    name: Annotated[str, Field(max_length=80)] = ""
    description: Annotated[str, Field(max_length=10_000)] = ""
    kind: Annotated[AgentKind, Field(strict=False)] = AgentKind.CUSTOM
    models: Names = []
    config: AgentConfigIn = AgentConfigIn()
    system_prompt: str | None = Field(None, description="Null or not sent: its kind's. Empty: none at all.")
    preset: Preset = ""
    options: dict[str, Any] = {}
    think: Think = Field(None, description="Null: as its kind does. Kept from models that cannot think.")
    fallbacks: Names = Field([], description="Models to go on with, in order, when one is missing or fails.")
    prefer_labels: Tags = Field([], description="Of its models, those with most of these labels are taken.")
    answer_schema: Annotated[
        dict[str, Any] | str | None, either(dict, str, type(None), words='a JSON schema, or "text" for none')
    ] = Field(None, description="JSON schema for the answers of tasks that name no format.")
    memory_enabled: bool = Field(False, description="Facts are kept from one conversation to others.")
    router: Annotated[str, Field(max_length=80)] = Field("", description="An installed router; empty: the rule.")
    extension: Annotated[str, Field(max_length=80)] = Field("", description="An installed agent extension.")


class AgentNew(AgentChanges):
    name: Annotated[str, Field(max_length=80)]


class ModelConfigChanges(Body):
    """Fields that are not sent stay as they are."""

    model_name: ShortText = ""
    enabled: bool = True
    priority: Annotated[int, Field(ge=-1000, le=1000)] = 0
    max_concurrent_requests: Annotated[int, Field(ge=1, le=10_000)] = 5
    timeout_seconds: Seconds | None = None
    max_tries: Annotated[int, Field(ge=1, le=100)] | None = None
    retry: RetryIn = RetryIn()
    keep_alive_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    description: Annotated[str, Field(max_length=10_000)] = ""
    preset: Preset = ""
    options: dict[str, Any] = Field({}, description="Ollama options, those of the runner too.")
    think: Think = None
    labels: Tags = []
    fallbacks: Names = []
    allowed_nodes: Annotated[Names, Field(description="Names or labels of nodes; empty: every one that has it.")] = []


class ModelConfigNew(ModelConfigChanges):
    model_name: ShortText


RETRY_COLUMNS = {"first_delay_seconds": "retry_delay_seconds", "growth": "retry_growth", "on": "retry_on"}


def laid_flat(fields: dict[str, Any]) -> dict[str, Any]:
    """What was sent of ``retry``, as the services take it."""
    sent = fields.pop("retry", {})
    return {**fields, **{RETRY_COLUMNS[name]: value for name, value in sent.items()}}


class AgentList(TypedDict):
    agents: list[AgentPayload]
    next_cursor: str | None


class TaskList(TypedDict):
    """Newest first."""

    tasks: list[TaskRow]
    next_cursor: str | None
    prev_cursor: str | None


class RunList(TypedDict):
    """Newest first, without their tasks."""

    runs: list[RunPayload]
    next_cursor: str | None


class ModelConfigList(TypedDict):
    model_configs: list[ModelConfigPayload]
    next_cursor: str | None


class PauseList(TypedDict):
    pauses: list[PausePayload]
    next_cursor: str | None


class Skipped(TypedDict):
    """``foreign``: of somebody else. ``moved_on``: started or ended before its turn came."""

    foreign: int
    moved_on: int


class BulkAnswer(TypedDict):
    """``matched``: tasks it could be about; all of them were either changed or skipped."""

    matched: int
    changed: int
    skipped: Skipped


class CancelledRun(TypedDict):
    id: int
    cancelled: int
    status: str
