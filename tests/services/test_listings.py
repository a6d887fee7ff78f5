"""Which lists are taken over, and who may ask for a fresh one."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from orchestration.errors import NotAllowed
from orchestration.models import AuditEntry, Node, NodeModel
from orchestration.ollama.wire import InstalledModel
from orchestration.permissions import Actor
from orchestration.policy.freshness import NOTHING_LEFT, Limits, is_asked_for
from orchestration.policy.states import NodeHealth
from orchestration.services import errands, listings, nodes
from orchestration.services.nodes import Poll

pytestmark = pytest.mark.usefixtures("redis_server")
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
LIMITS = Limits(fresh=timedelta(hours=6), stale=timedelta(hours=24))


def listed(name: str = "llama3.2:latest", **fields: object) -> InstalledModel:
    kept = {
        "digest": "aaa",
        "size_bytes": 2_000_000_000,
        "family": "llama",
        "families": (),
        "parameter_size": "3B",
        "quantization": "Q4_K_M",
        "capabilities": ("completion",),
        "context_length": 8192,
        "embedding_length": None,
        "modified_at": NOW,
        "remote": False,
    }
    return InstalledModel(name=name, **{**kept, **fields})


def look(
    node: Node, *models: InstalledModel, error: str = "", at: datetime = NOW, began: datetime | None = None
) -> Node:
    poll = Poll(
        at=at, began=began, ollama_version="0.30", installed=None if error else models, listing_error=error, loaded=()
    )
    seen = nodes.record_poll(node_id=node.pk, poll=poll)
    assert seen is not None
    return seen


def installed(node: Node) -> set[str]:
    return set(node.node_models.filter(installed=True).values_list("model__name", flat=True))


def test_a_good_list_is_taken_with_its_time(node: Node) -> None:
    seen = look(node, listed(), listed("mistral:7b"))
    assert (seen.listed_at, seen.listing_tried_at, seen.listing_error) == (NOW, NOW, "")
    assert installed(node) == {"llama3.2:latest", "mistral:7b"}


def test_a_list_that_could_not_be_read_changes_nothing_but_says_why(node: Node) -> None:
    look(node, listed(), at=NOW - timedelta(hours=1))
    seen = look(node, error="models is not a list")
    assert installed(node) == {"llama3.2:latest"}
    assert (seen.listed_at, seen.listing_tried_at) == (NOW - timedelta(hours=1), NOW)
    assert (seen.listing_error, seen.health) == ("models is not a list", NodeHealth.HEALTHY)
    assert look(node, listed()).listing_error == ""


def test_a_list_that_was_asked_for_before_an_errand_ended_does_not_undo_it(node: Node) -> None:
    errands.looked(node_id=node.pk, installed=[listed(), listed("mistral:7b")], loaded=[], now=NOW)
    seen = look(node, listed(), began=NOW - timedelta(seconds=1), at=NOW + timedelta(seconds=1))
    assert (seen.listed_at, installed(node)) == (NOW, {"llama3.2:latest", "mistral:7b"})
    look(node, listed(), began=NOW + timedelta(seconds=2), at=NOW + timedelta(seconds=3))
    assert installed(node) == {"llama3.2:latest"}


def test_no_models_at_all_is_believed_when_it_is_said_twice(node: Node) -> None:
    assert look(node).listing_error == NOTHING_LEFT
    assert installed(node) == {"llama3.2:latest"}
    assert look(node).listing_error == ""
    assert installed(node) == set()


def test_a_list_between_two_empty_ones_clears_the_doubt(node: Node) -> None:
    look(node)
    look(node, listed())
    assert look(node).listing_error == NOTHING_LEFT
    assert installed(node) == {"llama3.2:latest"}


def test_a_node_that_never_had_a_model_is_believed_at_once(make_node: Callable[..., Node]) -> None:
    seen = look(make_node(models=()))
    assert (seen.listing_error, seen.listed_at) == ("", NOW)


def test_what_a_row_leaves_out_stays_as_it_was(node: Node) -> None:
    look(node, listed())
    look(node, listed(digest="", size_bytes=0, modified_at=None))
    row = NodeModel.objects.get()
    assert (row.digest, row.size_bytes, row.modified_at) == ("aaa", 2_000_000_000, NOW)


def test_a_poll_that_asked_for_no_list_says_nothing_about_it(node: Node) -> None:
    seen = nodes.record_poll(node_id=node.pk, poll=Poll(at=NOW, loaded=()))
    assert seen is not None
    assert (seen.listing_tried_at, seen.listed_at) == (None, None)


def test_an_operator_asks_for_a_fresh_list_and_that_is_noted(as_bob: Actor, node: Node) -> None:
    [asked] = listings.ask(actor=as_bob)
    assert asked.listing_wanted_at is not None
    assert AuditEntry.objects.get(action="node.list_asked_for").actor_name == "bob"


def test_a_viewer_asks_for_none(as_carol: Actor, node: Node) -> None:
    with pytest.raises(NotAllowed):
        listings.ask(actor=as_carol)


def test_a_disabled_node_is_not_asked(as_bob: Actor, make_node: Callable[..., Node]) -> None:
    off, on = make_node("gpu-a", enabled=False), make_node("gpu-b")
    assert listings.ask(actor=as_bob, node_ids=[off.pk, on.pk]) == [on]


def test_a_wish_is_granted_by_a_look_that_began_after_it(node: Node) -> None:
    Node.objects.update(listing_wanted_at=NOW)
    seen = look(node, listed(), began=NOW - timedelta(seconds=1), at=NOW + timedelta(seconds=1))
    assert seen.listing_wanted_at == NOW
    assert is_asked_for(seen.listing_wanted_at, seen.listing_tried_at)
    assert look(node, listed(), began=NOW + timedelta(seconds=1)).listing_wanted_at is None


@pytest.mark.parametrize(
    ("age", "asked", "waits"),
    [
        (timedelta(hours=5, minutes=59), 0, False),
        (timedelta(hours=6, minutes=1), 1, False),
        (timedelta(hours=23, minutes=59), 1, False),
        (timedelta(hours=24, minutes=1), 1, True),
    ],
)
def test_reading_an_old_list_asks_for_a_new_one_and_waits_for_it_when_it_has_expired(
    age: timedelta, asked: int, waits: bool, make_node: Callable[..., Node]
) -> None:
    make_node(listed_at=NOW - age, listing_tried_at=NOW - age)
    assert listings.ask_where_old(limits=LIMITS, now=NOW) == asked
    assert listings.awaited(limits=LIMITS, now=NOW) == waits


def test_a_node_that_did_not_answer_just_now_is_not_asked_again_and_again(make_node: Callable[..., Node]) -> None:
    old = NOW - timedelta(days=2)
    make_node(listed_at=old, listing_tried_at=NOW - timedelta(seconds=5))
    assert listings.ask_where_old(limits=LIMITS, now=NOW) == 0
    assert listings.ask_where_old(limits=LIMITS, now=NOW + timedelta(minutes=1)) == 1


def test_nobody_waits_for_a_node_that_is_known_not_to_answer(make_node: Callable[..., Node]) -> None:
    make_node(listed_at=NOW - timedelta(days=2), health=NodeHealth.UNHEALTHY)
    assert listings.ask_where_old(limits=LIMITS, now=NOW) == 1
    assert not listings.awaited(limits=LIMITS, now=NOW)


def test_nothing_is_written_where_every_list_is_fresh(
    make_node: Callable[..., Node], django_assert_num_queries
) -> None:
    make_node(listed_at=NOW)
    with django_assert_num_queries(1):
        listings.ask_where_old(limits=LIMITS, now=NOW)
