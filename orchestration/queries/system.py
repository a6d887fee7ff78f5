"""What Drover runs with: the settings that hold and where they come from, and the machine below it in a few facts."""

import platform
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

import django
import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
from typing_extensions import TypedDict

from orchestration import events
from orchestration.models import AuditEntry, FleetDefaults, RoleLease, Task
from orchestration.payloads import stamp
from orchestration.queries.levels import DEFAULTS_KEY
from orchestration.queries.status import SCHEDULER_ROLE, workers

UNKNOWN = "unknown"


class SettingRow(TypedDict):
    """``source``: default, environment, data folder for a key that was made there, or fleet defaults, which are in the
    database. ``unless``: what holds where the fleet's defaults say nothing."""

    name: str
    group: str
    help: str
    value: str
    default: str
    source: str
    unless: str


class UnknownSetting(TypedDict):
    name: str
    near: str


class SettingsInForce(TypedDict):
    settings: list[SettingRow]
    unknown: list[UnknownSetting]


class Fact(TypedDict):
    """``state``: ok, warn or failed where it is good or bad; else empty."""

    name: str
    text: str
    state: str


class Part(TypedDict):
    name: str
    facts: list[Fact]


class System(TypedDict):
    at: str
    parts: list[Part]


def settings_in_force() -> SettingsInForce:
    """As this process read them at its start. No secrets."""
    over = _of_fleet()
    rows = [_overridden(row, over.get(row["name"])) for row in settings.DROVER_IN_FORCE]
    return SettingsInForce(settings=rows, unknown=cast(list[UnknownSetting], settings.DROVER_UNKNOWN))


def _of_fleet() -> dict[str, Any]:
    row = FleetDefaults.objects.filter(pk=DEFAULTS_KEY).first() or FleetDefaults()
    return {
        "DROVER_KEEP_ALIVE_SECONDS": row.keep_alive_seconds,
        "DROVER_DEFAULT_NUM_CTX": row.options.get("num_ctx"),
    }


def _overridden(row: dict[str, Any], value: Any) -> SettingRow:
    if value is None:
        return cast(SettingRow, {**row, "unless": ""})
    own = {**row, "value": f"{value:g}" if isinstance(value, float) else str(value), "source": "fleet defaults"}
    return cast(SettingRow, {**own, "unless": row["value"]})


def system() -> System:
    now = timezone.now()
    return System(
        at=stamp(now),
        parts=[
            Part(name="Drover", facts=list(_versions())),
            Part(name="Database", facts=list(_database())),
            Part(name="Redis", facts=list(_redis())),
            Part(name="Processes", facts=list(_processes(now))),
            Part(name="Disk", facts=list(_disk())),
        ],
    )


def _fact(name: str, text: str, state: str = "") -> Fact:
    return Fact(name=name, text=text, state=state)


def _versions() -> Iterator[Fact]:
    try:
        own = version("drover")
    except PackageNotFoundError:
        own = UNKNOWN
    yield _fact("version", own)
    yield _fact("Python", platform.python_version())
    yield _fact("Django", django.get_version())
    yield _fact("system", f"{platform.system()} {platform.release()}, {platform.machine()}")


def _database() -> Iterator[Fact]:
    try:
        yield _fact("kind", f"{connection.display_name} {'.'.join(map(str, connection.get_database_version()))}", "ok")
        yield _fact("size", size(_bytes_of_database()))
        executor = MigrationExecutor(connection)
        pending = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
        yield _fact("migrations", f"{pending} to run" if pending else "all run", "warn" if pending else "ok")
        newest = Task.objects.order_by("-pk").values_list("pk", flat=True).first()
        yield _fact("newest task", f"#{newest}" if newest else "none yet")
        changed = AuditEntry.objects.values_list("at", flat=True).first()
        yield _fact("last change", f"{changed.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if changed else "none yet")
    except DatabaseError:
        yield _fact("answers", "no; the log of the web process says why", "failed")


def _bytes_of_database() -> int:
    if connection.vendor == "sqlite":
        path = Path(str(connection.settings_dict["NAME"]))
        return sum(each.stat().st_size for each in (path, Path(f"{path}-wal")) if each.exists())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_database_size(current_database())")
        return int(cursor.fetchone()[0])


def _redis() -> Iterator[Fact]:
    try:
        info: Any = events.connection().info()
        kept = int(events.connection().xlen(events.EVENTS))
    except redis.RedisError:
        yield _fact("answers", "no: tasks wait, nothing is lost", "failed")
        return
    yield _fact("version", str(info.get("redis_version", UNKNOWN)), "ok")
    yield _fact("memory", size(int(info.get("used_memory", 0))))
    yield _fact("connections", str(info.get("connected_clients", UNKNOWN)))
    yield _fact("events kept", f"{kept:,}")


def _processes(now: datetime) -> Iterator[Fact]:
    leader = RoleLease.objects.filter(role=SCHEDULER_ROLE, until__gte=now).first()
    yield _fact("scheduler", f"led by {leader.holder}" if leader else "none is running", "ok" if leader else "failed")
    found = workers(now=now)
    if not any(worker["alive"] for worker in found):
        yield _fact("workers", "none is running", "failed")
    for worker in found:
        words = f"{worker['in_use']} of {worker['capacity']} streams on {worker['hostname']}, process {worker['pid']}"
        state = "warn" if worker["stopping"] else "ok" if worker["alive"] else "failed"
        last = (
            "stopping" if worker["stopping"] else "" if worker["alive"] else f"not heard of since {worker['seen_at']}"
        )
        yield _fact(worker["name"], ", ".join(filter(None, [words, last])), state)


def _disk() -> Iterator[Fact]:
    try:
        usage = shutil.disk_usage(settings.DROVER_DATA)
    except OSError:
        yield _fact("data folder", "cannot be looked at", "failed")
        return
    state = "failed" if usage.free < 200_000_000 else "warn" if usage.free < usage.total / 20 else "ok"
    yield _fact("data folder", str(settings.DROVER_DATA))
    yield _fact("free", f"{size(usage.free)} of {size(usage.total)}", state)


def size(count: int) -> str:
    """``4.9 GB``."""
    amount, units = float(count), ["bytes", "KB", "MB", "GB", "TB"]
    while amount >= 1000 and len(units) > 1:
        amount /= 1000
        units.pop(0)
    return f"{amount:.0f} {units[0]}" if units[0] == "bytes" else f"{amount:.1f} {units[0]}"
