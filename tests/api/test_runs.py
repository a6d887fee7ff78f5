"""Runs over REST."""

from collections.abc import Callable

from orchestration.models import Node, Run, Task

from .conftest import ApiClient, end, refusal, start


def test_a_run_is_shown_with_its_tasks_and_results(bob_api: ApiClient, finished: Task) -> None:
    answer = bob_api.get(f"runs/{finished.run_id}").json()
    assert (answer["id"], answer["status"], answer["counts"]["completed"]) == (finished.run_id, "completed", 1)
    [result] = answer["results"]
    assert (result["task_id"], result["output"], result["model_used"]) == (finished.pk, "Hello!", "llama3.2:latest")
    assert result["metrics"]["duration"] == 1.5
    known = {"tokens_used", "prompt_tokens", "output_tokens", "queued_seconds", "load_seconds", "prefill_seconds"}
    assert known | {"decode_seconds", "tokens_per_second"} <= set(result["metrics"])


def test_a_run_runs_until_its_last_task_has_ended(bob_api: ApiClient, submit: Callable[..., Run], node: Node) -> None:
    run = submit("one", "two")
    first, second = run.tasks.order_by("position")
    end(start(first, node), output="1")
    assert bob_api.get(f"runs/{run.pk}").json()["status"] == "running"
    end(start(second, node), output="2")
    assert bob_api.get(f"runs/{run.pk}").json()["status"] == "completed"


def test_runs_are_listed_newest_first_and_paged(bob_api: ApiClient, submit: Callable[..., Run]) -> None:
    made = [submit("one").pk, submit("two", "three").pk, submit("four").pk]
    first = bob_api.get("runs?limit=2").json()
    second = bob_api.get(f"runs?limit=2&cursor={first['next_cursor']}").json()
    assert [run["id"] for run in first["runs"] + second["runs"]] == made[::-1]
    assert first["runs"][1]["counts"]["pending"] == 2
    assert second["next_cursor"] is None


def test_cancelling_a_run_cancels_what_has_not_ended(
    bob_api: ApiClient, submit: Callable[..., Run], node: Node
) -> None:
    run = submit("one", "two", "three")
    end(start(run.tasks.order_by("position")[0], node), output="1")
    assert bob_api.post(f"runs/{run.pk}/cancel").json() == {"id": run.pk, "cancelled": 2, "status": "cancelled"}


def test_a_stranger_does_not_cancel_a_run(dave_api: ApiClient, submit: Callable[..., Run]) -> None:
    run = submit("one")
    refusal(dave_api.post(f"runs/{run.pk}/cancel"), 403, "not_allowed")
    assert run.tasks.get().status == "pending"


def test_a_run_that_does_not_exist_is_404(bob_api: ApiClient) -> None:
    refusal(bob_api.get("runs/7"), 404, "not_found")
    refusal(bob_api.post("runs/7/cancel"), 404, "not_found")


def test_only_how_far_a_run_is_costs_no_tasks(bob_api: ApiClient, finished: Task) -> None:
    answer = bob_api.get(f"runs/{finished.run_id}?tasks=false").json()
    assert (answer["status"], answer["counts"]["completed"]) == ("completed", 1)
    assert not {"tasks", "results"} & set(answer)
