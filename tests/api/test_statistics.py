"""Statistics over REST."""

import csv
import io
from datetime import date

import pytest

from orchestration.models import UsageDay, User

from .conftest import ApiClient, refusal


@pytest.fixture
def used(bob: User) -> None:
    for agent, completed in (("writer", 2), ("=poet", 1)):
        place = {"agent_name": agent, "model_name": "llama3.2:latest", "node_name": "gpu-a", "type": "generate"}
        sums = {"completed": completed, "output_tokens": 100, "decode_seconds": 4.0 * completed}
        UsageDay.objects.create(day=date(2026, 3, 1), share=bob.pk, **place, **sums)


@pytest.mark.usefixtures("used")
def test_everybody_may_see_what_was_used(carol_api: ApiClient) -> None:
    found = carol_api.get("outputs/stats?first_day=2026-03-01&last_day=2026-03-02").json()
    assert (found["first_day"], found["last_day"], len(found["by_day"])) == ("2026-03-01", "2026-03-02", 2)
    assert (found["total"]["completed"], found["total"]["gpu_seconds"]) == (3, 12.0)
    assert [row["name"] for row in found["by_agent"]] == ["writer", "=poet"]
    one = carol_api.get("outputs/stats?last_day=2026-03-02&days=2&agent=writer&user=bob").json()
    assert one["total"]["completed"] == 2


@pytest.mark.usefixtures("used")
def test_usage_by_user_and_agent_in_three_formats(carol_api: ApiClient) -> None:
    path = "statistics/usage?first_day=2026-03-01&last_day=2026-03-02"
    found = carol_api.get(path).json()
    assert [(row["user"], row["agent"], row["gpu_seconds"]) for row in found["usage"]] == [
        ("bob", "writer", 8.0),
        ("bob", "=poet", 4.0),
    ]
    sheet = carol_api.get(f"{path}&format=csv")
    rows = list(csv.DictReader(io.StringIO(sheet.content.decode())))
    assert [row["agent"] for row in rows] == ["writer", "'=poet"]
    assert sheet["Content-Disposition"] == 'attachment; filename="usage-2026-03-01-2026-03-02.csv"'
    words = carol_api.get(f"{path}&format=markdown").content.decode()
    assert "| bob | writer | 2 | 0 | 8.0 | 0 | 100 |" in words
    assert "| **all** |  | 3 | 0 | 12.0 | 0 | 200 |" in words


def test_an_empty_sheet_has_its_heads(carol_api: ApiClient) -> None:
    content = carol_api.get("statistics/usage?format=csv").content.decode()
    assert content.startswith("user,agent,completed,failed,")


@pytest.mark.parametrize(
    "query", ["first_day=2026-03-02&last_day=2026-03-01", "first_day=1900-01-01", "days=0", "first_day=soon"]
)
@pytest.mark.parametrize("path", ["outputs/stats", "statistics/usage"])
def test_a_range_that_is_none_is_refused(carol_api: ApiClient, path: str, query: str) -> None:
    refusal(carol_api.get(f"{path}?{query}"), 400, "invalid_input")
