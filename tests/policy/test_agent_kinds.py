"""What kinds of agents say where nobody says anything."""

from orchestration.policy.agent_kinds import MANNERS, manner
from orchestration.policy.states import AgentKind


def test_every_kind_is_described_and_those_with_a_trade_have_a_prompt() -> None:
    assert set(MANNERS) == set(AgentKind)
    assert all(it.about for it in MANNERS.values())
    assert {kind for kind, it in MANNERS.items() if it.system_prompt} == {"coding", "reasoning", "research"}


def test_thinking_grows_with_what_is_to_be_thought_about() -> None:
    assert [MANNERS[AgentKind(kind)].think for kind in ("custom", "chat", "coding", "research", "reasoning")] == [
        None,
        "low",
        "medium",
        "medium",
        "high",
    ]


def test_a_kind_of_another_time_brings_nothing() -> None:
    assert manner("gone").system_prompt == ""
