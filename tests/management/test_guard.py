"""Children do not outlive their parent."""

import os
import signal
import subprocess
import sys
import threading

import psutil
import pytest

from orchestration.management import guard

PARENT = """
import subprocess, sys
from orchestration.management import guard
command = guard.command_line([sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"])
if sys.argv[1] == "watching":
    command[3:4] = ["-c", "import sys; from orchestration.management import guard as g; "
                    "g.ask_kernel = lambda: False; sys.exit(g.main(sys.argv[1:]))"]
    del command[1:3]
child = subprocess.Popen(command, stdout=sys.stdout)
print(child.pid, flush=True)
child.wait()
"""


@pytest.mark.parametrize("way", ["told by the kernel", "watching"])
def test_a_child_ends_when_its_parent_is_killed(way):
    with subprocess.Popen([sys.executable, "-c", PARENT, way], stdout=subprocess.PIPE, text=True) as parent:
        lines = {parent.stdout.readline().strip(), parent.stdout.readline().strip()}
        child = psutil.Process(int((lines - {"up"}).pop()))
        family = [child, *child.children(recursive=True)]
        parent.kill()
        assert psutil.wait_procs(family, timeout=20)[1] == []


def test_a_parent_that_is_gone_already_starts_nothing(tmp_path):
    witness = tmp_path / "witness"
    status = subprocess.run([sys.executable, "-I", "-S", guard.__file__, "1", "touch", str(witness)], check=False)
    assert status.returncode == 1
    assert not witness.exists()


def test_a_command_that_does_not_exist_is_named():
    result = subprocess.run(guard.command_line(["no-such-command"]), capture_output=True, text=True, check=False)
    assert result.returncode == 127
    assert "no-such-command" in result.stderr


def test_signals_are_handed_on_while_watching(capfd):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    mask = "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})"
    waits = f"import signal; {mask}; print('up', flush=True); signal.sigwait({{signal.SIGTERM}}); raise SystemExit(7)"
    timer = threading.Thread(target=_terminate_when_up, args=(capfd,))
    timer.start()
    try:
        assert guard.watch(os.getppid(), [sys.executable, "-c", waits], every=0.02) == 7
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, handlers[0])
        signal.signal(signal.SIGINT, handlers[1])


def _terminate_when_up(capfd):
    seen = ""
    while "up" not in seen:
        seen += capfd.readouterr().out
        threading.Event().wait(0.02)
    os.kill(os.getpid(), signal.SIGTERM)


def test_what_does_not_end_in_time_is_killed():
    deaf = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    child = subprocess.Popen([sys.executable, "-c", deaf], stdout=subprocess.PIPE)
    with child:
        assert child.stdout.readline() == b"up\n"
        assert guard.end(child, grace=0.1) == -signal.SIGKILL
