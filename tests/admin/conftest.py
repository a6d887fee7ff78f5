"""The admin as a person with a browser sees it: each page is held to the content policy, forms are sent whole."""

from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from orchestration.errors import Refused
from orchestration.models import (
    CleanUp,
    FolderSink,
    LoadSeries,
    ModelDetails,
    Node,
    Output,
    RetentionRule,
    Task,
    Turn,
    UsageDay,
    User,
)
from orchestration.permissions import Actor, Role
from orchestration.policy.catalogue import CatalogueModel
from orchestration.policy.decision import Grant
from orchestration.policy.states import ErrandType, NodeHealth
from orchestration.services import (
    agents,
    attempts,
    catalogue,
    collections,
    conversations,
    defaults,
    documents,
    errands,
    grants,
    health,
    keys,
    memories,
    model_configs,
    pauses,
    presets,
    processes,
    setbacks,
    workflows,
)


class _Inline(HTMLParser):
    """Collects whatever a policy without unsafe-inline would block."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {name for name, _ in attrs}
        self.found += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in names):
            self.found.append(tag)


def inline_parts(html: str) -> list[str]:
    parser = _Inline()
    parser.feed(html)
    return parser.found


class Person:
    """One person's browser inside the admin."""

    def __init__(self, user: User) -> None:
        self.user = user
        self.client = Client(raise_request_exception=False)
        self.client.force_login(user)

    def status(self, name: str, /, *args: Any) -> int:
        return self.client.get(self.url(name, *args)).status_code

    def page(self, name: str, /, *args: Any, **query: Any) -> str:
        """A page that must be there and must obey the content policy."""
        return self._checked(self.client.get(self.url(name, *args), query, follow=True))

    def send(self, name: str, /, *args: Any, **fields: Any) -> str:
        """Posts a form and follows to the page after it."""
        return self._checked(self.client.post(self.url(name, *args), fields, follow=True))

    def act(self, table: str, action: str, *rows: Any, **fields: Any) -> str:
        """Runs a list action on these rows."""
        chosen = [row.pk for row in rows]
        return self.send(f"{table}_changelist", action=action, _selected_action=chosen, **fields)

    @staticmethod
    def url(name: str, *args: Any) -> str:
        return reverse(f"admin:orchestration_{name}", args=args)

    @staticmethod
    def _checked(response: HttpResponse) -> str:
        html = response.content.decode()
        assert response.status_code == 200, f"{response.status_code}: {html[:300]}"
        assert inline_parts(html) == []
        return html


@pytest.fixture
def enter(redis_server: object) -> Callable[[User], Person]:
    """Lets a person into the admin; what they may do there is up to their role."""

    def let_in(user: User) -> Person:
        User.objects.filter(pk=user.pk).update(is_staff=True)
        user.refresh_from_db()
        return Person(user)

    return let_in


@pytest.fixture
def admin(enter: Callable[[User], Person], alice: User) -> Person:
    return enter(alice)


@pytest.fixture
def maintainer(enter: Callable[[User], Person], db: None) -> Person:
    return enter(User.objects.create_user("erin", role=Role.MAINTAINER))


@pytest.fixture
def start(node: Node) -> Callable[[Task], Any]:
    """Brings a waiting task to a worker; returns the attempt's job."""

    def run(task: Task) -> Any:
        now = timezone.now()
        slot = node.attempts.filter(ended_at=None).count()
        grant = Grant(
            task_id=task.pk, node_id=node.pk, model="llama3.2:latest", num_ctx=4096, slot=slot, reason="a free slot"
        )
        (job,) = grants.assign(grants=[grant], now=now)
        attempts.start(attempt_id=job.attempt_id, token=job.token, worker="worker-1", now=now)
        return job

    return run


@pytest.fixture
def fail(start: Callable[[Task], Any]) -> Callable[[Task], None]:
    """Lets a task fail for good."""

    def run(task: Task) -> None:
        job = start(task)
        error = Refused("the node answered 400: bad option", status=400)
        assert setbacks.fail(attempt_id=job.attempt_id, token=job.token, error=error)

    return run


@pytest.fixture
def history(
    submit: Callable[..., Any],
    fail: Callable[[Task], None],
    make_node: Callable[..., Node],
    as_alice: Actor,
    bob: User,
) -> list[Task]:
    """Something in every table: a failed task, a cancelled one and two that wait."""
    ModelDetails.objects.create(digest="a1b2c3", license="MIT", fetched_at=timezone.now())
    catalogue.keep(models=[CatalogueModel(name="rivers")], now=timezone.now())
    health.note(make_node("gpu-b"), NodeHealth.HEALTHY, "", at=timezone.now())
    tasks = list(submit("one", "two", "three", "four").tasks.order_by("pk"))
    fail(tasks[0])
    Task.objects.filter(pk=tasks[1].pk).update(status="cancelled", ended_at=timezone.now())
    keys.create(actor=as_alice, owner=bob, name="script")
    model_configs.create(actor=as_alice, model_name="llama3.2")
    presets.create(actor=as_alice, name="poems")
    defaults.update(actor=as_alice, preset="poems")
    pauses.pause(actor=as_alice, kind="priority", key="low")
    beat = {"hostname": "here", "pid": 7, "capacity": 9, "in_use": 1, "stopping": False}
    processes.worker_beat(name="worker-1", started_at=timezone.now(), **beat)
    agent = tasks[0].agent
    assert agent is not None
    agents.update(actor=as_alice, agent_id=agent.pk, memory_enabled=True)
    agent.refresh_from_db()
    paper = documents.write(actor=as_alice, name="handbook.md", text="# Sea\n\nSalt.").document
    talk = conversations.create(actor=as_alice, agent=agent, title="Trip", document_ids=[paper.pk])
    Turn.objects.create(conversation=talk, text="Where is Graz?", task=tasks[0])
    memories.pin(actor=as_alice, agent=agent, text="The team is in Graz.", conversation_id=talk.pk)
    steps = [{"name": "plan", "type": "generate", "input": "Plan it."}]
    workflows.create(actor=as_alice, definition={"name": "site", "steps": steps})
    processes.hold_role(role="scheduler", holder="here:8", lease=timedelta(minutes=1))
    CleanUp.objects.create(at=timezone.now(), by_name="alice", counts={"expected": 1})
    FolderSink.objects.create(pk=1, folder="/answers")
    RetentionRule.objects.create(text_days=30)
    UsageDay.objects.create(
        day=timezone.now().date(), share=0, agent_name="a", model_name="m", node_name="n", type="chat"
    )
    Output.objects.create(task=tasks[0], agent_name="writer", type="generate", ended_at=timezone.now())
    collections.create(actor=as_alice, name="Best", task_ids=[tasks[0].pk])
    errands.submit(actor=as_alice, type=ErrandType.PULL, models=["qwen3:8b"])
    LoadSeries.objects.create(node=Node.objects.first(), node_name="gpu-a", model_name="llama3.2:latest")
    return tasks
