"""Whatever a job names, performed: attempts and other coroutines in the worker's loop, everything else in a thread."""

import asyncio
import inspect
import logging
import traceback
from collections.abc import Callable
from typing import Any

from django.db import close_old_connections

from orchestration.engine.handles import CURRENT, Handle, Outcome, Stopped
from orchestration.engine.runner import RUNNER, Runner

log = logging.getLogger(__name__)

InThread = Callable[[Callable[[], Any]], "asyncio.Future[Any]"]


async def perform(handle: Handle, runner: Runner, in_thread: InThread) -> Outcome:
    """What becomes of the job, whatever it does."""
    CURRENT.set(handle)
    RUNNER.set(runner)
    try:
        return Outcome(value=await _call(handle, in_thread), stopped=handle.reason is not None)
    except Stopped:
        return Outcome(stopped=True)
    except Exception:
        log.exception("job %s failed", handle.job.id)
        return Outcome(error=traceback.format_exc())


async def _call(handle: Handle, in_thread: InThread) -> Any:
    job = handle.job
    function = job.func
    if handle.is_attempt:
        return await function(*job.args, **job.kwargs)
    with handle.interruptible():
        if not inspect.iscoroutinefunction(function):
            return await in_thread(lambda: _call_with_fresh_connection(function, job.args, job.kwargs))
        async with asyncio.timeout(job.timeout if job.timeout and job.timeout > 0 else None):
            return await function(*job.args, **job.kwargs)


def _call_with_fresh_connection(function: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    close_old_connections()
    try:
        return function(*args, **kwargs)
    finally:
        close_old_connections()
