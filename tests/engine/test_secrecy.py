"""A node's credentials are sent to the node, and appear nowhere else: not when all is well, and not when a server or a
proxy in front of it repeats what it was sent in every way in which an answer can be wrong."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse
from django.utils import timezone

from orchestration.api import api
from orchestration.engine.clients import new_client
from orchestration.engine.loader import Loader
from orchestration.engine.monitor import poll_node
from orchestration.errors import DroverError
from orchestration.models import Attempt, AuditEntry, LoadPlan, Node, Task
from orchestration.services import loads, nodes
from tests.engine.conftest import wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]

TOKEN = "zqtok-93ad-KX7vQ2mZ"
KEY = "zqkey-51bc-RY8wP3nA"
PASSWORD = "zqpass-77ef-TU4xL6oB"
BASIC = "YmFzaWM6enFwYXNz"
"""How user and password begin on the wire."""
SECRETS = ("zqtok-", "zqkey-", "zqpass-", BASIC)
"""Beginnings: what is cut is no less of a leak."""

WAYS = ("refused", "crashed", "page", "redirected", "no_json", "error_line", "cut_line", "no_http", "hung_up")


class Parrot(BaseHTTPRequestHandler):
    """Repeats what it was sent, each time in the way that is set."""

    way = "refused"
    heard: list[str]
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        said = f"Authorization: {self.headers['authorization']} X-Key: {self.headers['x-key']}"
        self.heard.append(said)
        self.close_connection = True
        body = {
            "refused": f'{{"error": "{said}"}}',
            "crashed": said,
            "page": f"<html>{said}</html>",
            "redirected": "",
            "no_json": f"sorry {said}\n",
            "error_line": f'{{"error": "{said}"}}\n',
            "cut_line": f'{{"response": "{said}',
        }.get(self.way)
        if body is None:
            self.wfile.write(f"{said}\r\n{said}\r\n\r\n".encode() if self.way == "no_http" else b"")
            return
        self.send_response({"refused": 401, "crashed": 500, "redirected": 302}.get(self.way, 200))
        self.send_header("Location", f"http://127.0.0.1:1/?{said.replace(' ', '')}")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body.encode())

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: Any) -> None:
        """A test's own server says nothing."""


@pytest.fixture
def parrot() -> Iterator[str]:
    Parrot.heard = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parrot)
    thread = Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def guarded(parrot: str, gpu_node: Node, as_alice: Any, settings: Any) -> Node:
    """A node that was entered, changed and entered again, as people do."""
    settings.DROVER_SECRETS_KEYS = ["a key that only this test has"]
    basic = {"type": "basic", "user": "basic", "password": PASSWORD}
    nodes.update(actor=as_alice, node_id=gpu_node.pk, base_url=parrot, credentials=basic)
    nodes.update(actor=as_alice, node_id=gpu_node.pk, headers={"X-Key": KEY})
    return gpu_node


def _fails_in_every_way(node: Node, grant: Callable[..., list[Attempt]], run: Callable[..., Task]) -> None:
    """Attempts, polls and loads, each way of failing once."""
    for way in WAYS:
        Parrot.way = way
        node.refresh_from_db()
        for kind in ("generate", "embed"):
            (attempt,) = grant(enqueue=False, type=kind)
            assert run(attempt).status in ("failed", "pending")
        asyncio.run(_every_call(node))
        poll = asyncio.run(_poll(node))
        assert poll.error
        nodes.record_poll(node_id=node.pk, poll=poll)
        _load(node)


async def _poll(node: Node) -> nodes.Poll:
    async with new_client(node.base_url, verify_tls=True, headers=node.sealed_headers) as client:
        return await poll_node(client, with_tags=True)


async def _every_call(node: Node) -> None:
    """What the errors of each call say goes into the log, as some of our own code would do it."""
    log = logging.getLogger("orchestration.test")
    async with new_client(node.base_url, verify_tls=True, headers=node.sealed_headers) as client:
        calls = (client.version, client.tags, client.ps, partial(client.show, "a"), partial(client.delete, "a"))
        for call in (*calls, partial(client.copy, "a", "b"), partial(client.load, "a"), partial(client.unload, "a")):
            try:
                await call()
            except DroverError as error:
                log.warning("%r %s %s", error, error.message, error.detail)
        try:
            async for _ in client.pull("a"):
                pass
        except DroverError as error:
            log.warning("%r %s %s", error, error.message, error.detail)


def _load(node: Node) -> None:
    now = timezone.now()
    plan = {"model_name": "fast:latest", "num_ctx": 4096, "planned_at": now, "loading_since": now}
    LoadPlan.objects.create(node=node, token=f"load-{Parrot.way}", **plan)
    (job,) = loads.begun()
    logging.getLogger("orchestration.test").warning("%r", job)
    stop, leads = Event(), Event()
    leads.set()
    loader = Loader(stop, leads)
    thread = Thread(target=loader.run)
    thread.start()
    wait_until(lambda: not LoadPlan.objects.exists())
    stop.set()
    loader.look()
    thread.join(30)


def leaks(text: str) -> list[str]:
    return [text[max(0, at.start() - 80) : at.end() + 20] for it in SECRETS for at in re.finditer(re.escape(it), text)]


