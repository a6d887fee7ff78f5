"""What a kept answer is sorted by, read from its row and from what people have put it under."""

from dataclasses import replace

from orchestration.models import Output
from orchestration.queries.output_facts import current_facts, facts_of
from orchestration.services import collections, outputs
from tests.queries.conftest import NOON


def test_each_fact_is_that_of_the_row(fish, bob):
    row = Output.objects.get(pk=fish[2])
    found = facts_of(row, tags=(tag for tag in ["b", "a"]), collections=(number for number in [9]))
    assert (found.model, found.agent, found.owner, found.node) == ("qwen3:8b", "coder", bob.pk, row.node_name)
    assert (found.type, found.rating, found.has_json) == ("generate", None, True)
    assert (found.chars, found.ended_at) == (len('{"fish": "pike"}'), NOON)
    assert (found.tags, found.collections) == (("b", "a"), (9,))


def test_what_is_true_now_has_ratings_tags_and_collections(fish, as_bob):
    before = current_facts(Output.objects.get(pk=fish[0]))
    assert (before.tags, before.collections) == (("sea",), ())
    outputs.edit(actor=as_bob, task_id=fish[0], rating=5, tags=["sea", "food"])
    made = [collections.create(actor=as_bob, name=name, task_ids=fish[:1]).pk for name in ("B", "A")]
    after = current_facts(Output.objects.get(pk=fish[0]))
    assert after == replace(before, rating=5, tags=("food", "sea"), collections=tuple(made))


def test_what_others_are_put_under_is_theirs(fish, as_bob):
    collections.create(actor=as_bob, name="Best", task_ids=fish[:1])
    found = current_facts(Output.objects.get(pk=fish[1]))
    assert (found.tags, found.collections) == ((), ())


def test_an_answer_of_nobody_has_no_owner(fish):
    Output.objects.update(owner=None)
    assert current_facts(Output.objects.get(pk=fish[0])).owner is None
