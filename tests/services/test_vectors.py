"""Vectors that are known from before: found by digest and text, for as long as the setting says."""

from datetime import timedelta

import pytest
from django.utils import timezone

from orchestration.models import CachedVector
from orchestration.services import unused
from orchestration.services.vectors import clear_expired, key_of, known_many, remember_many

pytestmark = pytest.mark.django_db

HELLO, WORLD = key_of("d1", "hello"), key_of("d1", "world")


def test_a_key_is_of_both_the_model_and_the_text():
    assert len({key_of(digest, text) for digest in ("d1", "d2") for text in ("a", "b", "\ud800")}) == 6


def test_what_was_remembered_is_known():
    remember_many([{HELLO: [0.5, -2.0]}, {WORLD: [0.1, 1e-9]}])
    first, second = known_many([[HELLO, key_of("d2", "hello")], [WORLD, HELLO]])
    assert first == {HELLO: [0.5, -2.0]}
    assert second[WORLD] == pytest.approx([0.1, 1e-9], rel=1e-6)
    assert second[HELLO] == [0.5, -2.0]


def test_many_askers_cost_one_query_each_way(django_assert_num_queries):
    with django_assert_num_queries(1):
        remember_many([{key_of("d", str(n)): [float(n)]} for n in range(50)])
    with django_assert_num_queries(1):
        found = known_many([[key_of("d", str(n))] for n in range(50)])
    assert [next(iter(each.values())) for each in found] == [[float(n)] for n in range(50)]


def test_more_keys_than_a_query_takes_are_asked_in_parts():
    keys = [key_of("d", str(n)) for n in range(1200)]
    remember_many([{key: [1.0] for key in keys}])
    assert set(known_many([keys])[0]) == set(keys)


def test_a_text_asked_again_lives_longer():
    now = timezone.now()
    remember_many([{HELLO: [1.0]}], now=now - timedelta(minutes=50))
    remember_many([{HELLO: [2.0]}], now=now)
    assert known_many([[HELLO]], now=now + timedelta(minutes=30)) == [{HELLO: [2.0]}]
    assert CachedVector.objects.count() == 1


def test_after_its_time_it_is_unknown_and_then_gone(settings):
    settings.DROVER_EMBED_CACHE_TTL = timedelta(seconds=10)
    now = timezone.now()
    remember_many([{HELLO: [1.0]}], now=now)
    assert known_many([[HELLO]], now=now + timedelta(seconds=11)) == [{}]
    assert clear_expired(now=now + timedelta(seconds=9)) == 0
    assert clear_expired(now=now + timedelta(seconds=11)) == 1


def test_the_hourly_clearing_takes_them_along():
    remember_many([{HELLO: [1.0]}], now=timezone.now() - timedelta(days=1))
    remember_many([{WORLD: [1.0]}])
    assert unused.forget_unused(now=timezone.now()) == 1
    assert list(CachedVector.objects.values_list("key", flat=True)) == [WORLD]


def test_numbers_too_large_for_32_bits_are_not_kept():
    remember_many([{HELLO: [1e300]}, {WORLD: [1.0]}])
    assert known_many([[HELLO, WORLD]]) == [{WORLD: [1.0]}]