def _database() -> str:
    """Every column of every row."""
    rows = (row for model in apps.get_models() if model._meta.managed for row in model._base_manager.values_list())
    return "\n".join(map(repr, rows))


def _redis(server: Any) -> str:
    reads: dict[str, Callable[[str], Any]] = {
        "string": server.client.get,
        "hash": server.client.hgetall,
        "stream": server.client.xrange,
        "list": lambda key: server.client.lrange(key, 0, -1),
        "set": server.client.smembers,
        "zset": lambda key: server.client.zrange(key, 0, -1),
    }
    return "\n".join(f"{key} {reads[server.client.type(key)](key)!r}" for key in server.client.scan_iter("*"))


def _ids(node: Node) -> dict[str, Any]:
    task = Task.objects.order_by("pk").first()
    assert task is not None
    ids = {"node_id": node.pk, "node": node.pk, "task_id": task.pk, "run_id": task.run_id, "agent_id": 1, "agent": 1}
    return {**ids, "name": "fast:latest", "number": 1}


def _pages(node: Node) -> Iterator[str]:
    """Every page that can be read: its places filled with what exists here, or with something that does not."""
    ids = _ids(node)
    for pattern in _patterns(get_resolver().url_patterns):
        if pattern.name:
            names = pattern.pattern.converters
            yield reverse(pattern.name, kwargs={name: ids.get(name, 1) for name in names})
    yield f"/nodes/{node.pk}?range=30d"


def _patterns(found: Any) -> Iterator[URLPattern]:
    """Of the site itself: the admin and the description of the API have their own."""
    for item in found:
        if isinstance(item, URLPattern) and item.name not in ("logout", "start"):
            yield item


def _admin_pages() -> Iterator[str]:
    yield reverse("admin:index")
    for model in admin.site._registry:
        place = f"admin:orchestration_{model._meta.model_name}"
        yield reverse(f"{place}_changelist")
        for row in model._base_manager.order_by("-pk")[:5]:
            yield reverse(f"{place}_change", args=[row.pk])


def _calls(node: Node) -> Iterator[str]:
    """Every GET of the REST API."""
    ids = _ids(node)
    for path, methods in api.get_openapi_schema(path_prefix="/api/orchestration/")["paths"].items():
        if "get" in methods:
            yield re.sub(r"\{(\w+)\}", lambda place: str(ids.get(place[1], 1)), path)


def _text(answer: Any) -> str:
    body = b"".join(answer.streaming_content) if answer.streaming and not answer.is_async else b""
    return str(answer.headers) + (body or (b"" if answer.streaming else answer.content)).decode("utf-8", "replace")


def test_credentials_appear_nowhere_but_at_the_node(
    guarded: Node, alice: Any, redis_server: Any, grant: Any, run: Any, caplog: Any, capfd: Any, settings: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    _fails_in_every_way(guarded, grant, run)
    assert any(BASIC in said and KEY in said for said in Parrot.heard)
    assert "•••" in _database()  # what was repeated came this far, without its values

    client = Client(raise_request_exception=False)
    client.force_login(alice)
    shown = 0
    for where in (*_pages(guarded), *_admin_pages(), *_calls(guarded)):
        answer = client.get(where)
        assert leaks(_text(answer)) == [], where
        shown += answer.status_code == 200
    assert shown > 120
    for action in ("check", "drain", "reset-circuit"):
        assert leaks(_text(client.post(f"/nodes/{guarded.pk}/{action}", {"draining": "1"}, follow=True))) == []
    root = "/api/orchestration/nodes"
    for way in WAYS:
        Parrot.way = way
        assert leaks(_text(client.post(f"{root}/{guarded.pk}/test"))) == []
        probe = {"base_url": guarded.base_url, "credentials": {"type": "bearer", "token": TOKEN}}
        assert leaks(_text(client.post(f"{root}/probe", probe, content_type="application/json"))) == []
    assert any(TOKEN in said for said in Parrot.heard)

    settings.DROVER_SECRETS_KEYS = []
    Parrot.way = "refused"
    for where in (f"{root}/{guarded.pk}/report", f"/nodes/{guarded.pk}"):
        assert leaks(_text(client.get(where))) == []
    assert "DROVER_SECRETS_KEYS" in _text(client.post(f"{root}/{guarded.pk}/test"))

    for place, text in (("database", _database()), ("Redis", _redis(redis_server)), ("log", caplog.text)):
        assert leaks(text) == [], place
    assert leaks("".join(capfd.readouterr())) == []
    assert any("x-key" in str(entry.detail) for entry in AuditEntry.objects.all())


def test_a_deleted_node_leaves_no_sealed_form_behind(guarded: Node, as_alice: Any, redis_server: Any) -> None:
    sealed = Node.objects.get(pk=guarded.pk).sealed_headers
    nodes.delete(actor=as_alice, node_id=guarded.pk)
    assert sealed
    assert sealed[:40] not in _database() + _redis(redis_server)


def test_what_a_worker_and_the_loader_are_handed_does_not_show_the_sealed_form(guarded: Node) -> None:
    now = timezone.now() - timedelta(seconds=1)
    plan = {"model_name": "fast:latest", "num_ctx": 4096, "planned_at": now, "loading_since": now}
    LoadPlan.objects.create(node=guarded, token="t", **plan)
    (job,) = loads.begun()
    assert job.headers
    assert job.headers not in repr(job)
