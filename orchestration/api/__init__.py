"""The REST API: one router file per noun, mounted at /api/orchestration/."""

from orchestration.api import agents, model_configs, nodes, runs, status, tasks
from orchestration.api.base import DroverAPI
from orchestration.api.docs import Documentation
from orchestration.api.health import healthz

__all__ = ["api", "documentation", "healthz"]

api = DroverAPI(
    title="Drover",
    version="1",
    description="Submit tasks to a herd of Ollama servers, follow them, and look after agents and nodes.",
)
for router in (tasks.router, runs.router, agents.router, nodes.router, model_configs.router, status.router):
    api.add_router("", router)

documentation = Documentation(api)
