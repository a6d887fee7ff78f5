"""The REST API: one router file per noun, mounted at /api/orchestration/."""

from orchestration.api import (
    agents,
    batches,
    benchmarks,
    bulk,
    comparisons,
    conversations,
    documents,
    exports,
    memories,
    model_configs,
    nodes,
    pauses,
    runs,
    status,
    tasks,
    turns,
    vectors,
    workflows,
)
from orchestration.api.base import DroverAPI
from orchestration.api.docs import Documentation
from orchestration.api.health import healthz

__all__ = ["api", "documentation", "healthz"]

api = DroverAPI(
    title="Drover",
    version="1",
    description="Submit tasks to a herd of Ollama servers, follow them, and look after agents and nodes.",
)
for noun in (
    tasks,
    vectors,
    documents,
    bulk,
    runs,
    exports,
    batches,
    workflows,
    conversations,
    turns,
    agents,
    memories,
    nodes,
    model_configs,
    pauses,
    status,
    comparisons,
    benchmarks,
):
    api.add_router("", noun.router)

documentation = Documentation(api)
