"""What start-up and the doctor look at: each finding in words, with what mends it."""

import http.client
import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from orchestration import extensions
from orchestration.errors import InvalidNodeAddress
from orchestration.management import bundled_redis, data_folder, fleet

OLDEST_REDIS = (6, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """``ok`` is None where nothing is wrong but something is worth knowing."""

    ok: bool | None
    name: str
    text: str
    fix: str = ""


def before_start() -> Iterator[Finding]:
    """Whether Drover could start here."""
    yield data()
    yield database()
    yield redis_to_use()
    yield from ollama()


def of_running(url: str = "") -> Iterator[Finding]:
    """Whether it could start, and whether what runs is well: the start on this data folder, or the site at ``url``."""
    yield from before_start()
    yield from circuits()
    yield from installed_extensions()
    yield from site(url)


def data() -> Finding:
    try:
        data_folder.prepare(settings.DROVER_DATA)
    except data_folder.Unusable as error:
        return Finding(ok=False, name="data", text=str(error))
    free = shutil.disk_usage(settings.DROVER_DATA).free
    folder = shown_path(settings.DROVER_DATA)
    if free < 200_000_000:
        return Finding(ok=False, name="data", text=f"{folder}: the disk is full", fix="Make room, or set DROVER_DATA.")
    return Finding(ok=True, name="data", text=folder)


def shown_path(path: Path) -> str:
    """Short where it is below the working directory."""
    with suppress(ValueError, OSError):
        return f"./{path.relative_to(Path.cwd())}"
    return str(path)


def reach_database() -> None:
    """One connection past the pool, which would take its time and hide the reason. Raises DatabaseError."""
    if connection.vendor == "postgresql":
        with connection.wrap_database_errors:
            given = {"connect_timeout": 5, **connection.get_connection_params()}
            driver: Any = connection
            driver.Database.connect(**given).close()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def database() -> Finding:
    try:
        reach_database()
        pending = MigrationExecutor(connection).migration_plan(MigrationExecutor(connection).loader.graph.leaf_nodes())
    except (DatabaseError, OSError) as error:
        fix = "Check DATABASE_URL, and that the server runs and lets this machine in."
        return Finding(ok=False, name="database", text=f"{connection.vendor}: {_first_line(error)}", fix=fix)
    if pending:
        fix = "'make run' does it, or 'manage.py migrate'."
        return Finding(ok=None, name="database", text=f"{connection.vendor}, {len(pending)} migrations to run", fix=fix)
    return Finding(ok=True, name="database", text=database_words())


def database_words() -> str:
    return "SQLite, WAL" if connection.vendor == "sqlite" else "PostgreSQL"


def redis_to_use() -> Finding:
    version = bundled_redis.answers(settings.REDIS_URL)
    if version is not None:
        return _redis_version(version)
    if not uses_bundled_redis():
        fix = "Start that Redis, or unset REDIS_URL to use the bundled one."
        return Finding(ok=False, name="redis", text="does not answer at REDIS_URL", fix=fix)
    try:
        program = bundled_redis.executable()
    except bundled_redis.RedisNotFound as error:
        return Finding(ok=False, name="redis", text=str(error))
    return Finding(ok=None, name="redis", text=f"bundled, not running: {Path(program).name} starts with Drover")


def uses_bundled_redis() -> bool:
    return bool(bundled_redis.url(data_folder.socket_path(settings.DROVER_DATA)) == settings.REDIS_URL)


def _redis_version(version: str) -> Finding:
    whose = "bundled, unix socket" if uses_bundled_redis() else "from REDIS_URL"
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < OLDEST_REDIS:
        return Finding(ok=False, name="redis", text=f"{version} ({whose}) is too old", fix="Use 6.2 or newer.")
    return Finding(ok=True, name="redis", text=f"{version} ({whose})")


def ollama() -> Iterator[Finding]:
    """Every server that is configured or connected; the one of this machine when there is none."""
    try:
        urls = fleet.configured()
    except InvalidNodeAddress as error:
        yield Finding(ok=False, name="ollama", text=error.message, fix="Correct OLLAMA_HOSTS or OLLAMA_HOST.")
        return
    with suppress(DatabaseError, OSError):
        urls = list(dict.fromkeys([*urls, *fleet.real_urls()]))
        if not urls and (count := len(fleet.simulated_urls())):
            text = f"demo mode: {count} simulated servers, invented answers"
            yield Finding(ok=None, name="ollama", text=text, fix=install_hint())
            return
    for look in async_to_sync(fleet.look_at_all)(urls or [fleet.LOCAL]):
        yield _server(look, is_expected=bool(urls))


def circuits() -> Iterator[Finding]:
    """Nodes that answer, but whose attempts failed too often in a row."""
    fix = "Look at that server's log: journalctl -u ollama. When it is mended, close the circuit under Models & nodes."
    with suppress(DatabaseError, OSError):
        for words in fleet.circuits():
            yield Finding(ok=False, name="circuit", text=words, fix=fix)


def installed_extensions() -> Iterator[Finding]:
    """Each is loaded here to see whether it can be, as every process of Drover does when it is first needed."""
    for found in extensions.inventory():
        words = f"{found}: {found.problem}" if found.problem else str(found)
        fix = "Mend or remove that package, then start web and workers again." if found.problem else ""
        yield Finding(ok=not found.problem, name="extension", text=words, fix=fix)


def _server(look: fleet.Look, *, is_expected: bool) -> Finding:
    if not look.error:
        return Finding(ok=True, name="ollama", text=look.words)
    if is_expected:
        fix = "Is it running, and does it listen beyond its own machine (OLLAMA_HOST=0.0.0.0 over there)?"
        return Finding(ok=False, name="ollama", text=look.words, fix=fix)
    return Finding(
        ok=None, name="ollama", text=f"none at {look.url}: Drover would start in demo mode", fix=install_hint()
    )


def install_hint() -> str:
    if shutil.which("ollama"):
        return 'It is installed but not running: "ollama serve", or ARGS=--start-ollama.'
    return "Set OLLAMA_HOSTS to your servers, or add them under Nodes."


def site(url: str = "") -> Iterator[Finding]:
    """What /healthz says, part by part."""
    start = data_folder.running(settings.DROVER_DATA)
    url = url or (start.url if start else "")
    if not url:
        yield Finding(ok=False, name="web", text="not running", fix="Start Drover with 'make run'.")
        return
    status, body = ask_health(url)
    if status is None:
        yield Finding(ok=False, name="web", text=f"{url} does not answer", fix="Look at its lines on the terminal.")
        return
    if "checks" not in body:
        yield Finding(ok=False, name="web", text=f"{url} answers {status} where Drover's health was expected")
        return
    yield Finding(ok=True, name="web", text=url)
    for part in ("scheduler", "worker"):
        state = body["checks"][part]
        yield Finding(ok=state["ok"], name=part, text=state["message"])


def ask_health(url: str, *, seconds: float = 5.0) -> tuple[int | None, dict[str, Any]]:
    """The status and body of /healthz; no status when the site does not answer."""
    parts = urlsplit(url)
    asking = http.client.HTTPConnection(parts.hostname or "127.0.0.1", parts.port, timeout=seconds)
    try:
        asking.request("GET", "/healthz")
        answer = asking.getresponse()
        body = json.loads(answer.read())
    except (OSError, http.client.HTTPException):
        return None, {}
    except ValueError:
        return answer.status, {}
    finally:
        asking.close()
    return answer.status, body if isinstance(body, dict) else {}


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
