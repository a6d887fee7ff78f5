"""One fast simulated server for a test."""

from collections.abc import AsyncIterator

import pytest

from tests.ollama.simulator.calling import Caller, quick, serving


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    async with serving(quick()) as caller:
        yield caller
