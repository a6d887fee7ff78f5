"""The shapes of bodies about workflows, and definitions read from JSON or YAML."""

from typing import Annotated, Any

from django.http import HttpRequest
from pydantic import Field
from typing_extensions import TypedDict

from orchestration.api.bodies import Body, read_body
from orchestration.api.schemas import Format, MessageIn, Preset, Seconds, ShortText, Text, Think, either
from orchestration.errors import InvalidInput
from orchestration.payloads.workflows import VersionPayload, WorkflowPayload
from orchestration.policy.workflow_text import from_yaml
from orchestration.policy.workflows import MOST_STEPS

YAML_TYPES = ("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")

StepNames = Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=MOST_STEPS)]
AgentName = Annotated[int | str, either(int, str, words="an agent's id or name")]
Count = Annotated[int, Field(ge=1, le=100_000)]
WorkflowName = Annotated[str, Field(max_length=80)]


class StepIn(Body):
    """Texts may quote ``{{name}}``, ``{{step1}}``, ``{{previous}}``, ``{{steps.name.output}}``, ``{{input.x}}``; with
    ``for_each`` also ``{{item}}``, ``{{item.field}}`` and ``{{index}}``. They are filled once, and a placeholder makes
    the step wait for what it quotes."""

    name: Annotated[str, Field(max_length=60, description="Letters, digits, _ and -, a letter first.")]
    type: ShortText = Field("", description="generate, chat or embed; chat where there are messages.")
    input: Text | None = None
    messages: list[MessageIn] | None = None
    system: str | None = Field(None, description="In place of the agent's system prompt.")
    agent: AgentName | None = Field(None, description="Another agent than the workflow's, by id or name.")
    model_name: ShortText = ""
    depends_on: StepNames | None = Field(
        None, description="Left out: what it quotes, else the step before it. Empty: it starts at once."
    )
    after: StepNames = Field([], description="Steps that need only have ended, however they did.")
    condition: Annotated[str, Field(max_length=2_000)] = Field(
        "", description='Skipped unless it holds, such as {{review}} contains "yes".'
    )
    for_each: str | None = Field(None, description="A list, mostly a step's answer: one task for each of its items.")
    parallel: Count | None = Field(None, description="Items at once.")
    most: Count | None = Field(None, description="Items in all; a longer list fails the step.")
    preset: Preset = ""
    parameters: dict[str, Any] = Field({}, description="Ollama options.")
    format: Format = None
    think: Think = None
    timeout_seconds: Seconds | None = None
    max_tries: Annotated[int, Field(ge=1, le=100)] | None = None


class LimitsIn(Body):
    """For a run as a whole; fan-outs count with every item."""

    max_seconds: Seconds | None = None
    max_steps: Count | None = None
    max_tokens: Annotated[int, Field(ge=1, le=10**12)] | None = None
    max_parallel: Count | None = None


class InputIn(Body):
    default: Any = None
    required: bool = False
    description: Annotated[str, Field(max_length=1_000)] = ""


class WorkflowBody(Body):
    """A workflow that is run as it comes and saved nowhere."""

    agent_id: AgentName = Field("default", description="Id or name.")
    steps: Annotated[list[StepIn], Field(min_length=1, max_length=MOST_STEPS)]
    name: WorkflowName = "workflow"
    inputs: dict[str, Any] = Field({}, description="What {{input.x}} stands for, by name.")
    continue_on_error: bool = Field(False, description="What builds on a failed step runs all the same.")
    limits: LimitsIn = LimitsIn()
    allow_missing_models: bool = Field(False, description="Wait for a model that no node has yet.")


class DefinitionBody(Body):
    """A workflow as it is saved."""

    name: WorkflowName
    description: Annotated[str, Field(max_length=10_000)] = ""
    agent: AgentName | None = Field(None, description="Id or name; none: the agent default.")
    inputs: dict[str, InputIn | None] = Field({}, description="By name, what {{input.name}} may be given.")
    continue_on_error: bool = False
    limits: LimitsIn = LimitsIn()
    steps: Annotated[list[StepIn], Field(min_length=1, max_length=MOST_STEPS)]


class RunSaved(Body):
    inputs: dict[str, Any] = {}
    version: Count | None = Field(None, description="Left out: the newest.")
    agent_id: AgentName | None = Field(None, description="Another agent than the definition's.")
    allow_missing_models: bool = False


class WorkflowList(TypedDict):
    workflows: list[WorkflowPayload]
    next_cursor: str | None


class VersionList(TypedDict):
    """Newest first."""

    versions: list[VersionPayload]
    next_cursor: str | None


class Difference(TypedDict):
    """``diff``: unified, of the two as YAML; empty when they are the same."""

    before: int
    after: int
    diff: str


def definition_in(request: HttpRequest) -> tuple[Any, str | None]:
    """Plain data, and the text where it came as YAML."""
    if request.content_type not in YAML_TYPES:
        return plain(read_body(request, DefinitionBody)), None
    try:
        text = request.body.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("The YAML is not UTF-8.", field="yaml") from error
    return from_yaml(text), text


def plain(body: DefinitionBody | WorkflowBody) -> dict[str, Any]:
    """Only what was sent: what is as by default goes without saying."""
    return body.model_dump(exclude_unset=True)
