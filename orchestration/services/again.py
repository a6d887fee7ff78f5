"""Transactions over many rows: when the database ends one to resolve a deadlock, it is made again."""

import random
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

TRIES = 4
PAUSE_SECONDS = 0.1
_RESOLVED = frozenset({"40P01", "40001"})
"""PostgreSQL's codes for a deadlock and for a serialization failure. SQLite has one writer and neither of them."""


def atomic_again(work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """``transaction.atomic`` that is tried again. Inside another transaction it is that one's part and never alone."""

    @wraps(work)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        tries = 1
        while True:
            try:
                with transaction.atomic():
                    return work(*args, **kwargs)
            except OperationalError as error:
                if connection.in_atomic_block or tries == TRIES or not was_resolved(error):
                    raise
            time.sleep(random.uniform(0, PAUSE_SECONDS * tries))
            tries += 1

    return run


def was_resolved(error: BaseException) -> bool:
    """Whether the database ended this transaction for another one's sake, so that it can be made again at once."""
    return getattr(error.__cause__, "sqlstate", None) in _RESOLVED
