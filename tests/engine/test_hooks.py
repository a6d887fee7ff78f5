"""What an agent's extension changes before its calls and after, and what becomes of one that goes wrong."""

from datetime import timedelta

import pytest

from orchestration.policy.states import TaskStatus
from tests.engine.conftest import VECTORS, granted

pytestmark = pytest.mark.usefixtures("redis_server")

START = """
    from dataclasses import replace
    import threading
    from orchestration.extensions import Answer
"""
POLITE = f"""
    {START}
    class Polite:
        def before(self, call):
            options = {{**call.options, "seed": 7}}
            if call.messages:
                *rest, last = call.messages
                said = {{**last, "content": "echo: please " + last["content"]}}
                return replace(call, messages=[*rest, said], options=options, notes={{"was": last["content"]}})
            return replace(call, prompt="echo: please " + call.prompt, options=options, notes={{"was": call.prompt}})

        async def after(self, call, answer):
            return replace(answer, text=f"{{call.notes['was']}} -> {{answer.text}}", thinking="polite")
"""


@pytest.fixture
def around(packages, grant, run):
    """Runs a task of an agent with this extension."""

    def run_with(source, **fields):
        packages.add(source, agents={"odd": "Odd", "polite": "Polite"})
        fields = {"extension": "odd", "input": "go", "options": {}} | fields
        attempt = granted(grant, **fields)
        return run(attempt), attempt

    return run_with


@pytest.mark.parametrize("kind", ["generate", "chat"])
def test_it_changes_the_call_and_the_answer(around, kind):
    task, attempt = around(POLITE, extension="polite", type=kind)
    assert (task.status, task.output, task.thinking) == (TaskStatus.COMPLETED, "go -> please go", "polite")
    assert attempt.request["options"] == {"seed": 7, "num_ctx": 4096}
    assert "please go" in str(attempt.request)


def test_texts_of_an_embedding_can_be_changed(around, gpu):
    source = f"""
    {START}
    class Odd:
        def before(self, call):
            return replace(call, inputs=[text.lower() for text in call.inputs])

        def after(self, call, answer):
            return replace(answer, vectors=[vector[:3] for vector in answer.vectors])
    """
    task, attempt = around(source, type="embed", model=VECTORS, input=["One", "TWO"])
    assert [len(vector) for vector in task.vectors] == [3, 3]
    assert attempt.request["inputs"] == ["one", "two"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("def before(self, call): raise KeyError('name')", "KeyError: 'name'"),
        ("def before(self, call): return 'go'", "before() gave str, not the call"),
        ("def before(self, call): return replace(call, prompt=3)", "whose prompt or system is no text"),
        ("def before(self, call): return replace(call, messages=['hi'])", "whose messages are not objects"),
        ("def before(self, call): return replace(call, inputs=[1])", "whose inputs are not texts"),
        ("def before(self, call): return replace(call, inputs=None)", "whose inputs or messages are no lists"),
        ("def before(self, call): return replace(call, options=7)", "whose options are no mapping"),
        (
            "def before(self, call): return replace(call, messages=[{'role': 'user', 'content': b'x'}])",
            "messages that JSON cannot say",
        ),
        ("def before(self, call): raise ValueError('zero \\0 and half \\ud800')", "zero  and half ?"),
        ("def before(self, call): return replace(call, options={'num_gpu': 1})", "num_gpu would make the node"),
        ("async def before(self, call): raise SystemExit(1)", "SystemExit: 1"),
        ("def after(self, call, answer): return answer.text", "after() gave str, not an answer"),
        ("def after(self, call, answer): return replace(answer, vectors=[[]])", "after() gave vectors that are empty"),
    ],
)
def test_one_that_goes_wrong_fails_its_task_and_says_how(around, body, words):
    task, attempt = around(f"{START}\n    class Odd:\n        {body}\n")
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert words in task.error
    assert not attempt.node_fault


def test_one_that_hangs_is_given_up(around, settings, gpu):
    settings.DROVER_EXTENSION_CALL = timedelta(seconds=0.1)
    source = f"""
    {START}
    class Odd:
        def before(self, call):
            threading.Event().wait(1)
            return call
    """
    task, _ = around(source)
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert "did not answer within 0.1 s" in task.error
    assert gpu.state()["counts"]["requests"] == {}


def test_one_that_is_not_installed_fails_the_task_instead_of_being_left_out(around, gpu):
    task, _ = around("", extension="gone")
    assert (task.status, task.error_code) == (TaskStatus.FAILED, "extension_failed")
    assert "No agent extension gone is installed here" in task.error
    assert gpu.state()["counts"]["requests"] == {}
