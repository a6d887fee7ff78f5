"""A request that is under way."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from orchestration.ollama.addresses import AddressPolicy
from orchestration.ollama.exchange import Answer, Patience, exchange
from orchestration.ollama.transport import guarded_transport

LONG = timedelta(hours=1)
PATIENT = Patience(first=LONG, between=LONG)
Ask = Callable[..., AbstractAsyncContextManager[Answer]]


@pytest.fixture
async def ask() -> AsyncIterator[Ask]:
    """Sends one GET and gives the answer that is under way."""
    async with guarded_transport(AddressPolicy(), verify_tls=True) as transport:

        @asynccontextmanager
        async def send(url: str, patience: Patience = PATIENT, **options: Any) -> AsyncIterator[Answer]:
            async with exchange(transport, httpx.Request("GET", url), "gpu-a", patience, **options) as answer:
                yield answer

        yield send
