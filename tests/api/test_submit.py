"""Submitting over REST: what is taken, what is answered, and that a wrong request leaves no row."""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from django.http import HttpResponse

from orchestration.models import Agent, Node, Run, Task

from .conftest import ApiClient, refusal

HELLO = {"type": "generate", "input": "Say hello."}
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 32).decode()


@pytest.fixture
def default(make_agent: Callable[..., Agent], node: Node) -> Agent:
    return make_agent("default", models=[])


Post = Callable[..., HttpResponse]


@pytest.fixture
def post(bob_api: ApiClient, default: Agent, agent: Agent) -> Post:
    """Submits as bob; keywords are fields of the body."""

    def submit(
        *tasks: dict[str, Any], path: str = "tasks", headers: dict[str, str] | None = None, **fields: Any
    ) -> Any:
        return bob_api.post(path, {"tasks": list(tasks) or [HELLO], **fields}, **(headers or {}))

    return submit


def refused(response: HttpResponse, status: int, code: str = "invalid_input") -> str:
    """The message of a refusal that left nothing behind."""
    error = refusal(response, status, code)
    assert not Run.objects.exists()
    assert not Task.objects.exists()
    return str(error["message"])


def test_a_task_is_answered_with_its_run(post: Post) -> None:
    response = post(HELLO, agent_id="writer")
    answer = response.json()
    assert response.status_code == 202
    run = Run.objects.get()
    assert (answer["id"], answer["agent_id"], answer["status"], answer["results"]) == (
        run.pk,
        run.agent_id,
        "pending",
        [],
    )
    [task] = answer["tasks"]
    assert (task["type"], task["input"], task["output"], task["status"]) == ("generate", "Say hello.", None, "pending")
    assert {"id", "model_name", "error", "created_at", "completed_at"} <= set(task)
    assert {"agent_id", "priority", "progress", "message", "phase", "attempts", "node"} <= set(task)
    assert {"decision_reason", "waiting_reason", "started_at"} <= set(task)


def test_without_an_agent_the_task_goes_to_the_default_one(post: Post) -> None:
    assert post().json()["agent"] == "default"


def test_an_agent_is_named_by_id_too(post: Post, agent: Agent) -> None:
    assert post(agent_id=agent.pk).json()["agent"] == "writer"
    assert post(agent_id=str(agent.pk)).json()["agent"] == "writer"


def test_a_batch_keeps_its_order(post: Post) -> None:
    answer = post(*({"type": "generate", "input": f"Number {n}"} for n in range(20))).json()
    assert [task["input"] for task in answer["tasks"]] == [f"Number {n}" for n in range(20)]
    assert answer["kind"] == "batch"


def test_a_sequence_waits_for_its_steps(post: Post) -> None:
    answer = post(HELLO, {"type": "generate", "input": "And goodbye."}, sequential=True).json()
    assert [task["state"] for task in answer["tasks"]] == ["waiting", "blocked"]
    assert [task["status"] for task in answer["tasks"]] == ["pending", "pending"]
    assert "step 1" in answer["tasks"][1]["waiting_reason"]


def test_what_the_request_says_holds_for_tasks_that_say_nothing(post: Post) -> None:
    own = {**HELLO, "parameters": {"temperature": 0.9}, "priority": 2, "tags": ["mine"], "keep_alive": "1m"}
    fields = {"parameters": {"temperature": 0.1, "seed": 7}, "priority": 0, "tags": ["all"], "keep_alive": "1h30m"}
    assert post(HELLO, own, **fields).status_code == 202
    first, second = Task.objects.order_by("position")
    assert (first.options, first.priority, first.tags) == ({"temperature": 0.1, "seed": 7}, 0, ["all"])
    assert (second.options, second.priority, second.tags) == ({"temperature": 0.9, "seed": 7}, 2, ["all", "mine"])
    assert (first.keep_alive_seconds, second.keep_alive_seconds) == (5400, 60)


