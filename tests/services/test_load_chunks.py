"""Points of load in their rows: what is put in comes out again, is written once, and counts in its series once."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from orchestration.models import LoadChunk, LoadSeries, Node
from orchestration.policy.series import COUNTED, HOURS, MINUTES, SECONDS, Level
from orchestration.services.load_chunks import FLEET, Chunks, Place, moment, place_of, places_of
from tests.loads import MODEL, NOW, OTHER

pytestmark = pytest.mark.django_db


def points(level: Level, start: int, end: int, name: str = "ended", place: Place = FLEET) -> dict[int, float]:
    """What is stored there, by its time, zeros left out."""
    found = {}
    for stored, at, track in Chunks(level, start, end).tracks():
        values = track.column(name) if stored == place else []
        found |= {at + level.unit * point: value for point, value in enumerate(values) if value}
    return found


def save(chunks: Chunks) -> None:
    chunks.write(chunks.changed())


def filled(level: Level, *added: tuple[Place, int, dict[str, float]]) -> Chunks:
    times = [at for _, at, _ in added]
    chunks = Chunks(level, min(times), max(times) + level.unit)
    for place, at, values in added:
        chunks.add(place, at, values)
    return chunks


def totals(place: Place = FLEET) -> dict[str, float]:
    return dict(LoadSeries.objects.get(node=place.node_id, model_name=place.model).totals)


def test_a_node_that_is_there_goes_by_its_id_and_one_that_is_gone_by_its_name() -> None:
    assert place_of(7, "gpu-a", MODEL) == Place(7, "", MODEL)
    assert place_of(None, "gpu-a", MODEL) == Place(None, "gpu-a", MODEL)
    pair, of_node, of_model, of_all = places_of(None, "gpu-a", MODEL)
    assert (pair, of_node) == (Place(None, "gpu-a", MODEL), Place(None, "gpu-a"))
    assert (of_model, of_all) == (Place(model=MODEL), FLEET)


def test_a_moment_has_its_zone() -> None:
    assert moment(NOW) == datetime(2027, 1, 15, 8, tzinfo=UTC)


@pytest.mark.parametrize("level", [SECONDS, MINUTES, HOURS])
def test_points_are_read_as_they_were_written_over_the_ends_of_chunks(level: Level) -> None:
    last = level.chunk_of(NOW) + level.span - level.unit
    save(filled(level, (FLEET, last, {"ended": 2}), (FLEET, last + level.unit, {"ended": 3, "wait_7": 1})))
    assert LoadChunk.objects.count() == 2
    assert points(level, last, last + 2 * level.unit) == {last: 2, last + level.unit: 3}
    assert points(level, last, last + 2 * level.unit, "wait_7") == {last + level.unit: 1}


def test_levels_and_series_are_kept_apart(node: Node) -> None:
    here, model = Place(node.pk, "", MODEL), Place(model=MODEL)
    save(filled(SECONDS, (FLEET, NOW, {"ended": 1}), (here, NOW, {"ended": 2}), (model, NOW, {"ended": 3})))
    save(filled(MINUTES, (FLEET, NOW, {"ended": 9})))
    for place, count in ((FLEET, 1), (here, 2), (model, 3), (Place(model=OTHER), None)):
        assert points(SECONDS, NOW, NOW + 1, place=place) == ({NOW: count} if count else {})
    assert points(MINUTES, NOW, NOW + 60) == {NOW: 9}
    assert LoadSeries.objects.count() == 3


def test_adding_goes_on_from_what_is_stored_and_putting_takes_its_place() -> None:
    save(filled(SECONDS, (FLEET, NOW, {"ended": 2, "running_peak": 5}), (FLEET, NOW + 1, {"ended": 7})))
    save(filled(SECONDS, (FLEET, NOW, {"ended": 3, "running_peak": 4})))
    assert points(SECONDS, NOW, NOW + 2) == {NOW: 5, NOW + 1: 7}
    assert points(SECONDS, NOW, NOW + 2, "running_peak") == {NOW: 5}
    chunks = Chunks(SECONDS, NOW, NOW + 1)
    chunks.put(FLEET, NOW, {"ended": 1})
    save(chunks)
    assert points(SECONDS, NOW, NOW + 2) == {NOW: 1, NOW + 1: 7}
    assert points(SECONDS, NOW, NOW + 2, "running_peak") == {}


def test_what_is_counted_anew_is_forgotten_of_all_series_in_that_time_alone(node: Node) -> None:
    here = Place(node.pk)
    added = [(place, NOW + second, {"ended": 1, "running": 4}) for place in (FLEET, here) for second in (0, 59, 60, 61)]
    save(filled(SECONDS, *added))
    chunks = Chunks(SECONDS, NOW, NOW + 62)
    chunks.forget(NOW + 59, NOW + 61, (name for name in COUNTED))
    save(chunks)
    for place in (FLEET, here):
        assert points(SECONDS, NOW, NOW + 62, place=place) == {NOW: 1, NOW + 61: 1}
        assert len(points(SECONDS, NOW, NOW + 62, "running", place)) == 4


def test_only_what_has_changed_is_written() -> None:
    save(filled(SECONDS, (FLEET, NOW, {"ended": 2}), (FLEET, NOW + 60, {"ended": 2})))
    chunks = Chunks(SECONDS, NOW, NOW + 120)
    assert chunks.changed() == {}
    chunks.put(FLEET, NOW, {"ended": 2})
    chunks.add(Place(model=MODEL), NOW, {"ended": 0})
    assert chunks.changed() == {}
    chunks.add(FLEET, NOW + 60, {"ended": 1})
    assert list(chunks.changed()) == [(FLEET, NOW + 60)]


def test_many_series_are_written_with_few_statements(
    make_node: Callable[..., Node], django_assert_max_num_queries: Any
) -> None:
    nodes = [make_node(f"gpu-{number}", models=()) for number in range(10)]
    places = [Place(node.pk, "", f"model-{number}:1b") for node in nodes for number in range(10)]
    chunks = filled(HOURS, *((place, NOW, {"ended": 1}) for place in places))
    with django_assert_max_num_queries(8):
        save(chunks)
    assert LoadChunk.objects.count() == 100


def test_hours_are_added_up_in_their_series_once_each() -> None:
    save(filled(HOURS, (FLEET, NOW, {"ended": 2, "output_tokens": 5, "running": 9, "wait_3": 1, "loads": 1})))
    chunks = Chunks(HOURS, NOW, NOW + HOURS.unit)
    chunks.put(FLEET, NOW, {"ended": 3, "output_tokens": 5})
    save(chunks)
    save(filled(HOURS, (FLEET, NOW + HOURS.unit, {"ended": 10})))
    kept = {name: value for name, value in totals().items() if value}
    assert kept == {"ended": 13, "output_tokens": 5}


def test_sums_outlive_the_rows_they_were_made_of() -> None:
    save(filled(HOURS, (FLEET, NOW, {"ended": 2})))
    LoadChunk.objects.all().delete()
    save(filled(HOURS, (FLEET, NOW + HOURS.span, {"ended": 3})))
    assert totals()["ended"] == 5


def test_finer_points_do_not_count_in_the_sums() -> None:
    save(filled(SECONDS, (FLEET, NOW, {"ended": 2})))
    save(filled(MINUTES, (FLEET, NOW, {"ended": 2})))
    assert totals() == {}


def test_a_new_series_knows_the_name_of_its_node_and_goes_on_without_the_node(node: Node) -> None:
    save(filled(SECONDS, (Place(node.pk, "", MODEL), NOW, {"ended": 2})))
    assert LoadSeries.objects.get().node_name == "gpu-a"
    node.delete()
    gone = Place(None, "gpu-a", MODEL)
    save(filled(SECONDS, (gone, NOW, {"ended": 1})))
    assert LoadSeries.objects.count() == 1
    assert points(SECONDS, NOW, NOW + 1, place=gone) == {NOW: 3}


def test_nothing_is_read_of_no_time_at_all() -> None:
    save(filled(SECONDS, (FLEET, NOW, {"ended": 2})))
    assert list(Chunks(SECONDS, NOW, NOW).tracks()) == []
