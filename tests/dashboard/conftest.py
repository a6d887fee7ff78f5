"""A worker that says what it is told to, and a browser tab that keeps what it is sent."""

import asyncio
import json
import threading
from contextlib import suppress
from datetime import timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest
import pytest_asyncio
from django.conf import settings

from dashboard.live.hub import Hub
from dashboard.live.reads import read
from dashboard.live.session import Session
from orchestration import events
from orchestration.ollama.wire import Metrics
from orchestration.policy.decision import Grant
from orchestration.services import attempts, grants

SECONDS = 10
SECOND = timedelta(seconds=1)
METRICS = Metrics(total=3 * SECOND, load=SECOND, prefill=SECOND, decode=SECOND, prompt_tokens=3, output_tokens=5)


class Worker:
    """Takes one task and writes its text the way the engine does, frame by frame, when told to."""

    def __init__(self, task, node):
        self.task = task
        self.node = node
        self.said = ""
        self.thought = ""

    def start(self):
        from django.utils import timezone

        grant = Grant(
            task_id=self.task.pk, node_id=self.node.pk, model="llama3.2:latest", num_ctx=4096, slot=0, reason="test"
        )
        (job,) = grants.assign(grants=[grant], now=timezone.now())
        self.attempt_id, self.token = job.attempt_id, job.token
        assert attempts.start(attempt_id=job.attempt_id, token=job.token, worker="w")
        self.said = self.thought = ""
        return self

    def write(self, frame):
        events.connection().xadd(events.attempt_stream(self.attempt_id), {"f": json.dumps(frame)})

    def say(self, text="", thinking=""):
        frame = {"n": 1, "p": "generating"}
        if text:
            frame |= {"o": len(self.said), "t": text}
        if thinking:
            frame |= {"ho": len(self.thought), "h": thinking}
        self.said, self.thought = self.said + text, self.thought + thinking
        self.write(frame)

    def say_all_again(self):
        self.write({"o": 0, "t": self.said, "ho": 0, "h": self.thought, "n": 1})

    def complete(self, output=None):
        output = self.said if output is None else output
        result = attempts.AttemptResult(output=output, thinking=self.thought, metrics=METRICS)
        assert attempts.complete(attempt_id=self.attempt_id, token=self.token, result=result)
        self.write({"end": "completed"})


class Tab:
    """A browser tab: follows the protocol as socket.js does and keeps what a page would show."""

    def __init__(self):
        self.frames = []
        self.snaps = {}
        self.seqs = {}
        self.text = ""
        self.thinking = ""
        self.attempt = None
        self.closed_with = None
        self.acks = True
        self.session = None
        self.received = 0
        self.told = asyncio.Event()

    async def send(self, text):
        message = json.loads(text)
        self.received += 1
        for frame in message["frames"] if message["type"] == "batch" else [message]:
            self.take(frame)
        if self.acks and self.session:
            await self.say(type="ack", n=self.received)
        self.told.set()

    async def close(self, code):
        self.closed_with = code
        self.told.set()

    def take(self, frame):
        self.frames.append(frame)
        if frame["type"] == "snap":
            self.snaps[frame["topic"]] = frame["data"]
            self.seqs[frame["topic"]] = frame["seq"]
            if text := frame["data"].get("text"):
                self.text, self.thinking, self.attempt = text["text"], text["thinking"], text["attempt"]
        elif frame["type"] == "delta":
            assert frame["prev"] == self.seqs[frame["topic"]], "a gap"
            self.seqs[frame["topic"]] = frame["seq"]
            self.append(frame.get("text", {}))

    def append(self, frame):
        if frame and frame["attempt"] != self.attempt:
            self.text, self.thinking, self.attempt = "", "", frame["attempt"]
        for name, offset, text in (("text", "o", "t"), ("thinking", "ho", "h")):
            if text in frame:
                have = getattr(self, name)
                assert frame[offset] <= len(have), "text is missing"
                setattr(self, name, have + frame[text][len(have) - frame[offset] :])

    async def say(self, **message):
        await self.session.receive(json.dumps(message))

    async def until(self, condition):
        async with asyncio.timeout(SECONDS):
            while not (found := condition(self)):
                self.told.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await self.told.wait()
        return found

    async def subscribe(self, topic, **more):
        await self.say(type="sub", topic=topic, **more)
        return await self.until(lambda tab: tab.snaps.get(topic))

    def deltas(self, topic, part):
        return [f[part] for f in self.frames if f["type"] == "delta" and f["topic"] == topic and part in f]

    @property
    def errors(self):
        return [frame["code"] for frame in self.frames if frame["type"] == "error"]


@pytest.fixture
async def hub(redis_server):
    return Hub(settings.REDIS_URL)


@pytest.fixture
async def open_tab(hub, as_carol):
    """Opens tabs, as carol unless told; they are closed at the end."""
    sessions = []

    async def open_one(actor=as_carol):
        tab = Tab()
        tab.session = Session(hub, actor, tab.send, tab.close)
        sessions.append(tab.session)
        await tab.session.open({})
        return tab

    yield open_one
    for session in sessions:
        await session.close()


@pytest.fixture
def work_on(node):
    """Starts work on a task."""

    async def start(task):
        return await read(Worker(task, node).start)

    return start


class StaticSite(ThreadingHTTPServer):
    """An empty page and the modules in static/, under the same policy as the real pages."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), StaticFiles)
        self.url = f"http://127.0.0.1:{self.server_port}/"


class StaticFiles(SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=str(settings.BASE_DIR))

    def do_GET(self):
        if self.path != "/":
            super().do_GET()
            return
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'"
        self.send_header("Content-Security-Policy", policy)
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>.</title><main id=main></main>")

    def log_message(self, *args):
        """Requests of tests are of no interest."""


@pytest.fixture(scope="session")
def static_site():
    site = StaticSite()
    thread = threading.Thread(target=site.serve_forever, daemon=True)
    thread.start()
    yield site
    site.shutdown()
    site.server_close()
    thread.join()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def chromium(chromium_path):
    """One browser for a module: starting it takes longer than the tests."""
    from playwright.async_api import async_playwright

    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=arguments)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def page(chromium, static_site):
    """An empty page of somebody new; whatever it complains about fails the test."""
    context = await chromium.new_context()
    page = await context.new_page()
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto(static_site.url)
    yield page
    await context.close()
    assert complaints == []
