"""Runs in one process and in several give the same."""

from orchestration.management.lab.runs import DEFAULT, SCHEDULERS, Job, by_workload, run


def test_several_processes_find_what_one_finds():
    found = [
        list(by_workload(["W1", "W6"], ["round-robin", "rq-workers"], seeds=2, scale=0.02, processes=processes))
        for processes in (1, 2)
    ]
    assert [name for name, _ in found[0]] == ["W1", "W6"]
    assert repr(found[0]) == repr(found[1])  # which holds for figures that are no number, too


def test_a_seed_is_a_run_of_its_own():
    runs = [run(Job("W1", "round-robin", seed, 0.02)) for seed in (1, 2, 1)]
    assert runs[0].response == runs[2].response != runs[1].response


def test_what_runs_by_default_exists():
    assert set(DEFAULT) <= set(SCHEDULERS)
