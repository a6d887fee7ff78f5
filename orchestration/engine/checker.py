"""Whether answers follow their JSON schema, found out by a process of its own.

Somebody else's schema on a model's words may take any time and memory: a pattern that backtracks, parts that refer to
themselves. This process would stand still meanwhile; that one is killed.
"""

import asyncio
import json
import logging
import resource
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from orchestration.errors import InvalidAnswer
from orchestration.policy.schemas import problem_of_text

log = logging.getLogger(__name__)

START_SECONDS = 30.0
CHECK_SECONDS = 5.0
ALONE_SECONDS = 30
MOST_BYTES = 1024 * 1024 * 1024
_ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "orchestration.engine.checker"]
_READY = b"ready\n"


class Checker:
    """Belongs to one event loop. The process starts with the first schema."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._one = asyncio.Lock()

    async def problem(self, text: str, wanted: str | Mapping[str, Any]) -> str:
        """In one sentence; empty when the text is the JSON that was wanted. Raises InvalidAnswer if nobody can tell."""
        if isinstance(wanted, str):
            return problem_of_text(text, None)
        question = json.dumps({"text": text, "schema": wanted}).encode() + b"\n"
        async with self._one:
            try:
                return await self._ask(question)
            except BaseException:
                await self.aclose()
                raise

    async def aclose(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _ask(self, question: bytes) -> str:
        try:
            process = await self._running()
            async with asyncio.timeout(CHECK_SECONDS):
                answer = await _exchange(process, question)
        except TimeoutError as error:
            words = f"Checking the answer against its JSON schema took longer than {CHECK_SECONDS:g} s: simplify it."
            raise InvalidAnswer(words) from error
        except OSError as error:
            answer = b""
            log.warning("the process that checks answers is gone: %s", error)
        if not answer:
            raise InvalidAnswer("The answer could not be checked against its JSON schema: simplify it.")
        return str(json.loads(answer))

    async def _running(self) -> asyncio.subprocess.Process:
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                cwd=_ROOT,
            )
            async with asyncio.timeout(START_SECONDS):
                await _exchange(self._process, b"")
        return self._process


async def _exchange(process: asyncio.subprocess.Process, question: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(question)
    await process.stdin.drain()
    return await process.stdout.readline()


def serve() -> None:
    """The process: a question on each line, until there are no more.

    Whoever asked may be gone, killed; then nobody kills this one, so it has a clock of its own.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: whoever asks ends in order, and this one with it
    with suppress(ValueError, OSError):  # where the system takes no such limit
        resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    sys.stdout.buffer.write(_READY)
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        signal.alarm(ALONE_SECONDS)
        question = json.loads(line)
        sys.stdout.buffer.write(json.dumps(problem_of_text(question["text"], question["schema"])).encode() + b"\n")
        signal.alarm(0)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    serve()
