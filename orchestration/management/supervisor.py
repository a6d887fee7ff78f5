"""Child processes: started, their lines shown under their names, started again when they die, stopped in order."""

import asyncio
import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from orchestration.management import guard

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
GOOD_RUN = 30.0
"""A process that has run this many seconds starts with the first delay again when it dies."""
_PIECE = 65_536
_LONGEST_LINE = 10_000
_LAST_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """What to run. ``patience``: seconds from SIGTERM to SIGKILL. ``quiet``: shows its last lines if it dies."""

    name: str
    command: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    patience: float = 10.0
    quiet: bool = False


class Supervisor:
    """Keeps children running until they are stopped. ``say(name, line)`` gets their lines and what becomes of them."""

    def __init__(self, say: Callable[[str, str], None]) -> None:
        self._say = say
        self._kept: dict[str, _Kept] = {}
        self._ending: set[_Kept] = set()
        self._in_hurry = False

    def start(self, child: Child) -> None:
        if child.name in self._kept:
            raise ValueError(f"{child.name} is started already")
        self._kept[child.name] = _Kept(child, self._say)

    def deaths(self, name: str) -> int:
        """How often a child has ended by itself."""
        return self._kept[name].deaths

    def names(self) -> list[str]:
        return list(self._kept)

    def pid(self, name: str) -> int | None:
        process = self._kept[name].process
        return None if process is None or process.returncode is not None else process.pid

    async def stop(self, *names: str) -> None:
        """Asks these to end, all at once, and waits until they have."""
        ending = {self._kept.pop(name) for name in names if name in self._kept}
        self._ending |= ending
        await asyncio.gather(*(kept.stop(in_hurry=self._in_hurry) for kept in ending))
        self._ending -= ending

    def hurry(self) -> None:
        """What is being stopped, now or later, gets no more time."""
        self._in_hurry = True
        for kept in self._ending:
            kept.signal(signal.SIGKILL)


class _Kept:
    """One child and the task that keeps it running."""

    def __init__(self, child: Child, say: Callable[[str, str], None]) -> None:
        self.child = child
        self.deaths = 0
        self.process: asyncio.subprocess.Process | None = None
        self._say = say
        self._unsaid: deque[str] = deque(maxlen=_LAST_LINES)
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._keep())

    async def _keep(self) -> None:
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            began = time.monotonic()
            ending = await self._run_once()
            if self._stopping.is_set():
                return
            self.deaths += 1
            while self._unsaid:
                self._say(self.child.name, self._unsaid.popleft())
            if time.monotonic() - began > GOOD_RUN:
                delay = FIRST_DELAY
            self._say(self.child.name, f"{ending}; starts again in {delay:g} s")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)
            delay = min(delay * 2, LONGEST_DELAY)

    async def _run_once(self) -> str:
        """Runs it to its end, which is told in words."""
        try:
            self.process = await asyncio.create_subprocess_exec(
                *guard.command_line(list(self.child.command)),
                env={**os.environ, "PYTHONUNBUFFERED": "1", **self.child.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            return f"could not be started: {error}"
        if self._stopping.is_set():
            self.signal(signal.SIGTERM)
        await self._relay(self.process)
        status = await self.process.wait()
        return f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"

    async def _relay(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        rest = b""
        while piece := await process.stdout.read(_PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) > _LONGEST_LINE:
                lines, rest = [*lines, rest], b""
            self._show(lines)
        self._show([rest] if rest else [])

    def _show(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            text = line.decode(errors="replace").rstrip()
            if self.child.quiet:
                self._unsaid.append(text)
            else:
                self._say(self.child.name, text)

    async def stop(self, *, in_hurry: bool) -> None:
        self._stopping.set()
        self.signal(signal.SIGKILL if in_hurry else signal.SIGTERM)
        try:
            await asyncio.wait_for(asyncio.shield(self._task), self.child.patience)
        except TimeoutError:
            self._say(self.child.name, f"did not end within {self.child.patience:g} s and is killed")
            self.signal(signal.SIGKILL)
            await self._task

    def signal(self, number: int) -> None:
        if self.process is not None and self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(number)
