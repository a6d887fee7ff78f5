"""A small Drover over a real socket that answers as a test tells it, and the command run against it."""

import json
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

from orchestration.cli.main import app

Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]
API = "/api/orchestration/"
KEY = "drover_secret"


@dataclass
class Call:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    text: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.text) if self.text else None


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FakeDrover:
    """``on`` says what a call is answered with: a value each time, or one after another, the last one for ever."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._routes: dict[tuple[str, str], list[Any]] = {}
        self._server = Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def on(self, method: str, path: str, *answers: Any) -> None:
        self._routes[method, path] = list(answers)

    def refuse(self, method: str, path: str, status: int, code: str, message: str, **detail: Any) -> None:
        self.on(method, path, (status, {"error": {"code": code, "message": message, "detail": detail}}))

    def bodies(self, method: str, path: str) -> list[Any]:
        return [call.body for call in self.calls if (call.method, call.path) == (method, path)]

    def queries(self, path: str) -> list[dict[str, str]]:
        return [call.query for call in self.calls if call.path == path]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, call: Call) -> Answer:
        self.calls.append(call)
        if call.headers.get("Authorization") != f"Bearer {KEY}" and call.path != "/healthz":
            return 401, {"error": {"code": "not_authenticated", "message": "This API key is unknown.", "detail": {}}}
        answers = self._routes.get((call.method, call.path))
        if not answers:
            words = f"There is no {API}{call.path}."
            return 404, {"error": {"code": "not_found", "message": words, "detail": {}}}
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        found = found(call) if callable(found) else found
        return found if isinstance(found, tuple) else (204 if found is None else 200, found)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _serve(self) -> None:
                parts = urlsplit(self.path)
                text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                query = {name: ",".join(values) for name, values in parse_qs(parts.query).items()}
                path = parts.path.removeprefix(API)
                self._write(*fake.answer(Call(self.command, path, query, dict(self.headers), text)))

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

            def _write(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                if isinstance(body, Iterable) and not isinstance(body, dict | list | str | bytes):
                    self.send_header("Connection", "close")
                    self.end_headers()
                    for line in body:
                        self.wfile.write(json.dumps(line).encode() + b"\n")
                        self.wfile.flush()
                    self.close_connection = True
                    return
                data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                """Tests say what they need themselves."""

        return Handler


@pytest.fixture
def server() -> Iterator[FakeDrover]:
    fake = FakeDrover()
    yield fake
    fake.stop()


@dataclass
class Outcome:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@dataclass
class Command:
    """``drover …`` in this process, neither stdin nor stdout a terminal."""

    environment: dict[str, str | None] = field(default_factory=dict)

    def __call__(self, *arguments: str, stdin: str = "") -> Outcome:
        result = CliRunner().invoke(app, list(arguments), input=stdin, env=self.environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)


@pytest.fixture
def config_home(tmp_path: Path) -> Path:
    return tmp_path / "config"


@pytest.fixture
def drover(server: FakeDrover, config_home: Path) -> Command:
    return Command({"DROVER_URL": server.url, "DROVER_API_KEY": KEY, "XDG_CONFIG_HOME": str(config_home)})


def task(task_id: int = 31, **fields: Any) -> dict[str, Any]:
    """A task as the API tells it, completed unless something else is said."""
    told: dict[str, Any] = {
        "id": task_id,
        "type": "generate",
        "input": "Say hello.",
        "output": "Hello!",
        "status": "completed",
        "state": "completed",
        "model_name": "llama3.2",
        "model_used": "llama3.2:latest",
        "node": "gpu-a",
        "error": None,
        "run_id": 12,
        "agent": "writer",
        "title": "Say hello.",
        "step": "",
        "tags": [],
        "attempts": 1,
        "message": "",
        "progress": 100,
        "waiting_reason": None,
        "decision_reason": "it was loaded",
        "skipped_because": None,
        "created_at": "2026-11-21T10:00:00.000Z",
        "metrics": {"duration": 2.14, "output_tokens": 64, "tokens_per_second": 31.04},
    }
    return {**told, **fields}


def run(*tasks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A run with these tasks; its status and counts follow from them."""
    counts = {word: 0 for word in ("pending", "running", "completed", "failed", "cancelled")}
    for item in tasks:
        counts[item["status"]] += 1
    unfinished = counts["pending"] + counts["running"]
    ended = "failed" if counts["failed"] else "cancelled" if counts["cancelled"] else "completed"
    told: dict[str, Any] = {
        "id": 12,
        "kind": "batch",
        "title": "",
        "agent": "writer",
        "owner": "bob",
        "status": "running" if unfinished else ended,
        "counts": counts,
        "created_at": "2026-11-21T10:00:00.000Z",
        "stopped_reason": None,
        "tasks": list(tasks),
    }
    return {**told, **fields}


def without_codes(text: str) -> str:
    """What is left on a screen when colours and movements are taken out."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", text)
