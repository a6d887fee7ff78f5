"""What an embed task found, as numbers or as a file for NumPy."""

from typing import Annotated, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router
from typing_extensions import TypedDict

from orchestration import queries
from orchestration.api.auth import viewer_of
from orchestration.api.problems import errors
from orchestration.errors import Conflict, Unprocessable
from orchestration.models import Task
from orchestration.policy.npy import npy
from orchestration.policy.states import TaskType

router = Router(tags=["tasks"])
BINARY = "application/octet-stream"


class Vectors(TypedDict):
    """One vector for each text, in the order of the texts."""

    task_id: int
    model_used: str | None
    dimensions: int
    vectors: list[list[float]]


_FILE = {200: {"content": {BINARY: {"schema": {"type": "string", "format": "binary"}}}}}


@router.get(
    "/tasks/{int:task_id}/vectors",
    response={200: Vectors, **errors(403, 404, 409, 422)},
    summary="The vectors of an embed task",
    openapi_extra={"responses": _FILE},
)
def get_vectors(
    request: HttpRequest,
    task_id: int,
    format: Annotated[Literal["json", "npy"], Query(description="npy: a table of 32-bit numbers.")] = "json",
) -> HttpResponse | Vectors:
    viewer_of(request)
    task = queries.get_task(task_id)
    vectors = _vectors(task)
    if format == "npy":
        name = f"task-{task_id}.npy"
        disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
        return HttpResponse(b"".join(npy(vectors)), content_type=BINARY, headers=disposition)
    dimensions = len(vectors[0]) if vectors else 0
    return Vectors(task_id=task_id, model_used=task.model_used or None, dimensions=dimensions, vectors=vectors)


def _vectors(task: Task) -> list[list[float]]:
    if task.type != TaskType.EMBED:
        raise Unprocessable(f"Task {task.pk} is of type {task.type}; only embed has vectors.", type=task.type)
    if task.vectors is None:
        raise Conflict(f"Task {task.pk} is {task.status} and has no vectors.", status=task.status)
    return list(task.vectors)