def test_a_chat_takes_messages_and_tools(post: Post) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi", "images": [PNG]}]
    tools = [{"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}]
    response = post({"type": "chat", "messages": messages, "tools": tools, "think": "low", "format": "json"})
    assert response.status_code == 202, response.content
    assert response.json()["tasks"][0]["input"] == messages
    task = Task.objects.get()
    assert (task.messages, task.tools, task.think, task.format) == (messages, tools, "low", "json")


def test_embed_takes_a_list_of_texts(post: Post, make_node: Callable[..., Node]) -> None:
    make_node("gpu-b", models=("nomic-embed-text:latest",))
    response = post({"type": "embed", "input": ["one", "two"], "model_name": "nomic-embed-text"})
    assert response.status_code == 202, response.content
    assert Task.objects.get().input == ["one", "two"]


def test_images_and_labels_of_the_caller_are_kept(post: Post) -> None:
    extras = {"images": [PNG], "client_ref": "job-7", "metadata": {"page": 3}, "title": "Cover"}
    task = post({**HELLO, **extras}).json()["tasks"][0]
    assert (task["client_ref"], task["metadata"], task["title"]) == ("job-7", {"page": 3}, "Cover")
    assert Task.objects.get().images == [PNG]


def test_a_context_is_kept_as_numbered_passages_beside_the_question(post: Post) -> None:
    documents = ["Whales sing.", {"title": "Field notes", "text": "They sing at night."}]
    assert post({"type": "generate", "input": "When do whales sing?", "context": documents}).status_code == 202
    task = Task.objects.get()
    assert (task.input, task.title) == ("When do whales sing?", "When do whales sing?")
    kept = [(item["number"], item["name"], item["text"]) for item in task.passages]
    assert kept == [(1, "", "Whales sing."), (2, "Field notes", "They sing at night.")]


def test_a_model_that_no_node_has_can_be_waited_for(post: Post) -> None:
    task = {**HELLO, "model_name": "llama9"}
    assert post(task, agent_id="default", allow_missing_models=True).status_code == 202


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"type": "generat", "input": "hi"}, "generate"),
        ({"type": "generate", "input": ""}, "empty"),
        ({"type": "generate", "input": "  \n "}, "empty"),
        ({"type": "generate"}, "empty"),
        ({"type": "generate", "input": 7}, "tasks[0].input: must be a text"),
        ({"type": "generate", "input": ["a", "b"]}, "embed"),
        ({"type": "embed", "input": []}, "empty"),
        ({"type": "embed", "input": ["a", 2]}, "tasks[0].input: must be a text"),
        ({"input": "hi"}, "tasks[0].type: is missing"),
        ({**HELLO, "prompt": "hi"}, "has no field prompt"),
        ({**HELLO, "model_nam": "x"}, "did you mean model_name?"),
        ({**HELLO, "priority": "high"}, "tasks[0].priority: must be a whole number"),
        ({**HELLO, "priority": 7}, "0 (high)"),
        ({**HELLO, "priority": True}, "tasks[0].priority: must be a whole number"),
        ({**HELLO, "parameters": {"temprature": 1}}, "temperature"),
        ({**HELLO, "parameters": {"temperature": "hot"}}, "temperature takes a number"),
        ({**HELLO, "parameters": {"top_p": 3}}, "top_p"),
        ({**HELLO, "parameters": {"num_gpu": 1}}, "reload"),
        ({**HELLO, "parameters": []}, "tasks[0].parameters: must be an object"),
        ({**HELLO, "images": ["not base64!"]}, "base64"),
        ({**HELLO, "keep_alive": "10"}, "is not a duration"),
        ({**HELLO, "keep_alive": True}, "must be seconds"),
        ({**HELLO, "format": "yaml"}, "JSON schema"),
        ({**HELLO, "think": "hard"}, "think"),
        ({**HELLO, "timeout_seconds": -1}, "tasks[0].timeout_seconds"),
        ({**HELLO, "tags": [f"tag-{n}" for n in range(21)]}, "20 tags"),
        ({**HELLO, "metadata": "x"}, "tasks[0].metadata: must be an object"),
        ({**HELLO, "context": [1]}, "tasks[0].context[0]"),
        ({**HELLO, "context": [{"url": "x"}]}, "tasks[0].context[0]"),
        ({"type": "chat", "messages": []}, "messages is empty"),
        ({"type": "chat", "messages": [{"role": "robot", "content": "hi"}]}, "role"),
        ({"type": "chat", "messages": [{"role": "user", "content": ["hi"]}]}, "tasks[0].messages[0].content"),
        ({"type": "chat", "messages": [{"rol": "user", "content": "hi"}]}, "did you mean role?"),
        ({"type": "chat", "messages": [{"content": "hi"}]}, "tasks[0].messages[0].role: is missing"),
        ("hi", "tasks[0]: must be an object"),
    ],
)
def test_a_wrong_task_is_refused_with_what_to_change(post: Post, task: Any, words: str) -> None:
    assert words in refused(post(task), 400)


def test_the_wrong_one_of_many_is_named_and_none_is_kept(post: Post) -> None:
    assert "tasks[2]" in refused(post(HELLO, HELLO, {"type": "generate", "input": ""}), 400)


