"""The shapes that extensions are written against have what they promise."""

from orchestration import extensions
from orchestration.engine.contexts import Answering, Client, Context
from orchestration.extensions import AgentExtension, Answer, ModelCall, TaskHandler


def test_a_handler_needs_words_and_takes_any_parameters_unless_it_says_otherwise():
    class Plain(TaskHandler):
        async def run(self, context):
            return None

    assert (Plain().needs, Plain().parameters) == ("completion", None)


def test_an_agent_extension_changes_only_what_it_wants_to():
    class After(AgentExtension):
        def after(self, call, answer):
            return Answer(text="changed")

    call = ModelCall(type="chat", agent="writer", model="m")
    assert After().before(call) is call
    assert After().after(call, Answer()).text == "changed"


def test_what_the_worker_gives_has_all_that_is_promised():
    for promised, given in ((extensions.ModelClient, Client), (extensions.Stream, Answering)):
        assert {name for name in vars(promised) if not name.startswith("_")} <= set(dir(given))
    methods = {name for name, value in vars(extensions.TaskContext).items() if callable(value) and name[0] != "_"}
    assert methods <= set(dir(Context))


def test_everything_public_is_there():
    assert all(hasattr(extensions, name) for name in extensions.__all__)
