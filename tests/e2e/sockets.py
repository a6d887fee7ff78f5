"""Reading the live event stream of a running Drover from outside."""

import json
from typing import Any

import redis

from orchestration import events
from tests.e2e.herd import Drover


def latest_sample(drover: Drover) -> dict[str, Any]:
    """The newest load sample on the event stream, which is what the topic ``load`` forwards."""
    with redis.Redis.from_url(drover.redis_url, decode_responses=True) as client:
        for _, fields in client.xrevrange(events.EVENTS, count=2000):
            if fields["k"] == "load":
                return dict(json.loads(fields["d"]))
    return {"nodes": [], "totals": {"waiting": None, "running": None}}