def test_several_problems_are_all_told(post: Post) -> None:
    response = post({"type": 1, "input": 2}, sequential="yes")
    error = refusal(response, 400, "invalid_input")
    assert {item["path"] for item in error["detail"]["problems"]} == {"tasks[0].type", "tasks[0].input", "sequential"}


def test_an_unknown_agent_is_404_with_the_nearest_name(post: Post) -> None:
    assert "Did you mean writer?" in refused(post(agent_id="writter"), 404, "not_found")


@pytest.mark.parametrize("agent_id", [10**30, "9" * 40, "²", "-1", "a/b"])
def test_an_odd_agent_is_404_as_well(post: Post, agent_id: Any) -> None:
    refused(post(agent_id=agent_id), 404, "not_found")


@pytest.mark.parametrize("agent_id", [None, True, 1.5, ["writer"]])
def test_an_agent_of_the_wrong_kind_is_refused(post: Post, agent_id: Any) -> None:
    assert "agent_id: must be an agent's id or name" in refused(post(agent_id=agent_id), 400)


def test_a_model_that_no_node_has_is_422_with_a_suggestion(post: Post) -> None:
    message = refused(post({**HELLO, "model_name": "lama3.2"}, agent_id="default"), 422, "model_unavailable")
    assert "llama3.2" in message


def test_a_huge_prompt_is_413(post: Post, settings: Any) -> None:
    settings.DROVER_MAX_PROMPT_CHARS = 100
    assert "100" in refused(post({"type": "generate", "input": "x" * 101}), 413, "payload_too_large")


@pytest.mark.parametrize("tasks", [[], None, {}, "hi"])
def test_a_request_without_tasks_is_refused(bob_api: ApiClient, default: Agent, tasks: Any) -> None:
    assert "tasks: " in refused(bob_api.post("tasks", {"tasks": tasks}), 400)


def test_a_request_with_too_many_tasks_is_refused(post: Post, settings: Any) -> None:
    settings.DROVER_MAX_TASKS_PER_REQUEST = 3
    assert "1 to 3" in refused(post(*[HELLO] * 4), 400)


def test_too_many_waiting_is_429_and_says_when_to_come_back(post: Post, settings: Any) -> None:
    settings.DROVER_MAX_WAITING_PER_USER = 2
    response = post(*[HELLO] * 3)
    refused(response, 429, "too_many_waiting")
    assert int(response["Retry-After"]) >= 1


def test_the_bound_in_all_holds_for_everybody_together(post: Post, dave_api: ApiClient, settings: Any) -> None:
    settings.DROVER_MAX_WAITING = 1
    assert post().status_code == 202
    refusal(dave_api.post("tasks", {"tasks": [HELLO]}), 429, "too_many_waiting")
    assert Task.objects.count() == 1


def test_a_viewer_cannot_submit(carol_api: ApiClient, default: Agent) -> None:
    refused(carol_api.post("tasks", {"tasks": [HELLO]}), 403, "not_allowed")


def test_the_same_key_answers_with_the_same_run(post: Post) -> None:
    first = post(headers={"Idempotency_Key": "order-1"}).json()
    assert post(headers={"Idempotency_Key": "order-1"}).json()["id"] == first["id"]
    assert Run.objects.count() == 1


def test_the_same_key_with_another_request_is_409(post: Post) -> None:
    post(headers={"Idempotency_Key": "order-1"})
    other = post({"type": "generate", "input": "Something else"}, headers={"Idempotency_Key": "order-1"})
    refusal(other, 409, "conflict")
    assert Run.objects.count() == 1


def test_spelling_does_not_make_another_request(bob_api: ApiClient, default: Agent) -> None:
    first = bob_api.post("tasks", b'{"tasks":[{"type":"generate","input":"hi"}]}', Idempotency_Key="k")
    second = bob_api.post("tasks", b'{"tasks": [{"input": "hi",  "type": "generate"}]}', Idempotency_Key="k")
    assert second.json()["id"] == first.json()["id"]


def test_two_people_may_use_the_same_key(post: Post, dave_api: ApiClient) -> None:
    first = post(headers={"Idempotency_Key": "order-1"}).json()
    second = dave_api.post("tasks", {"tasks": [HELLO]}, Idempotency_Key="order-1").json()
    assert first["id"] != second["id"]


def test_a_key_that_is_too_long_is_refused(post: Post) -> None:
    assert "Idempotency-Key" in refused(post(headers={"Idempotency_Key": "k" * 201}), 400)


@pytest.mark.parametrize("wait", ["-1", "601", "soon", "nan"])
def test_a_wait_out_of_bounds_is_refused(post: Post, wait: str) -> None:
    assert "wait" in refused(post(path=f"tasks?wait={wait}"), 400)
