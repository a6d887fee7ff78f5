"""One wire shape per noun, the same in REST answers, websocket events and ``--json`` output.

Times leave as ISO 8601 UTC, durations as ``_seconds``, sizes as ``_bytes``. None means unknown, never zero.
TypedDict comes from typing_extensions: before Python 3.12 pydantic needs that one to make schemas of it.
"""

from orchestration.payloads.agents import AgentPayload, agent
from orchestration.payloads.attempts import AttemptPayload, attempt
from orchestration.payloads.audit import AuditPayload, audit_entry
from orchestration.payloads.base import iso, stamp
from orchestration.payloads.documents import DocumentPayload, document
from orchestration.payloads.fleet import (
    LoadPlanPayload,
    ModelConfigPayload,
    NodeModelPayload,
    NodePayload,
    load_plan,
    model_config,
    node,
    node_model,
    node_status,
)
from orchestration.payloads.load import LoadSample, ModelLoad, NodeLoad, ResidentModel, Totals
from orchestration.payloads.pauses import PausePayload
from orchestration.payloads.presets import DefaultsPayload, InForce, PresetPayload, fleet_defaults, preset
from orchestration.payloads.runs import RunPayload, run, run_status
from orchestration.payloads.tasks import (
    PUBLIC_STATUS,
    Metrics,
    Progress,
    ResultPayload,
    TaskPayload,
    TaskRow,
    metrics,
    output_of,
    result,
    state_of,
    task_payload,
    task_row,
)
from orchestration.payloads.waiting import Wait, WaitingPayload

__all__ = [
    "PUBLIC_STATUS",
    "AgentPayload",
    "AttemptPayload",
    "AuditPayload",
    "DefaultsPayload",
    "DocumentPayload",
    "InForce",
    "LoadPlanPayload",
    "LoadSample",
    "Metrics",
    "ModelConfigPayload",
    "ModelLoad",
    "NodeLoad",
    "NodeModelPayload",
    "NodePayload",
    "PausePayload",
    "PresetPayload",
    "Progress",
    "ResidentModel",
    "ResultPayload",
    "RunPayload",
    "TaskPayload",
    "TaskRow",
    "Totals",
    "Wait",
    "WaitingPayload",
    "agent",
    "attempt",
    "audit_entry",
    "document",
    "fleet_defaults",
    "iso",
    "load_plan",
    "metrics",
    "model_config",
    "node",
    "node_model",
    "node_status",
    "output_of",
    "preset",
    "result",
    "run",
    "run_status",
    "stamp",
    "state_of",
    "task_payload",
    "task_row",
]
