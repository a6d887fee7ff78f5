"""One action on all tasks that match a filter, over REST."""

from django.http import HttpRequest
from ninja import Router

from orchestration.api.auth import actor_of
from orchestration.api.problems import errors
from orchestration.api.schemas import BulkAnswer, BulkCancel, BulkPriority, Skipped
from orchestration.errors import InvalidInput
from orchestration.queries import TaskFilter
from orchestration.services import bulk

router = Router(tags=["tasks"])

_OF_LISTS = ("limit", "cursor")
_NO_NUMBER = BulkCancel()


@router.post("/tasks/cancel", response={200: BulkAnswer, **errors(403, 409, 413)}, summary="Cancel all that match")
def cancel_matching_tasks(request: HttpRequest, body: BulkCancel = _NO_NUMBER) -> BulkAnswer:
    """The filter is that of the list, in the address: ``?status=waiting&agent=writer``. Ended tasks do not count.

    409 with ``detail.matched`` when more match than expected. Operators cancel their own tasks, others are skipped.
    """
    outcome = bulk.cancel_matching(
        actor=actor_of(request), task_filter=_filter(request), expected=body.expected, up_to=body.up_to
    )
    return _answer(outcome)


@router.post(
    "/tasks/priority",
    response={200: BulkAnswer, **errors(403, 409, 413)},
    summary="Change the priority of all that match and wait",
)
def set_priority_of_matching_tasks(request: HttpRequest, body: BulkPriority) -> BulkAnswer:
    """As for cancelling. Tasks that have started, or have this priority already, do not count."""
    outcome = bulk.set_priority_matching(
        actor=actor_of(request),
        task_filter=_filter(request),
        priority=body.priority,
        expected=body.expected,
        up_to=body.up_to,
    )
    return _answer(outcome)


def _filter(request: HttpRequest) -> TaskFilter:
    for name in _OF_LISTS:
        if name in request.GET:
            raise InvalidInput(f"{name} is for lists; this is about all tasks that match.", filter=name)
    return TaskFilter.from_query(request.GET)


def _answer(outcome: bulk.Outcome) -> BulkAnswer:
    skipped = Skipped(foreign=outcome.foreign, moved_on=outcome.moved_on)
    return BulkAnswer(matched=outcome.matched, changed=outcome.changed, skipped=skipped)
