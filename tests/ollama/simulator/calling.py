"""Fast simulated servers and the few gestures that every test of them needs."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from orchestration.ollama.simulator import NodeSpec, SimulatedNode

MODELS = (
    "llama3.2:latest",
    "qwen3:8b",
    "mistral:7b",
    "codellama:latest",
    "llama2:latest",
    "gemma3:4b",
    "nomic-embed-text:latest",
)


def quick(**changes: Any) -> NodeSpec:
    """Loads in milliseconds, thousands of tokens a second."""
    return NodeSpec(**{"models": MODELS, "speed": 200.0, "context_length": 4096, "pull_gb_per_second": 0.5} | changes)


class Caller:
    """One server and an HTTP session to it; answers are ``(status, body)``."""

    def __init__(self, node: SimulatedNode, session: aiohttp.ClientSession) -> None:
        self.node = node
        self.session = session

    async def call(self, method: str, path: str, body: Any = None, **extra: Any) -> tuple[int, Any]:
        async with self.session.request(method, self.node.url + path, json=body, **extra) as response:
            text = await response.text()
            is_json = response.content_type == "application/json"
            return response.status, await response.json() if is_json and text else text

    async def post(self, path: str, **body: Any) -> tuple[int, Any]:
        return await self.call("POST", path, body)

    async def generate(self, model: str = "llama3.2", prompt: str = "echo: hello", **body: Any) -> tuple[int, Any]:
        return await self.post("/api/generate", **{"model": model, "prompt": prompt, "stream": False} | body)

    async def lines(self, path: str, **body: Any) -> list[bytes]:
        async with self.session.post(self.node.url + path, json=body) as response:
            return [line async for line in response.content]

    async def ps(self) -> list[dict[str, Any]]:
        return (await self.call("GET", "/api/ps"))[1]["models"]

    def background(self, model: str = "llama3.2", prompt: str = "tell me", **body: Any) -> asyncio.Task[Any]:
        return asyncio.create_task(self.generate(model, prompt, **body))

    async def until(self, condition: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        return await until(lambda: state if condition(state := self.node.state()) else None)


async def until(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "the condition never came true"
        await asyncio.sleep(0.002)
    return result


async def leave(task: asyncio.Task[Any]) -> None:
    """Close the connection of a call."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def serving(spec: NodeSpec) -> AsyncIterator[Caller]:
    async with (
        SimulatedNode(spec) as node,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session,
    ):
        yield Caller(node, session)
