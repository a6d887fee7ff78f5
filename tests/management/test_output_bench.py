"""The cost of a search, measured small: on answers that the product's own service has gathered."""

import pytest

from orchestration.management import output_bench
from orchestration.models import Output
from orchestration.queries.outputs import search


@pytest.mark.django_db(transaction=True)
def test_searches_over_sixty_answers_are_measured(monkeypatch):
    monkeypatch.setattr(output_bench, "_settle", lambda: None)
    monkeypatch.setattr(output_bench, "WARM_UP", 0)
    filled = output_bench.fill(60, 40)
    assert filled.answers == Output.objects.count() == 60
    assert filled.size_bytes > 0
    costs = output_bench.measure(1)
    assert {cost.kind for cost in costs} == set(output_bench.questions())
    assert all(0 < cost.p50 <= cost.p95 for cost in costs)
    assert output_bench.baseline(1).p50 > 0


@pytest.mark.django_db
def test_the_words_are_as_uneven_as_those_of_a_language(monkeypatch):
    monkeypatch.setattr(output_bench, "_settle", lambda: None)
    output_bench.fill(60, 40)
    usual = search(output_bench.OutputFilter(text=output_bench.Words(1).all[0]))["total"]
    rare = search(output_bench.OutputFilter(text=output_bench.Words(1).all[-1]))["total"]
    assert usual > 30 > rare
