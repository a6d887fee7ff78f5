"""django-rq's pages: inside the admin, under the content policy, to be acted on by maintainers only."""

from collections.abc import Callable

import django_rq
import pytest

from orchestration.models import User
from orchestration.queue import AttemptJob, run_attempts
from tests.admin.conftest import Person, inline_parts

NORMAL = 2
"""django-rq numbers queues by name: high, low, normal."""


@pytest.fixture
def job(redis_server: object) -> str:
    assert run_attempts([AttemptJob(attempt_id=7, token="t", queue="normal", lease_seconds=60)])
    return "attempt-7"


@pytest.mark.parametrize(
    "path", ["", "queues/2/", "queues/2/details/", "queues/2/failed/", "queues/2/finished/", "queues/2/started/"]
)
def test_the_pages_obey_the_content_policy(path: str, admin: Person, job: str) -> None:
    response = admin.client.get(f"/admin/rq/{path}")
    html = response.content.decode()
    assert response.status_code == 200
    assert inline_parts(html) == []
    assert "Drover" in html
    assert "css/admin.css" in html


@pytest.mark.parametrize("path", ["", "delete/"])
def test_the_pages_of_a_job_obey_it_too(path: str, admin: Person, job: str) -> None:
    response = admin.client.get(f"/admin/rq/queues/{NORMAL}/{job}/{path}")
    assert response.status_code == 200
    assert inline_parts(response.content.decode()) == []
    assert job in response.content.decode()


def test_a_page_to_confirm_an_action_obeys_it_too(admin: Person, job: str) -> None:
    fields = {"action": "delete", "_selected_action": [job]}
    response = admin.client.post(f"/admin/rq/queues/confirm-action/{NORMAL}/", fields)
    assert response.status_code == 200
    assert inline_parts(response.content.decode()) == []


def test_a_maintainer_deletes_a_job_and_an_operator_does_not(
    maintainer: Person, enter: Callable[[User], Person], bob: User, job: str
) -> None:
    url = f"/admin/rq/queues/{NORMAL}/{job}/delete/"
    assert enter(bob).client.get("/admin/rq/").status_code == 200
    assert enter(bob).client.post(url, {"post": "yes"}).status_code == 403
    assert django_rq.get_queue("normal").job_ids == [job]
    maintainer.client.post(url, {"post": "yes"})
    assert django_rq.get_queue("normal").job_ids == []


def test_the_pages_are_closed_to_visitors(client: object, job: str) -> None:
    assert client.get("/admin/rq/").status_code == 302  # type: ignore[attr-defined]
