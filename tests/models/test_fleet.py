"""When a node takes work."""

import pytest

from orchestration.models import ModelConfig, Node
from orchestration.policy.states import NodeHealth


@pytest.mark.parametrize(
    ("fields", "takes_work"),
    [
        ({"health": NodeHealth.HEALTHY}, True),
        ({"health": NodeHealth.UNKNOWN}, False),
        ({"health": NodeHealth.UNHEALTHY}, False),
        ({"health": NodeHealth.HEALTHY, "enabled": False}, False),
        ({"health": NodeHealth.HEALTHY, "draining": True}, False),
    ],
)
def test_a_node_takes_work_when_it_is_well_and_wanted(fields, takes_work):
    assert Node(**fields).takes_work is takes_work


def test_a_model_without_a_limit_has_no_timeout():
    assert ModelConfig().timeout is None
    assert ModelConfig(timeout_seconds=2).timeout.total_seconds() == 2
