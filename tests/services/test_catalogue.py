"""What the library told, as it is kept."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestration.models import CatalogueEntry, CatalogueState
from orchestration.policy.catalogue import CatalogueModel, CatalogueTag
from orchestration.services import catalogue

NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def test_a_newer_reading_takes_the_place_of_an_entry_and_keeps_the_others() -> None:
    catalogue.keep(models=[CatalogueModel(name="a"), CatalogueModel(name="b", description="x\0y")], now=NOW)
    later = NOW + timedelta(days=1)
    catalogue.keep(models=[CatalogueModel(name="a", tags=(CatalogueTag(tag="8b", size_bytes=5),))], now=later)
    a, b = CatalogueEntry.objects.order_by("name")
    assert (a.tags, a.fetched_at) == ([{"tag": "8b", "size_bytes": 5, "parameter_size": ""}], later)
    assert (b.description, b.fetched_at) == ("xy", NOW)


def test_a_failure_is_noted_until_the_next_success() -> None:
    catalogue.note_failure(error="it did not answer " * 50, now=NOW)
    state = CatalogueState.objects.get()
    assert (len(state.error), state.fetched_at, state.tried_at) == (300, None, NOW)
    catalogue.keep(models=[], now=NOW)
    state.refresh_from_db()
    assert (state.error, state.fetched_at) == ("", NOW)
