"""Every read the doors need: lists, filters, counts, pages, the load sample. Nothing here writes."""

from orchestration.queries.documents import documents, documents_by_id, documents_of_task, get_document
from orchestration.queries.filters import TaskFilter
from orchestration.queries.fleet import (
    get_model_config,
    get_node,
    known_models,
    model_configs,
    node_detail,
    nodes,
)
from orchestration.queries.lanes import waiting_lanes
from orchestration.queries.load import load_sample
from orchestration.queries.obstacles import obstacles
from orchestration.queries.pauses import paused
from orchestration.queries.people import agents, audit, get_agent
from orchestration.queries.status import errors, health, metrics, workers
from orchestration.queries.tasks import (
    Page,
    facets,
    get_run,
    get_task,
    run_counts,
    run_detail,
    run_summary,
    runs,
    task_counts,
    task_detail,
    task_rows,
    task_rows_by_id,
    unfinished_in_run,
)
from orchestration.queries.waiting import waits

__all__ = [
    "Page",
    "TaskFilter",
    "agents",
    "audit",
    "documents",
    "documents_by_id",
    "documents_of_task",
    "errors",
    "facets",
    "get_agent",
    "get_document",
    "get_model_config",
    "get_node",
    "get_run",
    "get_task",
    "health",
    "known_models",
    "load_sample",
    "metrics",
    "model_configs",
    "node_detail",
    "nodes",
    "obstacles",
    "paused",
    "run_counts",
    "run_detail",
    "run_summary",
    "runs",
    "task_counts",
    "task_detail",
    "task_rows",
    "task_rows_by_id",
    "unfinished_in_run",
    "waiting_lanes",
    "waits",
    "workers",
]
