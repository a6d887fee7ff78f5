"""Small drawings say what they show in words as well, and never need a style attribute."""

from hypothesis import given
from hypothesis import strategies as st

from dashboard.templatetags import marks


def resident(name, vram, loaded=None):
    sizes = {"vram_bytes": vram, "loaded_bytes": vram if loaded is None else loaded}
    return {"name": name, "running": 0, "slots": 4, **sizes, "expires_at": None, "loading": False}


def test_a_state_is_icon_word_and_colour():
    drawn = marks.state("loading")
    assert 'data-state="loading"' in drawn
    assert "#i-loading" in drawn
    assert "loading model" in drawn


def test_a_state_nobody_knows_is_still_shown():
    assert "#i-circle" in marks.state("<odd>")
    assert "&lt;odd&gt;" in marks.state("<odd>")


def test_an_unknown_share_is_hatched():
    assert 'class="unk"' in marks.bar(None)
    assert 'width="100.0%"' in marks.bar(140)


def test_slots_are_pips_with_words():
    drawn = marks.slots(3, 4)
    assert 'aria-label="3 of 4 slots used"' in drawn
    assert drawn.count("data-on") == 3
    assert marks.slots(1, 40).count("<i") == 12
    assert marks.slots(1, 40).count("data-on") == 1
    assert "—" in marks.slots(0, 0)


def test_memory_of_a_node_that_does_not_answer_is_hatched_not_empty():
    series = marks.series_of(["a"])
    assert 'class="unk"' in marks.vram([], 24 * 2**30, series, False)
    assert 'class="unk"' in marks.vram([resident("a", 2**30)], None, series, True)
    assert 'aria-label="a 1.0 GB"' in marks.vram([resident("a", 2**30)], 24 * 2**30, series, True)
    assert 'aria-label="a 1.0 GB RAM"' in marks.vram([resident("a", 0, 2**30)], None, series, True)


def test_nobody_is_a_dash():
    assert "—" in marks.avatar(None)
    assert ">bo<" in marks.avatar("bob")


@given(st.sets(st.text(min_size=1), max_size=6))
def test_up_to_six_models_have_six_colours(names):
    series = marks.series_of(names)
    assert len(set(series.values())) == len(names)
    assert set(series.values()) <= {1, 2, 3, 4, 5, 6}


@given(st.sets(st.text(min_size=1), min_size=7, max_size=9))
def test_the_seventh_model_is_neutral(names):
    assert sorted(marks.series_of(names).values())[: len(names) - 6] == [0] * (len(names) - 6)
