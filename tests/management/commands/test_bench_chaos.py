"""How the account of a storm is told."""

from collections import Counter
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from orchestration.management import chaos
from orchestration.management.chaos import Account


def _printed(monkeypatch: pytest.MonkeyPatch, account: Account) -> list[str]:
    asked: list[tuple[float, int]] = []

    def run(seconds: float, *, seed: int, database_url: str) -> Account:
        asked.append((seconds, seed))
        return account

    monkeypatch.setattr(chaos, "run", run)
    out = StringIO()
    call_command("bench_chaos", "--minutes", "0.5", "--seed", "9", "--database", "sqlite", stdout=out)
    assert asked == [(30.0, 9)]
    return out.getvalue().splitlines()


def test_kills_tasks_and_the_verdict_are_printed(monkeypatch):
    account = Account(kills=Counter(worker=3, node=1), submitted={1: {}, 2: {}}, completed=2, compared=2)
    lines = _printed(monkeypatch, account)
    assert lines[0].endswith("1 node, 3 worker")
    assert lines[1] == "Tasks: 2 submitted, 2 completed"
    assert "  outputs compared 2, different 0" in lines
    assert lines[-1] == "clean"


def test_a_lost_task_is_not_clean(monkeypatch):
    lines = _printed(monkeypatch, Account(submitted={1: {}}, missing=1))
    assert lines[2].startswith("  lost 1,")
    assert lines[-1] == "NOT CLEAN"


def test_no_time_is_an_error():
    with pytest.raises(CommandError, match="--minutes"):
        call_command("bench_chaos", "--minutes", "0")
