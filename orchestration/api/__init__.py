"""The REST API: one router file per noun, mounted at /api/orchestration/."""

from orchestration.api import (
    agents,
    batches,
    benchmarks,
    bulk,
    collections,
    comparisons,
    config,
    conversations,
    documents,
    effective,
    exports,
    history,
    memories,
    model_actions,
    model_configs,
    models,
    nodes,
    outputs,
    pauses,
    presets,
    retention,
    runs,
    statistics,
    status,
    system,
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
    presets,
    effective,
    memories,
    nodes,
    model_configs,
    models,
    model_actions,
    pauses,
    config,
    system,
    status,
    history,
    comparisons,
    benchmarks,
    outputs,
    collections,
    retention,
    statistics,
):
    api.add_router("", noun.router)

documentation = Documentation(api)
