"""Runs a command that must not outlive its parent: ``guard.py PARENT_PID COMMAND...``, started as a script.

Where the kernel can tell a child of its parent's death the command replaces this process; elsewhere this process
stays and watches. Imports nothing heavy: it runs before every child.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from types import FrameType

PR_SET_PDEATHSIG = 1
EVERY_SECONDS = 0.5
GRACE_SECONDS = 35.0


def command_line(command: list[str]) -> list[str]:
    """The command under guard, as a child of this process."""
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *command]


def ask_kernel() -> bool:
    """Asks for SIGTERM at the parent's death; False where that is not to be had."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM) == 0)


def watch(parent: int, command: list[str], *, every: float = EVERY_SECONDS) -> int:
    """Runs the command, hands signals on to it, and ends it when the parent is gone. Its exit status."""
    child = subprocess.Popen(command)

    def hand_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    signal.signal(signal.SIGTERM, hand_on)
    signal.signal(signal.SIGINT, hand_on)
    while child.poll() is None:
        if os.getppid() != parent:
            return end(child)
        time.sleep(every)
    return child.returncode


def end(child: subprocess.Popen[bytes], *, grace: float = GRACE_SECONDS) -> int:
    child.terminate()
    try:
        return child.wait(timeout=grace)
    except subprocess.TimeoutExpired:
        child.kill()
        return child.wait()


def main(arguments: list[str]) -> int:
    parent, command = int(arguments[0]), arguments[1:]
    if not ask_kernel():
        return watch(parent, command)
    if os.getppid() != parent:
        return 1
    try:
        os.execvp(command[0], command)
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror}\n")
        return 127


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
