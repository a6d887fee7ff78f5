"""How the contenders are told, with laboratory seconds that are made up."""

from contextlib import nullcontext
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.management import realtime, realtime_drover


@pytest.fixture
def pretended(monkeypatch):
    """Drover answers after 10 s, everybody else after 50 s, with 30 loads each."""

    def drover(workload, tasks, urls, database_url):
        end(tasks, 10.0)

    def peer(scheduler, workload, tasks, urls):
        end(tasks, 50.0)

    def end(tasks, seconds):
        for task in tasks:
            task.started, task.ended = task.born + 1.0, task.born + seconds

    monkeypatch.setattr(realtime, "servers", lambda command: nullcontext(["http://a"]))
    monkeypatch.setattr(realtime_drover, "run_drover", drover)
    monkeypatch.setattr(realtime, "run_peer", peer)
    monkeypatch.setattr(realtime_drover, "loads", lambda urls: 30)


def _printed(*options: str) -> list[str]:
    out = StringIO()
    call_command("bench_fleet", "--scenario", "mixed", "--database", "sqlite", *options, stdout=out)
    return out.getvalue().splitlines()


def test_all_are_told_and_each_is_held_against_drover(pretended):
    lines = _printed()
    assert [line.split()[0] for line in lines[2:5]] == ["drover", "rq-workers", "llama-swap-like"]
    assert lines[2].split()[1:3] == ["10.0", "10.0"]
    assert lines[2].split()[5:7] == ["30", "0.100"]
    assert lines[5:] == [
        "  mean response of rq-workers / Drover's: 5.00",
        "  mean response of llama-swap-like / Drover's: 5.00",
    ]


def test_one_contender_alone_is_compared_with_nobody(pretended):
    lines = _printed("--only", "rq-workers")
    assert len(lines) == 3
    assert not any("mean response of" in line for line in lines)


def test_an_unknown_contender_is_refused():
    with pytest.raises(CommandError, match="no contender 'wishes'"):
        _printed("--only", "drover,wishes")


def test_another_part_is_the_simulator(monkeypatch):
    started = []
    monkeypatch.setattr(realtime, "simulate", started.append)
    _printed("--part", "simulator")
    assert len(started[0].nodes) == 3
