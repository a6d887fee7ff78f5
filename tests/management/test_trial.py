"""A Drover of its own: what it is given, and what becomes of it. That it works is shown by the tests of start-up."""

import pytest

from orchestration.management.trial import Trial, TrialFailed


def test_nothing_of_the_surroundings_leaks_into_it(monkeypatch):
    monkeypatch.setenv("OLLAMA_HOSTS", "gpu-a")
    monkeypatch.setenv("REDIS_URL", "redis://somewhere")
    trial = Trial(env={"DROVER_PASS_SECONDS": "2"})
    trial.data.rmdir()
    assert {"OLLAMA_HOSTS", "REDIS_URL"} & set(trial.env) == set()
    assert trial.env["DROVER_DATA"] == str(trial.data)
    assert trial.env["DROVER_PASS_SECONDS"] == "2"


@pytest.mark.processes
def test_one_that_does_not_come_up_says_what_it_wrote_and_leaves_nothing():
    trial = Trial("--workers", "0")
    with pytest.raises(TrialFailed, match="--workers must be 1 or more"), trial:
        pytest.fail("it came up")
    assert not trial.data.exists()
