"""What a task was asked and what came of it, on the wire."""

from typing import Any

import pytest

from orchestration.payloads import ResultPayload, output_of, result, task_payload
from tests.payloads.conftest import Exactly, MakeTask


@pytest.mark.parametrize(
    ("status", "fields", "output"),
    [
        ("completed", {"output": "A river."}, "A river."),
        ("completed", {"output": ""}, ""),
        ("completed", {"vectors": [[0.5, 1.0]]}, [[0.5, 1.0]]),
        ("completed", {"vectors": []}, []),
        ("failed", {"output": "A riv"}, "A riv"),
        ("failed", {"output": "", "vectors": [[0.5]]}, None),
        ("cancelled", {"output": "A riv"}, "A riv"),
        ("running", {}, None),
    ],
)
def test_a_result_is_text_or_vectors_or_not_there_yet(
    make_task: MakeTask, exactly: Exactly, status: str, fields: dict[str, Any], output: Any
) -> None:
    task = make_task(status, **fields)
    sent = result(task)
    exactly(ResultPayload, sent)
    assert sent["output"] == output_of(task) == task_payload(task)["output"] == output


def test_a_conversation_is_the_input_of_a_chat(make_task: MakeTask) -> None:
    said = [{"role": "user", "content": "Hello"}]
    assert task_payload(make_task(type="chat", input="", messages=said))["input"] == said
    assert task_payload(make_task(type="embed", input=["a", "b"]))["input"] == ["a", "b"]
    assert task_payload(make_task(type="chat", input="x", messages=[]))["input"] == []
