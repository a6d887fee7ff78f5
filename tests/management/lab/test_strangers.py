"""What polls give away of other people's requests."""

from orchestration.management.lab.strangers import Watch
from orchestration.policy.outsiders import BUSY_FOR, RESERVED_FOR, Ours

SIZES = {"mine": 10, "theirs": 12}
BUSY, RESERVED = BUSY_FOR.total_seconds(), RESERVED_FOR.total_seconds()


def look(watch, now, ours=None, **expiries):
    findings = watch.look(expiries, SIZES, ours or Ours(), now)
    watch.reserve(findings, None, now)
    return findings


def test_a_model_that_came_without_us_is_busy_for_a_while():
    watch = Watch()
    look(watch, 0)
    look(watch, 2, theirs=300)
    assert watch.is_busy("theirs", 2)
    assert not watch.is_busy("theirs", 2 + BUSY)


def test_what_drover_did_itself_is_no_sign():
    watch = Watch()
    look(watch, 0)
    look(watch, 2, Ours(loads={"mine"}), mine=1000)
    look(watch, 4, Ours(used={"mine"}), mine=2000)
    assert not watch.is_busy("mine", 4)


def test_a_keep_alive_that_moves_without_us_is_a_sign():
    watch = Watch()
    look(watch, 0, mine=1000)
    look(watch, 2, mine=1000)
    assert not watch.is_busy("mine", 2)
    look(watch, 4, mine=1002)
    assert watch.is_busy("mine", 4)


def test_memory_that_was_taken_is_theirs_until_they_have_it():
    watch = Watch()
    look(watch, 0, mine=1000)
    look(watch, 2)
    assert watch.reserved(2) == 10
    look(watch, 10, theirs=300)
    assert watch.reserved(10) == 0


def test_memory_is_not_kept_for_ever_for_who_does_not_come():
    watch = Watch()
    look(watch, 0, mine=1000)
    look(watch, 2)
    assert watch.reserved(2 + RESERVED) == 0


def test_a_load_of_ours_shows_that_nobody_comes():
    watch = Watch()
    look(watch, 0, mine=1000)
    look(watch, 2)
    findings = watch.look({"mine": 2000}, SIZES, Ours(loads={"mine"}), 20)
    watch.reserve(findings, 19, 20)
    assert watch.reserved(20) == 0


def test_after_a_silence_nothing_is_compared():
    watch = Watch()
    look(watch, 0)
    watch.lost()
    look(watch, 10, theirs=300)
    assert not watch.is_busy("theirs", 10)
