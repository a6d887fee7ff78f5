"""The Django admin: every table, written through the services, open to each role as far as it goes elsewhere.

A new table joins with a class of its own on one of the bases in ``base``: ``ServiceAdmin`` where a service creates,
changes and deletes it, ``ReadOnlyAdmin`` where Drover alone writes it.
"""

from orchestration.admin import (
    agents,
    audit,
    conversations,
    documents,
    fleet,
    history,
    keys,
    manners,
    model_configs,
    nodes,
    outputs,
    pauses,
    processes,
    retention,
    runs,
    tasks,
    users,
    workflows,
)

__all__ = [
    "agents",
    "audit",
    "conversations",
    "documents",
    "fleet",
    "history",
    "keys",
    "manners",
    "model_configs",
    "nodes",
    "outputs",
    "pauses",
    "processes",
    "retention",
    "runs",
    "tasks",
    "users",
    "workflows",
]
