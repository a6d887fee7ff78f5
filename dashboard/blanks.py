"""Empty rows: the templates from which a page makes rows for what appears while it is open."""

from django.utils import timezone

from orchestration import payloads
from orchestration.models import Task
from orchestration.payloads import ModelLoad, NodeLoad, TaskRow
from orchestration.payloads.batches import BatchPayload, BatchRow


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


def batch() -> BatchPayload:
    return BatchPayload(
        id=0,
        title="",
        type="",
        agent="",
        agent_id=None,
        owner=None,
        owner_id=None,
        status="pending",
        dry_run=False,
        rows=0,
        calls=0,
        counts=dict.fromkeys(("pending", "running", "completed", "failed", "cancelled"), 0),
        skipped=0,
        eta=None,
        max_parallel=None,
        stop_failed_percent=None,
        paused_at=None,
        paused_by=None,
        stopped_reason=None,
        created_at=payloads.stamp(timezone.now()),
    )


def batch_row() -> BatchRow:
    return BatchRow(
        key="",
        number=0,
        task_id=0,
        version=0,
        client_ref="",
        input="",
        output="",
        state="waiting",
        status="pending",
        message="",
        progress=0,
        attempt_id=None,
        error_code=None,
        error=None,
        seconds=None,
        output_tokens=None,
        model=None,
        node=None,
    )
