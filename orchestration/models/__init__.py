"""The tables, one file per noun. A task's status is written by ``TaskQuerySet.transition`` alone."""

from orchestration.models.agents import Agent
from orchestration.models.attempts import Attempt
from orchestration.models.audit import AuditEntry
from orchestration.models.conversations import Conversation, Memory, Turn
from orchestration.models.defaults import FleetDefaults, Preset
from orchestration.models.documents import CachedVector, Document
from orchestration.models.fleet import (
    CatalogueEntry,
    CatalogueState,
    ModelConfig,
    ModelDetails,
    Node,
    NodeModel,
    OllamaModel,
)
from orchestration.models.health import HealthChange
from orchestration.models.history import LoadChunk, LoadMark, LoadSeries
from orchestration.models.outputs import CleanUp, Collection, FolderSink, Output, OutputTag, RetentionRule
from orchestration.models.processes import RoleLease, WorkerProcess
from orchestration.models.pulls import Pull
from orchestration.models.runs import Run
from orchestration.models.scheduling import LoadPlan, NodeVariant, OutputEstimate, Pause, ShareAccount
from orchestration.models.tasks import Lane, Task, TaskDependency
from orchestration.models.usage import UsageDay
from orchestration.models.users import ApiKey, LoginLink, User
from orchestration.models.votes import Vote
from orchestration.models.workflows import Workflow, WorkflowVersion

__all__ = [
    "Agent",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "CachedVector",
    "CatalogueEntry",
    "CatalogueState",
    "CleanUp",
    "Collection",
    "Conversation",
    "Document",
    "FleetDefaults",
    "FolderSink",
    "HealthChange",
    "Lane",
    "LoadChunk",
    "LoadMark",
    "LoadPlan",
    "LoadSeries",
    "LoginLink",
    "Memory",
    "ModelConfig",
    "ModelDetails",
    "Node",
    "NodeModel",
    "NodeVariant",
    "OllamaModel",
    "Output",
    "OutputEstimate",
    "OutputTag",
    "Pause",
    "Preset",
    "Pull",
    "RetentionRule",
    "RoleLease",
    "Run",
    "ShareAccount",
    "Task",
    "TaskDependency",
    "Turn",
    "UsageDay",
    "User",
    "Vote",
    "WorkerProcess",
    "Workflow",
    "WorkflowVersion",
]
