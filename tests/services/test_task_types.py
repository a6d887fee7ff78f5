"""Types that extensions bring: named, near ones suggested, their parameters checked by what the extension says."""

import pytest

from orchestration.errors import InvalidInput
from orchestration.models import Task
from orchestration.services.specs import TaskSpec, checked

COUNT = """
    from orchestration.extensions import TaskHandler

    class Count(TaskHandler):
        parameters = {"type": "object", "properties": {"by": {"type": "integer"}}, "additionalProperties": False}

        async def run(self, context):
            return 1
"""


@pytest.fixture
def count(packages):
    packages.add(COUNT, task_types={"count-words": "Count"})


@pytest.mark.usefixtures("count")
@pytest.mark.parametrize(
    ("spec", "parameters"),
    [
        (TaskSpec(type="count-words", input="a b", parameters={"by": 2}), {"by": 2}),
        (TaskSpec(type="custom", input="a b", parameters={"handler": "count-words", "by": 2}), {"by": 2}),
        (TaskSpec(type="count-words"), {}),
        (TaskSpec(type="count-words", input=["a", "b"]), {}),
        (TaskSpec(type="count-words", messages=[{"role": "user", "content": "a"}]), {}),
        (TaskSpec(type="count-words", parameters={"options": {"seed": 1.0}}), {"options": {"seed": 1}}),
    ],
)
def test_a_registered_type_is_taken(spec, parameters):
    taken = checked(spec)
    assert (taken.type, taken.parameters) == ("count-words", parameters)
    assert taken.own_options == parameters.get("options", {})


@pytest.mark.usefixtures("count")
@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "count-wrods"}, "Did you mean count-words?"),
        ({"type": "generat"}, "Did you mean generate?"),
        ({"type": "xyz"}, "Types are generate, chat, embed, count-words."),
        ({"type": "custom"}, 'needs the name of an installed task type as "handler"'),
        ({"type": "custom", "parameters": {"handler": "count"}}, "Did you mean count-words?"),
        ({"type": "custom", "parameters": {"handler": "generate"}}, "There is no task type 'generate'"),
        ({"type": "custom", "parameters": {"handler": 3}}, "There is no task type '3'"),
        ({"type": "count-words", "parameters": {"by": "two"}}, "by: 'two' is not of type 'integer'"),
        ({"type": "count-words", "parameters": {"to": 2}}, "'to' was unexpected"),
        ({"type": "count-words", "parameters": {"options": {"sed": 1}}}, "Did you mean seed?"),
        ({"type": "count-words", "parameters": {"options": 1}}, "maps option names"),
        ({"type": "count-words", "input": []}, "a text or a list of texts"),
        ({"type": "count-words", "tools": [{}]}, "tools go with type chat"),
    ],
)
def test_what_cannot_be_is_refused_in_words(fields, words):
    with pytest.raises(InvalidInput) as refused:
        checked(TaskSpec(**fields))
    assert words in refused.value.message


def test_where_nothing_is_installed_custom_says_so():
    with pytest.raises(InvalidInput, match="No extension is installed"):
        checked(TaskSpec(type="custom", parameters={"handler": "count-words"}))


def test_a_broken_extension_is_told_by_its_tasks_not_by_the_submission(packages):
    packages.add("raise RuntimeError('oops')", task_types={"broken": "Broken"})
    assert checked(TaskSpec(type="broken", parameters={"any": "thing"})).parameters == {"any": "thing"}


@pytest.mark.usefixtures("count", "redis_server")
def test_parameters_of_a_handler_are_no_options_of_the_model(submit):
    task = submit("a b", type="count-words", parameters={"by": 2}).tasks.get()
    assert (task.type, task.parameters, task.options) == ("count-words", {"by": 2}, {})


@pytest.mark.usefixtures("redis_server")
def test_a_task_keeps_the_extension_its_agent_had(submit, agent):
    agent.extension = "polite"
    agent.save()
    submit("Hello")
    agent.extension = ""
    agent.save()
    assert Task.objects.get().extension == "polite"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"type": "chat", "format": {"type": "objekt"}}, "The JSON schema is wrong at type"),
        ({"type": "embed", "format": "json"}, "not with embed"),
        ({"type": "chat", "format": "yaml"}, "a JSON schema; leave it out, or say"),
    ],
)
def test_a_format_that_cannot_be_checked_is_refused(fields, words):
    with pytest.raises(InvalidInput, match=words):
        checked(TaskSpec(input="Hello", **fields))
