"""The measurement of clean-ups, on a small scale."""

import pytest
from django.utils import timezone

from orchestration.management.retention_bench import ask, clean, fill, left
from orchestration.models import UsageDay


@pytest.mark.django_db
@pytest.mark.usefixtures("redis_server")
def test_clean_ups_of_a_mixed_history_remove_what_their_dry_runs_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestration.management.retention_bench.USAGE_DAYS", 2)
    now = timezone.now()
    fill(300, now)
    done = [clean(now, text_days=30), clean(now, task_days=15), clean(now, task_days=1, text_days=1)]
    assert all(each.same for each in done)
    assert [bool(each.removed["total"]["texts"]) for each in done] == [True, False, True]
    assert [bool(each.removed["total"]["tasks"]) for each in done] == [False, True, True]
    assert left()[0] == 300 - sum(each.removed["total"]["tasks"] for each in done)
    assert len(ask(2)) == 2
    assert UsageDay.objects.exists()
