"""Empty rows: the templates from which a page makes rows for what appears while it is open."""

from django.utils import timezone

from orchestration import payloads
from orchestration.models import Task
from orchestration.payloads import ModelLoad, NodeLoad, TaskRow


def task_row() -> TaskRow:
    return payloads.task_row(Task(created_at=timezone.now()))


def model_load() -> ModelLoad:
    return ModelLoad(
        name="",
        running=0,
        waiting=0,
        slots=0,
        tokens_per_second=None,
        vram_bytes=None,
        loaded_bytes=None,
        nodes=[],
        loading=False,
        paused=False,
        expires_at=None,
    )


def node_load() -> NodeLoad:
    return NodeLoad(
        id=0,
        name="",
        status="unknown",
        reason="",
        circuit="",
        running=0,
        slots=None,
        tokens_per_second=None,
        vram_used_bytes=None,
        loaded_bytes=None,
        vram_bytes=None,
        plan=None,
        models=[],
    )
