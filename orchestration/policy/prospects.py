"""What has to happen before a waiting task starts, in words for the person who waits."""

from collections.abc import Sequence
from enum import StrEnum

from orchestration.policy.decision import Waits


class OwnWaits(StrEnum):
    """Reasons of one task, beside those of its lane."""

    STEP = "step"
    RUN_PAUSED = "run_paused"
    RUN_LIMIT = "run_limit"
    BACKING_OFF = "backing_off"
    STARTING = "starting"
    UNDECIDED = "undecided"


_NEXT: dict[str, str] = {
    Waits.NO_WORKER: "It starts when a worker runs: python manage.py worker.",
    Waits.WORKERS_FULL: "It starts when a worker has a place free. One more worker process makes more room.",
    Waits.REDIS_AWAY: "It starts when Redis answers again; nothing is lost meanwhile.",
    Waits.PAUSED: "It starts when somebody resumes it; it keeps its place in line.",
    Waits.AGENT_LIMIT: "It starts when another task of this agent ends. The limit is set in the agent.",
    Waits.USER_LIMIT: "It starts when another task of the same user ends. An admin sets that limit.",
    Waits.MODEL_LIMIT: "It starts when another task of {model} ends. The limit is set for the model.",
    Waits.DISABLED: "It starts when {model} is enabled again in its model configuration.",
    Waits.NOT_PULLED: "It starts by itself once a node has the model: ollama pull {model}",
    Waits.NODE_UNAVAILABLE: "It starts when a node that has {model} takes work again; all are asked every few seconds.",
    Waits.LOAD_FAILED: "The load is tried again after a while; the node's page says when and why it failed.",
    Waits.LOADING: "It starts when {model} is in memory.",
    Waits.DRAINING: "What still runs there ends first, then {model} is loaded. Nothing else starts there meanwhile.",
    Waits.BUSY: "It starts when a slot is free. Where the line lasts longer than a load, another node loads the model.",
    OwnWaits.STEP: "It starts when that step has completed.",
    OwnWaits.RUN_PAUSED: "It starts when somebody resumes its run; what runs already goes on.",
    OwnWaits.RUN_LIMIT: "It starts when another task of its run ends. The limit can be changed while it runs.",
    OwnWaits.BACKING_OFF: "It is tried again by itself, on another node where that can help.",
    OwnWaits.STARTING: "A worker takes it now.",
    OwnWaits.UNDECIDED: "The scheduler looks at it within a second. If this stays, no scheduler is running.",
}


_NEXT_OF_ITS_NODE: dict[str, str] = {
    Waits.NOT_PULLED: "It starts by itself once {only} has the model: ollama pull {model}",
    Waits.NODE_UNAVAILABLE: "It starts when {only} takes work again; it is asked every few seconds.",
    Waits.BUSY: "It starts when a slot of {only} is free.",
}
"""Of a task that only one node may run."""


def next_step(code: str, *, models: Sequence[str], patience: float, waited: float, only: str = "") -> str:
    """``patience`` of its class and how long it ``waited``, in seconds. ``only``: the one node that may run it."""
    model = models[0] if len(models) == 1 else "one of its models"
    if only and code in _NEXT_OF_ITS_NODE:
        return _NEXT_OF_ITS_NODE[code].format(model=model, only=only)
    if code == Waits.NO_ROOM:
        return _until_room(model, patience, waited)
    return _NEXT.get(code, "").format(model=model)


def _until_room(model: str, patience: float, waited: float) -> str:
    left = patience - waited
    if left > 0:
        when = f"after {patience:.0f} s of waiting, in {max(1, round(left))} s,"
        return f"A node loads {model} as soon as what it holds is idle; {when} a busy model makes room."
    return f"It has waited longer than {patience:.0f} s: the next busy model that may leave makes room for {model}."
