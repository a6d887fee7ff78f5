"""What there is to decide about how tasks are done, what holds, and what memory it takes, over REST."""

from typing import Annotated

from django.http import HttpRequest
from ninja import Query, Router
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import viewer_of
from orchestration.api.problems import errors
from orchestration.errors import InvalidInput
from orchestration.policy.context import BUCKETS
from orchestration.policy.options import OPTIONS, check_options
from orchestration.policy.strict_json import read_json
from orchestration.queries.in_force import EffectivePayload, could_be
from orchestration.queries.memory_forecast import MemoryForecast, memory_forecast

router = Router(tags=["options"])


class OptionPayload(TypedDict):
    """``runner``: for models and the fleet only. ``least`` and ``most`` belong to what it takes."""

    name: str
    label: str
    type: str
    least: int | None
    most: int | None
    usual: str
    help: str
    runner: bool


class OptionList(TypedDict):
    options: list[OptionPayload]


@router.get("/options", response={200: OptionList, **errors(403)}, summary="Every Ollama option, with type and range")
def list_options(request: HttpRequest) -> OptionList:
    viewer_of(request)
    return OptionList(
        options=[
            OptionPayload(
                name=name,
                label=option.label,
                type=option.type_word,
                least=option.least,
                most=option.most,
                usual=option.usual,
                help=option.help,
                runner=option.runner,
            )
            for name, option in OPTIONS.items()
        ]
    )


@router.get(
    "/effective",
    response={200: EffectivePayload, **errors(403, 404)},
    summary="What would hold for a task, and who decided it",
)
def get_effective(
    request: HttpRequest,
    agent: Annotated[str, Query(max_length=200, description="Id or name.")] = "",
    model: Annotated[str, Query(max_length=200, description="Left out: the one that agent or fleet name first.")] = "",
    preset: Annotated[str, Query(max_length=60)] = "",
    parameters: Annotated[str, Query(max_length=10_000, description="The task's own options, as JSON.")] = "",
) -> EffectivePayload:
    viewer_of(request)
    return could_be(
        agent=queries.get_agent(agent) if agent else None,
        model_name=model,
        preset=preset,
        options=_options(parameters),
    )


def _options(text: str) -> dict[str, object]:
    if not text:
        return {}
    try:
        value = read_json(text.encode())
    except (ValueError, RecursionError) as error:
        raise InvalidInput("parameters is a JSON object of options.", field="parameters") from error
    if not isinstance(value, dict):
        raise InvalidInput("parameters is a JSON object of options.", field="parameters")
    return check_options(value)


@router.get(
    "/models/{path:name}/forecast",
    response={200: MemoryForecast, **errors(403, 404)},
    summary="About how much memory a model takes with a context, and where that fits",
)
def get_forecast(
    request: HttpRequest,
    name: str,
    num_ctx: Annotated[
        int | None, Query(ge=1, le=BUCKETS[-1], description="Tokens; left out: as many as is usual.")
    ] = None,
) -> MemoryForecast:
    viewer_of(request)
    return memory_forecast(name, num_ctx)
