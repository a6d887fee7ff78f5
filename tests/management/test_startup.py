"""``up`` as a newcomer meets it: real processes on a data folder of their own."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from http.client import HTTPConnection
from urllib.parse import urlsplit

import psutil
import psycopg
import pytest
from django.conf import settings

from orchestration.management import checks, data_folder, startup
from orchestration.management.trial import Trial
from orchestration.ollama.simulator import NodeSpec


@contextmanager
def started(*arguments):
    """A Drover with a database of its own: a SQLite file, or on PostgreSQL where the tests run there."""
    server = os.environ.get("DATABASE_URL", "")
    if not server.startswith("postgres"):
        with Trial(*arguments, env={"DATABASE_URL": ""}) as trial:
            yield trial
        return
    name = f"trial_{secrets.token_hex(4)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            with Trial(*arguments, env={"DATABASE_URL": f"{server.rpartition('/')[0]}/{name}"}) as trial:
                yield trial
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def drover():
    """One demo for the tests that leave it running."""
    with started("--demo") as trial:
        yield trial


def family(trial):
    return psutil.Process(trial.process.pid).children(recursive=True)


def until(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def child(trial, name):
    """The process that has this word on its command line, None while it is being started again."""
    for process in family(trial):
        try:
            if name in process.cmdline()[2:4] or name in process.cmdline()[0]:
                return process
        except (psutil.NoSuchProcess, IndexError):
            continue
    return None


@pytest.mark.processes
@pytest.mark.timeout(240)
class TestRunning:
    def test_the_site_is_healthy(self, drover):
        status, body = checks.ask_health(drover.url)
        assert (status, body["status"]) == (200, "ok")

    def test_the_login_link_comes_last_and_leads_to_a_page(self, drover):
        until(lambda: "/start/" in drover.written())
        own = [line for line in drover.written().splitlines() if not re.match(r"[a-z]+ +\| ", line)]
        link = re.search(r"http://\S+/start/\S+", own[-2]).group()
        parts = urlsplit(link)
        connection = HTTPConnection(parts.hostname, parts.port, timeout=30)
        connection.request("GET", parts.path)
        assert connection.getresponse().status == 200
        connection.close()

    def test_the_demo_is_announced_plainly(self, drover):
        assert "demo mode" in drover.written()

    def test_a_task_submitted_with_a_key_is_answered(self, drover):
        key = drover.create_key()
        assert re.fullmatch(r"drover_\S+", key)
        task = {"type": "generate", "input": "Hello.", "parameters": {"num_predict": 8}}
        status, run = drover.call("POST", "tasks?wait=60", key, {"tasks": [task]})
        assert status == 200, run
        assert run["status"] == "completed"
        assert run["tasks"][0]["output"]

    def test_the_doctor_finds_nothing_wrong(self, drover):
        report = drover.manage("doctor")
        assert all(name in report for name in ("data", "database", "redis", "web", "scheduler", "worker"))

    def test_another_login_link_leads_to_the_same_site(self, drover):
        assert drover.manage("login_link").startswith(f"{drover.url}/start/")

    def test_a_second_start_on_the_same_data_folder_says_so(self, drover):
        second = subprocess.run(
            [sys.executable, str(settings.BASE_DIR / "manage.py"), "up", "--no-browser"],
            env=drover.env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert second.returncode == 1
        assert "already runs" in second.stdout
        assert drover.url in second.stdout

    def test_nobody_else_on_this_machine_can_read_the_data(self, drover):
        assert drover.data.stat().st_mode & 0o077 == 0

    @pytest.mark.parametrize("name", ["web", "scheduler", "worker", "redis-server"])
    def test_a_process_that_is_killed_comes_back(self, drover, name):
        victim = child(drover, name)
        victim.kill()
        until(lambda: (new := child(drover, name)) is not None and new.pid != victim.pid)
        until(lambda: checks.ask_health(drover.url)[0] == 200)


@pytest.mark.processes
@pytest.mark.timeout(240)
class TestStopping:
    def test_ctrl_c_ends_it_in_order_and_leaves_no_process(self):
        with started("--demo") as trial:
            processes = family(trial)
            assert len(processes) >= 5
            assert trial.stop(signal.SIGINT) == 0
            assert psutil.wait_procs(processes, timeout=5)[1] == []
            assert data_folder.running(trial.data) is None

    def test_killed_it_leaves_no_process_either(self):
        with started("--demo") as trial:
            processes = family(trial)
            trial.process.kill()
            assert psutil.wait_procs(processes, timeout=45)[1] == []


@pytest.mark.processes
@pytest.mark.timeout(240)
def test_real_servers_take_the_place_of_the_demo(make_simulator):
    herd = make_simulator([NodeSpec(name="real", models=("llama2:latest",), speed=20)])
    with started("--demo") as trial:
        assert trial.stop() == 0
        trial.env["OLLAMA_HOSTS"] = herd.urls[0]
        trial._arguments = ()
        trial.start()
        status, answer = trial.call("GET", "nodes", trial.create_key())
        assert status == 200
        assert [node["base_url"] for node in answer["nodes"]] == herd.urls
        assert "1 model" in trial.written()


def refused(tmp_path, *arguments, **env):
    """What ``up`` writes when it cannot start, with its exit status."""
    inherited = {name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_URL")}
    done = subprocess.run(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), "up", "--no-browser", *arguments],
        env={**inherited, "DROVER_DATA": str(tmp_path), **env}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


@pytest.mark.processes
class TestRefusing:
    def test_a_taken_port_that_was_asked_for(self, tmp_path):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            holder.listen()
            status, words = refused(tmp_path, "--demo", "--port", str(holder.getsockname()[1]))
        assert status == 1
        assert "it is taken" in words

    def test_a_redis_that_does_not_answer(self, tmp_path):
        status, words = refused(tmp_path, "--demo", "--port", "0", REDIS_URL=f"unix://{tmp_path}/none.sock")
        assert status == 1
        assert "REDIS_URL" in words

    def test_a_database_that_does_not_answer(self, tmp_path):
        url = f"postgresql://drover@%2F{str(tmp_path)[1:].replace('/', '%2F')}/drover?connect_timeout=1"
        status, words = refused(tmp_path, "--demo", "--port", "0", DATABASE_URL=url)
        assert status == 1
        assert "DATABASE_URL" in words

    def test_a_server_address_that_may_not_be_called(self, tmp_path):
        status, words = refused(tmp_path, "--port", "0", OLLAMA_HOSTS="http://169.254.169.254")
        assert status == 1
        assert "OLLAMA_HOSTS" in words


def test_a_browser_is_opened_only_where_somebody_sees_it(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    assert startup.has_display()
    monkeypatch.setenv("SSH_CONNECTION", "somewhere")
    assert not startup.has_display()
    monkeypatch.delenv("SSH_CONNECTION")
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert not startup.has_display()
