"""Measured figures as people read them."""

from dashboard.templatetags.measured import as_form, figure, run_state, signed, spread

SPREAD = {"median": 45.04, "q1": 44.0, "q3": 46.5, "p95": 47.0, "low": 43.0, "high": 47.5, "repeats": [45.0]}


def test_a_run_has_the_colour_of_what_lives_and_its_own_word():
    assert 'data-state="generating"' in run_state("running")
    assert ">running<" in run_state("running")
    assert ">waiting<" in run_state("pending")
    assert ">failed<" in run_state("failed")


def test_figures_are_written_by_their_kind():
    assert (as_form(0.05, "seconds"), as_form(12.34, "rate"), as_form(None, "number")) == ("50 ms", "12.3", "—")
    assert (figure(0.5, "first_token_seconds"), figure(0.5, "total_rate")) == ("0.5 s", "0.5")


def test_changes_have_a_sign():
    assert (signed(4.25), signed(-50.0), signed(None)) == ("+4.2 %", "−50.0 %", "—")


def test_a_spread_shows_its_quartiles_and_says_its_interval():
    shown = spread(SPREAD)
    assert ">45.0 " in shown
    assert "44.0–46.5" in shown
    assert "43.0 to 47.5" in shown
    assert 'title=""' in spread({**SPREAD, "low": None, "high": None})
    assert spread(None) == "—"
