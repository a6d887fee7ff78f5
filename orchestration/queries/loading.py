"""What Drover itself has loaded, and how long that took."""

from orchestration.models import NodeVariant, Task


def loaded_since(task_id: int, node_id: int, model: str, num_ctx: int) -> float | None:
    """The seconds it took to load a variant, where that was after the task was asked for."""
    asked_at = Task.objects.filter(pk=task_id).values_list("created_at", flat=True).first()
    if asked_at is None:
        return None
    rows = NodeVariant.objects.filter(node=node_id, model_name=model, num_ctx=num_ctx, loaded_at__gte=asked_at)
    return rows.values_list("last_load_seconds", flat=True).first()
