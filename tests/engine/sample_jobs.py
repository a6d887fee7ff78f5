"""Ordinary jobs that have nothing to do with attempts."""

import asyncio
from typing import Any

from django.db import connection


def add(left: int, right: int) -> int:
    return left + right


def ask_the_database() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 41 + 1")
        row: tuple[Any, ...] = cursor.fetchone()
    return int(row[0])


def break_down() -> None:
    raise LookupError("this job is broken")


async def sleep_long() -> None:
    await asyncio.sleep(600)


async def double(number: int) -> int:
    await asyncio.sleep(0)
    return 2 * number
