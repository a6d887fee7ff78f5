"""The API as its callers see it: a client for each person, and tasks brought to a given point of their life."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from orchestration.models import Attempt, Node, Task, User
from orchestration.policy.states import AttemptStatus, TaskStatus
from orchestration.services import keys
from orchestration.services.users import actor_of

ROOT = "/api/orchestration/"


@pytest.fixture(autouse=True)
def api_alone(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.api.urls"


class ApiClient:
    """Speaks JSON with one person's API key. Paths are relative to the API."""

    def __init__(self, user: User | None) -> None:
        self.headers: dict[str, str] = {}
        if user is not None:
            actor = actor_of(user, via="test")
            _, secret = keys.create(actor=actor, owner=user, name="test")
            self.headers["Authorization"] = f"Bearer {secret}"
        self._client = Client(raise_request_exception=False)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> HttpResponse:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        return self._client.generic(
            method,
            f"{ROOT}{path}",
            data,
            content_type="application/json",
            headers={**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}},
        )

    def get(self, path: str) -> HttpResponse:
        return self.request("GET", path)

    def post(self, path: str, body: Any = None, **headers: str) -> HttpResponse:
        return self.request("POST", path, body, **headers)

    def put(self, path: str, body: Any) -> HttpResponse:
        return self.request("PUT", path, body)

    def patch(self, path: str, body: Any) -> HttpResponse:
        return self.request("PATCH", path, body)

    def delete(self, path: str) -> HttpResponse:
        return self.request("DELETE", path)


@pytest.fixture
def anybody(db: None) -> ApiClient:
    """Somebody without a key."""
    return ApiClient(None)


@pytest.fixture
def alice_api(alice: User) -> ApiClient:
    return ApiClient(alice)


@pytest.fixture
def bob_api(bob: User) -> ApiClient:
    return ApiClient(bob)


@pytest.fixture
def carol_api(carol: User) -> ApiClient:
    return ApiClient(carol)


@pytest.fixture
def dave_api(dave: User) -> ApiClient:
    return ApiClient(dave)


def refusal(response: HttpResponse, status: int, code: str = "") -> dict[str, Any]:
    """The error of an answer that must be one, with nothing beside it."""
    answer = json.loads(response.content)
    assert response.status_code == status, answer
    assert set(answer) == {"error"}
    assert set(answer["error"]) == {"code", "message", "detail"}
    if code:
        assert answer["error"]["code"] == code
    error: dict[str, Any] = answer["error"]
    return error


def start(task: Task, node: Node, *, number: int = 1) -> Attempt:
    """A worker has begun: what the scheduler and the worker write, without either."""
    now = timezone.now()
    attempt = Attempt.objects.create(
        task=task,
        number=number,
        node=node,
        node_name=node.name,
        model_name="llama3.2:latest",
        num_ctx=4096,
        slot=task.pk % 1000,
        token=f"token-{task.pk}-{number}",
        status=AttemptStatus.RUNNING,
        queue="normal",
        granted_at=now,
        started_at=now,
        lease_until=now + timedelta(minutes=5),
    )
    held = {"token": attempt.token, "attempt_id": attempt.pk, "attempt_count": number, "node_name": node.name}
    Task.objects.transition(task.pk, TaskStatus.ASSIGNED, node=node, **held)
    Task.objects.transition(task.pk, TaskStatus.RUNNING, started_at=now, model_used="llama3.2:latest")
    return attempt


def end(attempt: Attempt, status: TaskStatus = TaskStatus.COMPLETED, *, output: str = "", **fields: Any) -> None:
    now = timezone.now()
    Attempt.objects.filter(pk=attempt.pk).update(status=status.value, ended_at=now, error=fields.get("error", ""))
    Task.objects.transition(attempt.task_id, status, ended_at=now, output=output, duration_seconds=1.5, **fields)


@pytest.fixture
def finished(submit: Callable[..., Any], node: Node) -> Task:
    """A task that has completed."""
    task = submit("Say hello.").tasks.get()
    end(start(task, node), output="Hello!")
    task.refresh_from_db()
    return task
