"""Retention over REST: rules, dry runs, clean-ups that are asked for, watched and stopped."""

from typing import Annotated

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router
from ninja.responses import Status
from pydantic import AwareDatetime, Field
from typing_extensions import TypedDict

from orchestration.api.auth import actor_of, viewer_of
from orchestration.api.bodies import Body
from orchestration.api.paging import page
from orchestration.api.problems import errors
from orchestration.api.schemas import LIMIT_DEFAULT, Cursor, Limit, either
from orchestration.payloads import retention as shapes
from orchestration.payloads.retention import CleanUpPayload, PlanPayload, RetentionPayload, RulePayload
from orchestration.policy.retention import LONGEST_DAYS
from orchestration.queries import get_agent
from orchestration.queries import retention as queries
from orchestration.services import retention as service

router = Router(tags=["outputs"])

Days = Annotated[int | None, Field(ge=1, le=LONGEST_DAYS, description="null: for good")]
DryRun = Annotated[bool, Query(description="Only tell what would be removed; nothing is.")]


class RuleChange(Body):
    """``keep_collected``: what is in a collection stays, with its whole run."""

    text_days: Days = None
    task_days: Days = None
    keep_collected: bool = True


class RuleNew(RuleChange):
    agent_id: Annotated[int | str | None, either(int, str, type(None), words="an agent's id or name, or null")] = Field(
        None, description="Id or name; null is for every agent without a rule of its own."
    )


class CleanUpNew(Body):
    as_of: Annotated[AwareDatetime | None, Field(strict=False)] = Field(
        None, description="The moment ages are counted from; take that of the dry run. Now, if left out."
    )
    expected: Annotated[int | None, Field(ge=0, lt=2**63)] = Field(
        None, description="How many tasks may change or go at most; needed for more than 100."
    )


class CleanUpList(TypedDict):
    """Newest first."""

    clean_ups: list[CleanUpPayload]
    next_cursor: str | None


@router.get("/retention", response={200: RetentionPayload, **errors(403)}, summary="How long texts and tasks are kept")
def get_retention(request: HttpRequest) -> RetentionPayload:
    """The rules, when they are next kept to, and the folder that answers are written into."""
    viewer_of(request)
    return queries.retention()


@router.post(
    "/retention",
    response={201: RulePayload, **errors(403, 404, 409, 413)},
    summary="Say how long an agent's texts and tasks are kept",
)
def add_rule(request: HttpRequest, body: RuleNew) -> Status[RulePayload]:
    """It takes effect with the next clean-up: the daily one is the first after the next full day's hour."""
    agent = None if body.agent_id is None else get_agent(body.agent_id)
    values = body.model_dump(exclude={"agent_id"})
    return Status(201, shapes.rule(service.add_rule(actor=actor_of(request), agent=agent, **values)))


@router.put(
    "/retention/{int:rule_id}",
    response={200: RulePayload, **errors(403, 404, 413)},
    summary="Change how long they are kept",
)
def change_rule(request: HttpRequest, rule_id: int, body: RuleChange) -> RulePayload:
    row = service.change_rule(actor=actor_of(request), rule_id=rule_id, **body.model_dump())
    return shapes.rule(row)


@router.delete("/retention/{int:rule_id}", response={204: None, **errors(403, 404)}, summary="Take back a rule")
def remove_rule(request: HttpRequest, rule_id: int) -> Status[None]:
    """Its agent then goes by the rule for all others, if there is one."""
    service.remove_rule(actor=actor_of(request), rule_id=rule_id)
    return Status(204, None)


@router.post(
    "/outputs/cleanup",
    response={200: PlanPayload, 202: CleanUpPayload, **errors(403, 409, 413)},
    summary="Remove what has been kept for long enough, or tell what that is",
)
def clean_up(request: HttpRequest, body: CleanUpNew | None = None, dry_run: DryRun = False) -> Status[PlanPayload]:
    """A dry run is answered at once. A clean-up is done by the process that leads, piece by piece: 202, and
    ``outputs/cleanup/{id}`` tells the rest. With the dry run's ``as_of`` and count it removes what that has told."""
    asked = body or CleanUpNew()
    if dry_run:
        viewer_of(request)
        return Status(200, queries.dry_run(asked.as_of or timezone.now()))
    row = service.ask_clean_up(actor=actor_of(request), as_of=asked.as_of, expected=asked.expected)
    return Status(202, shapes.clean_up(row))


@router.get("/outputs/cleanup", response={200: CleanUpList, **errors(403)}, summary="List clean-ups, newest first")
def list_clean_ups(request: HttpRequest, limit: Limit = LIMIT_DEFAULT, cursor: Cursor = None) -> CleanUpList:
    viewer_of(request)
    rows, following = page(queries.clean_ups(), limit=limit, cursor=cursor)
    return CleanUpList(clean_ups=rows, next_cursor=following)


@router.get(
    "/outputs/cleanup/{int:clean_up_id}",
    response={200: CleanUpPayload, **errors(403, 404)},
    summary="One clean-up: what it has removed so far",
)
def get_clean_up(request: HttpRequest, clean_up_id: int) -> CleanUpPayload:
    viewer_of(request)
    return shapes.clean_up(queries.get_clean_up(clean_up_id))


@router.post(
    "/outputs/cleanup/{int:clean_up_id}/stop",
    response={200: CleanUpPayload, **errors(403, 404, 409)},
    summary="Stop a clean-up",
)
def stop_clean_up(request: HttpRequest, clean_up_id: int) -> CleanUpPayload:
    """What is removed stays removed; the rest stays."""
    return shapes.clean_up(service.stop_clean_up(actor=actor_of(request), clean_up_id=clean_up_id))
