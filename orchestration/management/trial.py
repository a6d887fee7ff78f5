"""A Drover of its own for a measurement or a test: real processes on a data folder that goes away with them."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from django.conf import settings

from orchestration.management import checks, data_folder, guard

HEALTHY_WITHIN = 90.0
STOPPED_WITHIN = 60.0


class TrialFailed(Exception):
    """It did not come up; the words end with what it wrote."""


class Trial:
    """``up`` on any free port in a folder of its own, and a REST client that only needs what Python brings."""

    def __init__(self, *arguments: str, env: Mapping[str, str] | None = None) -> None:
        self.data = Path(tempfile.mkdtemp(prefix="drover-trial-"))
        self.log = self.data / "up.log"
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None
        self._arguments = arguments
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("DROVER_", "OLLAMA_"))}
        for name in ("REDIS_URL", "PORT"):
            inherited.pop(name, None)
        self.env = {**inherited, "DROVER_DATA": str(self.data), **(env or {})}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.data, ignore_errors=True)

    def start(self) -> None:
        command = [*self._manage(), "up", "--no-browser", "--port", "0", *self._arguments]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                guard.command_line(command), env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + HEALTHY_WITHIN
        while time.monotonic() < deadline and self.process.poll() is None:
            start = data_folder.running(self.data)
            if start and start.url and checks.ask_health(start.url)[0] == 200:
                self.url = start.url
                return
            time.sleep(0.1)
        raise TrialFailed(f"Drover did not come up:\n{self.written()}")

    def stop(self, number: int = signal.SIGTERM) -> int | None:
        """Its exit status, once everything it started is gone."""
        if self.process is None:
            return None
        self.process.send_signal(number)
        try:
            return self.process.wait(timeout=STOPPED_WITHIN)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def written(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def manage(self, *arguments: str) -> str:
        """What a command prints on this data folder."""
        done = subprocess.run([*self._manage(), *arguments], env=self.env, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def _manage(self) -> list[str]:
        return [sys.executable, str(settings.BASE_DIR / "manage.py")]

    def create_key(self) -> str:
        return self.manage("create_api_key", "--user", "admin", "--name", "trial")

    def call(self, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
        """One call of the REST API: status and JSON."""
        connection = self._connection()
        with closing(connection):
            connection.request(method, f"/api/orchestration/{path}", *_message(body, key))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"null")

    def lines(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """The NDJSON lines of a stream as they come."""
        connection = self._connection()
        with closing(connection):
            connection.request("GET", f"/api/orchestration/{path}", *_message(None, key))
            for line in connection.getresponse():
                yield json.loads(line)

    def _connection(self) -> http.client.HTTPConnection:
        parts = urlsplit(self.url)
        return http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=120)


def _message(body: Any, key: str) -> tuple[str | None, dict[str, str]]:
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return (None if body is None else json.dumps(body)), headers
