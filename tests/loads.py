"""Samples and ended attempts for tests of the load history."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from orchestration.models import Attempt, Lane, LoadMark, Node, Run, Task
from orchestration.payloads import LoadSample, stamp
from orchestration.services.history import Sampled

NOW = 1_800_000_000
"""At a whole hour."""
MODEL, OTHER = "llama3.2:latest", "qwen3:8b"
Add = Callable[..., Attempt]
_numbers = count(1)


def at(second: float) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=second)


def ended_attempt(second: float, *, node: Node | None, model: str = MODEL, **fields: Any) -> Attempt:
    """Of a task of its own, ended at that second, with 10 tokens in and 100 out."""
    kept: dict[str, Any] = {
        "node": node,
        "node_name": node.name if node else "",
        "model_name": model,
        "num_ctx": 4096,
        "status": "completed",
        "prompt_tokens": 10,
        "output_tokens": 100,
        "granted_at": at(second - 3),
        "lease_until": at(second),
        "started_at": at(second - 3),
        "first_token_at": at(second - 2),
        "ended_at": at(second),
    }
    run = Run.objects.first() or Run.objects.create(kind="batch", agent_name="writer")
    lane = Lane.objects.get_or_create(key="k", defaults={"models": [MODEL], "num_ctx": 4096})[0]
    task = Task.objects.create(
        run=run, lane=lane, type="generate", title="Name a river", status="completed", position=next(_numbers)
    )
    return Attempt.objects.create(task=task, number=1, slot=0, token=f"a{task.pk}", **{**kept, **fields})


def sample(second: float, nodes: Mapping[Node, Mapping[str, int]], *, waiting: int = 0, rate: Any = 30.0) -> LoadSample:
    """Each node with its models in memory and how many run there; None for one that does not answer."""
    models = sorted({model for held in nodes.values() for model in held or ()})
    places = [(node, model, running) for node, held in nodes.items() for model, running in (held or {}).items()]
    running = sum(number for _, _, number in places)
    return {
        "at": stamp(at(second)),
        "models": [
            {
                "name": model,
                "running": sum(number for _, name, number in places if name == model),
                "waiting": waiting if model == MODEL else 0,
                "tokens_per_second": rate,
                "vram_bytes": 1000,
            }
            for model in models
        ],
        "nodes": [
            {
                "id": node.pk,
                "name": node.name,
                "slots": None if held is None else 4,
                "running": sum((held or {}).values()),
                "tokens_per_second": None if held is None else rate,
                "vram_used_bytes": None if held is None else 1000 * len(held),
                "models": [
                    {
                        "name": model,
                        "running": number,
                        "tokens_per_second": rate,
                        "vram_bytes": 1000,
                        "loaded_bytes": 1000,
                    }
                    for model, number in (held or {}).items()
                ],
            }
            for node, held in nodes.items()
        ],
        "totals": {"running": running, "waiting": waiting, "tokens_per_second": rate},
    }  # type: ignore[return-value, typeddict-item]


def sampled(start: int, end: int, nodes: Mapping[Node, Any], **fields: Any) -> list[Sampled]:
    """One sample a second, as a scheduler that starts then takes them."""
    found: list[Sampled] = []
    for second in range(start, end):
        found.append(Sampled(at(second), sample(second, nodes, **fields), found[-1] if found else None))
    return found


def starts_at(second: int) -> None:
    """A history that began then."""
    for level in range(3):
        LoadMark.objects.create(level=level, until_at=at(second))
