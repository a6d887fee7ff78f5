"""Database work from async handlers. The connection goes back when the work is done, not when the request ends:
a request that waits or streams for minutes must hold neither one of a small pool nor a thread."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from asgiref.sync import SyncToAsync, sync_to_async
from django.db import connections

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def _releasing(work: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    @wraps(work)
    def run(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return work(*args, **kwargs)
        finally:
            for connection in connections.all(initialized_only=True):
                if not connection.in_atomic_block:
                    connection.close_if_unusable_or_obsolete()

    return run


async def in_request_thread(
    work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs
) -> Result:
    """In the thread of this request, where its authentication ran too."""
    return await sync_to_async(_releasing(work))(*args, **kwargs)


async def in_any_thread(work: Callable[Arguments, Result], *args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
    """For work that outlives the request's first answer or belongs to no request."""
    return await sync_to_async(_releasing(work), thread_sensitive=False)(*args, **kwargs)


def give_up_request_thread() -> None:
    """Ends the thread that Django keeps for this request; there is a new one as soon as it is needed again."""
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor = SyncToAsync.context_to_thread_executor.pop(context, None) if context else None
    if executor is not None:
        executor.shutdown(wait=False)
