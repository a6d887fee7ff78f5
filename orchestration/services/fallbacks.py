"""What a task goes on with when its model has failed for good: the next of its models that can be used now."""

from typing import Any, NamedTuple

from orchestration.errors import DroverError
from orchestration.models import Task
from orchestration.policy.failures import another_model_may
from orchestration.policy.routing import why_not
from orchestration.services.choosing import known_models
from orchestration.services.fields import cut
from orchestration.services.routes import lane_of
from orchestration.services.tries import policy_in_force

REASON_LENGTH = 300
_NEEDED = (
    *("type", "fallbacks", "routing_reason", "think", "images", "messages", "own_max_tries", "agent_id", "lane"),
    *("lane__node_id", "lane__num_ctx", "agent__name"),
)


class Following(NamedTuple):
    """``words``: for the attempt that failed. ``fields``: of the task, which tries afresh."""

    model: str
    words: str
    fields: dict[str, Any]


def following(task_id: int, failed: str, error: DroverError) -> Following | None:
    """None where the error is the request's own, or no other model is left."""
    if not another_model_may(error):
        return None
    task = Task.objects.select_related("lane", "agent").only(*_NEEDED).get(pk=task_id)
    if task.agent is None or not task.fallbacks:
        return None
    known, images = known_models(task.lane.node_id), _has_images(task)
    for number, name in enumerate(task.fallbacks):
        model = known.get(name)
        if name != failed and model and not why_not(model, task.type, images=images):
            thinks = not task.think or "thinking" in model.capabilities
            policy = policy_in_force(agent_id=task.agent_id, model_name=name, own_max_tries=task.own_max_tries)
            because = f"{failed} failed ({error.code}), so {name}"
            fields = {
                "lane": lane_of(task.agent, task.type, [name], task.lane.num_ctx, node_id=task.lane.node_id),
                "fallbacks": task.fallbacks[number + 1 :],
                "routing_reason": cut("; ".join(filter(None, (task.routing_reason, because))), REASON_LENGTH),
                "message": f"{failed} failed",
                "think": task.think if thinks else None,
                "tries": 0,
                "max_tries": policy.max_tries,
            }
            return Following(name, f"Goes on with {name}, the next of its models", fields)
    return None


def _has_images(task: Task) -> bool:
    return bool(task.images) or any(message.get("images") for message in task.messages or ())
