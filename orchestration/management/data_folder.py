"""The data folder: made private, its Redis socket kept short, and held by one start at a time."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

LONGEST_SOCKET_PATH = 100
"""The kernel takes 108 bytes on Linux and 104 on macOS, the closing zero included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Who holds a data folder. ``url`` is empty until the site answers."""

    pid: int
    url: str = ""


class AlreadyRunning(Exception):
    """Another process has started Drover on this data folder."""

    def __init__(self, start: Start) -> None:
        super().__init__(f"Drover already runs on this data folder (process {start.pid}).")
        self.start = start


class Unusable(Exception):
    """The data folder cannot be made or written."""


def prepare(data: Path) -> None:
    """Makes the folder, readable by its owner only. What is there already keeps its rights."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=data):
            pass
    except OSError as error:
        raise Unusable(f"{data} cannot be written ({error.strerror}): set DROVER_DATA to a folder of yours.") from error


def socket_path(data: Path) -> Path:
    """Where the bundled Redis of this data folder listens, as far as that has been decided."""
    remembered = _remembered(data)
    return (remembered or data) / "redis.sock"


def make_socket_path(data: Path) -> Path:
    """The same, decided now: in the data folder, or where that path is too long in a short private folder.

    The short folder is remembered in the data folder, so that every process of this installation finds the same one.
    """
    inside = data / "redis.sock"
    if len(str(inside).encode()) <= LONGEST_SOCKET_PATH:
        return inside
    folder = _remembered(data) or Path(tempfile.mkdtemp(prefix="drover-", dir="/tmp"))
    (data / "redis-folder").write_text(str(folder))
    return folder / "redis.sock"


def _remembered(data: Path) -> Path | None:
    try:
        folder = Path((data / "redis-folder").read_text().strip())
        status = folder.lstat()
    except OSError:
        return None
    is_ours = status.st_uid == os.getuid() and status.st_mode & 0o077 == 0
    return folder if is_ours and not folder.is_symlink() else None


@contextmanager
def held(data: Path) -> Iterator["Hold"]:
    """Holds the folder until the end, even an unexpected one: the lock goes with the process."""
    with (data / "up.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyRunning(_read(data) or Start(pid=0)) from None
        hold = Hold(data)
        hold.note(Start(pid=os.getpid()))
        yield hold


class Hold:
    """The right to start Drover on a folder; ``note`` tells other commands about this start."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def note(self, start: Start) -> None:
        (self.data / "up.lock").write_text(json.dumps(asdict(start)))


def running(data: Path) -> Start | None:
    """The start that holds this folder now, None when nothing does."""
    try:
        with (data / "up.lock").open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return _read(data)
    except OSError:
        pass
    return None


def _read(data: Path) -> Start | None:
    try:
        return Start(**json.loads((data / "up.lock").read_text()))
    except (OSError, ValueError, TypeError):
        return None
