"""Child processes are kept running, and stopped for good."""

import asyncio
import os
import sys
from collections.abc import Callable

import psutil
import pytest

from orchestration.management import supervisor as supervisor_module
from orchestration.management.supervisor import Child, Supervisor

STAYS = "import time; print('up', flush=True); time.sleep(600)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


def python(name: str, code: str, **fields) -> Child:
    return Child(name=name, command=[sys.executable, "-c", code], **fields)


class Listener:
    """Collects what is said and lets a test wait for it."""

    def __init__(self):
        self.lines = []
        self._changed = asyncio.Event()

    def __call__(self, name, line):
        self.lines.append((name, line))
        self._changed.set()

    async def hears(self, wanted: Callable[[list], bool]) -> None:
        async with asyncio.timeout(20):
            while not wanted(self.lines):
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def listener():
    return Listener()


@pytest.fixture
async def supervisor(listener):
    made = Supervisor(listener)
    yield made
    made.hurry()
    await made.stop(*made.names())


async def test_lines_come_under_the_name_of_their_process(supervisor, listener):
    supervisor.start(python("talker", "import sys; print('out'); print('err', file=sys.stderr)"))
    await listener.hears(lambda lines: ("talker", "out") in lines and ("talker", "err") in lines)


async def test_lines_of_a_quiet_process_are_shown_only_when_it_dies(supervisor, listener):
    supervisor.start(python("calm", STAYS, quiet=True))
    supervisor.start(python("fragile", "print('why it died')", quiet=True))
    await listener.hears(lambda lines: ("fragile", "why it died") in lines)
    assert ("calm", "up") not in listener.lines


async def test_an_endless_line_is_cut_instead_of_kept_in_memory(supervisor, listener):
    supervisor.start(python("endless", "print('x' * 200_000)"))
    await listener.hears(lambda lines: sum(len(line) for _, line in lines) >= 200_000)


async def test_a_process_that_dies_is_started_again_ever_later(supervisor, listener, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY", 0.01)
    supervisor.start(python("fragile", "raise SystemExit(3)"))
    await listener.hears(lambda lines: len(lines) >= 3)
    assert [line for _, line in listener.lines[:3]] == [
        "ended with status 3; starts again in 0.01 s",
        "ended with status 3; starts again in 0.02 s",
        "ended with status 3; starts again in 0.04 s",
    ]
    assert supervisor.deaths("fragile") >= 3


async def test_a_killed_process_is_started_again(supervisor, listener, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY", 0.01)
    supervisor.start(python("victim", STAYS))
    await listener.hears(lambda lines: lines.count(("victim", "up")) == 1)
    psutil.Process(supervisor.pid("victim")).kill()
    await listener.hears(lambda lines: lines.count(("victim", "up")) == 2)
    assert ("victim", "was killed by signal 9; starts again in 0.01 s") in listener.lines


async def test_a_stopped_process_stays_stopped(supervisor, listener):
    supervisor.start(python("server", STAYS))
    await listener.hears(bool)
    process = psutil.Process(supervisor.pid("server"))
    await supervisor.stop("server")
    assert not process.is_running()
    assert supervisor.names() == []


async def test_a_process_can_be_stopped_while_it_waits_to_be_started_again(supervisor, listener, monkeypatch):
    monkeypatch.setattr(supervisor_module, "FIRST_DELAY", 600)
    supervisor.start(python("fragile", "raise SystemExit(3)"))
    await listener.hears(bool)
    await supervisor.stop("fragile")
    assert len(listener.lines) == 1


async def test_a_process_that_ignores_the_request_is_killed_after_its_patience(supervisor, listener):
    supervisor.start(python("deaf", DEAF, patience=0.1))
    await listener.hears(bool)
    process = psutil.Process(supervisor.pid("deaf"))
    await supervisor.stop("deaf")
    assert not process.is_running()
    assert ("deaf", "did not end within 0.1 s and is killed") in listener.lines


async def test_hurry_cuts_the_patience_of_what_is_being_stopped(supervisor, listener):
    supervisor.start(python("deaf", DEAF, patience=600))
    await listener.hears(bool)
    stopping = asyncio.create_task(supervisor.stop("deaf"))
    await asyncio.sleep(0)
    supervisor.hurry()
    async with asyncio.timeout(20):
        await stopping


async def test_a_child_does_not_get_the_ctrl_c_of_the_terminal(supervisor, listener):
    supervisor.start(python("server", STAYS))
    await listener.hears(bool)
    assert os.getsid(supervisor.pid("server")) != os.getsid(0)


async def test_a_name_is_used_once(supervisor):
    supervisor.start(python("server", STAYS))
    with pytest.raises(ValueError, match="server"):
        supervisor.start(python("server", STAYS))
