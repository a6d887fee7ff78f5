"""What an installed package may add to Drover: task types, processing around an agent's calls, routers.

A package names objects, or classes that are made without arguments, as entry points of the groups
``drover.task_types``, ``drover.agents`` and ``drover.routers``. What they are made of is imported from here.
"""

from orchestration.errors import ExtensionFailed
from orchestration.extensions.api import (
    AgentExtension,
    Answer,
    ModelCall,
    ModelClient,
    Need,
    Output,
    RouteChoice,
    RouteModel,
    Router,
    RouteRequest,
    Stream,
    TaskContext,
    TaskHandler,
    Vectors,
)
from orchestration.extensions.registry import (
    Installed,
    Kind,
    agent_extension,
    failed,
    handler,
    installed,
    inventory,
    need_of,
    router,
    task_types,
)

__all__ = [
    "AgentExtension",
    "Answer",
    "ExtensionFailed",
    "Installed",
    "Kind",
    "ModelCall",
    "ModelClient",
    "Need",
    "Output",
    "RouteChoice",
    "RouteModel",
    "RouteRequest",
    "Router",
    "Stream",
    "TaskContext",
    "TaskHandler",
    "Vectors",
    "agent_extension",
    "failed",
    "handler",
    "installed",
    "inventory",
    "need_of",
    "router",
    "task_types",
]
