"""The server against readers that do not read, and how it ends."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 20
BUFFERED_AT_MOST = 8 * 1024 * 1024
"""What the kernel's socket buffers on both sides may take, with room to spare."""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Site:
    def __init__(self):
        self.port = free_port()
        self.process = self.start()
        until(self.answers)

    def start(self):
        command = [sys.executable, str(ROOT / "tests/dashboard/slow_site.py"), str(self.port)]
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "dashboard.settings"}
        return subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.PIPE, text=True)

    def answers(self):
        try:
            return self.get("/written")
        except OSError:
            assert self.process.poll() is None, self.process.stderr.read()
            return None

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=SECONDS) as response:
            return response.read()

    def written(self, what):
        return json.loads(self.get("/written"))[what]

    def settles_at(self, what):
        """What has been written once it no longer grows."""
        seen = [-1]

        def same():
            seen.append(self.written(what))
            time.sleep(0.1)
            return seen[-1] > 0 and len(seen) > 5 and len(set(seen[-5:])) == 1

        until(same)
        return seen[-1]

    def ask(self, request):
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS)
        connection.sendall(request)
        return connection

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stderr.close()


def until(condition):
    deadline = time.monotonic() + SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def upgrade(path):
    key = base64.b64encode(os.urandom(16))
    lines = [f"GET {path} HTTP/1.1".encode(), b"Host: localhost", b"Upgrade: websocket", b"Connection: Upgrade"]
    return b"\r\n".join([*lines, b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Key: " + key, b"", b""])


@pytest.fixture
def site():
    site = Site()
    yield site
    site.stop()


def test_a_download_that_nobody_reads_stops_being_made(site):
    with site.ask(b"GET /100000 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        assert site.settles_at("http") < BUFFERED_AT_MOST
    assert site.answers()


def test_a_socket_that_nobody_reads_stops_being_written(site):
    with site.ask(upgrade("/endless")):
        assert site.settles_at("socket") < BUFFERED_AT_MOST
    assert site.answers()


def test_a_slow_reader_gets_everything(site):
    with site.ask(b"GET /400 HTTP/1.0\r\nHost: localhost\r\n\r\n") as connection:
        site.settles_at("http")
        received = 0
        while piece := connection.recv(1_000_000):
            received += len(piece)
    assert received > 400 * 65_536
    assert site.written("http") == 400 * 65_536


def test_a_reader_that_goes_away_lets_its_download_end(site):
    connection = site.ask(b"GET /100000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    site.settles_at("http")
    connection.close()
    assert len(site.get("/100")) == 100 * 65_536


@pytest.mark.parametrize("body", [b"--x--\r\n", b"no form at all"])
def test_a_form_that_is_none_is_for_the_application_to_refuse(site, body):
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    request = urllib.request.Request(f"http://127.0.0.1:{site.port}/soon", body, headers)
    with urllib.request.urlopen(request, timeout=SECONDS) as answer:
        assert answer.read() == b"begin end"


def test_a_request_in_flight_is_finished_and_then_the_server_ends(site):
    with site.ask(b"GET /soon HTTP/1.0\r\nHost: localhost\r\n\r\n") as connection:
        answer = b""
        while b"begin" not in answer:
            answer += connection.recv(1000)
        site.process.send_signal(signal.SIGTERM)
        while piece := connection.recv(1000):
            answer += piece
    assert answer.endswith(b"begin end")
    assert site.process.wait(SECONDS) == 0


def test_an_open_socket_is_told_that_the_server_goes_away(site):
    with site.ask(upgrade("/quiet")) as connection:
        assert connection.recv(100_000).startswith(b"HTTP/1.1 101")
        site.process.send_signal(signal.SIGTERM)
        assert connection.recv(100) == b"\x88\x02\x03\xe9", "no close frame with 1001"
    assert site.process.wait(SECONDS) == 0


def test_a_socket_is_sent_more_at_once_than_it_may_send(site):
    with site.ask(upgrade("/large")) as connection:
        received = 0
        while received < 3 * 65_536:
            received += len(connection.recv(1_000_000))
        too_long = (65_536 + 1).to_bytes(8, "big")
        connection.sendall(b"\x81\xff" + too_long + bytes(4))
        with suppress(ConnectionResetError):  # it may slam the door
            while connection.recv(1_000_000):
                pass
    assert site.answers()


def test_an_endless_download_does_not_keep_the_server(site):
    with site.ask(b"GET /100000 HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        site.settles_at("http")
        site.process.send_signal(signal.SIGTERM)
        assert site.process.wait(SECONDS) == 0


def test_a_port_that_is_taken_is_an_error(site):
    second = site.start()
    assert second.wait(SECONDS) != 0
    assert "could not start" in second.stderr.read()
    second.stderr.close()
