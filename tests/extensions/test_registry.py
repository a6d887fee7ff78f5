"""What is installed, what is wrong with it, and that one broken package is nobody else's trouble."""

import pytest

from orchestration import extensions
from orchestration.extensions import ExtensionFailed, Kind, RouteModel, RouteRequest, registry

GOOD = """
    from orchestration.extensions import TaskHandler, RouteChoice

    class Count(TaskHandler):
        needs = "embedding"
        parameters = {"type": "object", "properties": {"by": {"type": "integer"}}}

        async def run(self, context):
            return 1

    class Around:
        def before(self, call):
            return call

    class First:
        def route(self, request):
            return RouteChoice(models=[request.models[0].name], reason="it is the first")
"""
SMALL, LARGE = RouteModel(name="small:latest"), RouteModel(name="large:latest")
REQUEST = RouteRequest(type="chat", prompt="Hello", agent="writer", models=[SMALL, LARGE])


def test_without_packages_nothing_is_installed():
    assert extensions.task_types() == []
    assert extensions.inventory() == []


def test_names_are_known_without_importing_anything(packages):
    packages.add("raise RuntimeError('never imported')", task_types={"count": "Count"})
    assert extensions.task_types() == ["count"]


def test_what_a_package_brings_is_found_by_its_kind_and_name(packages):
    packages.add(GOOD, task_types={"count": "Count"}, agents={"around": "Around"}, routers={"first": "First"})
    assert callable(extensions.handler("count").run)
    assert callable(extensions.agent_extension("around").before)
    assert extensions.router("first").route(REQUEST).models == ["small:latest"]
    assert [str(found) for found in extensions.inventory()] == [
        "task type count (acme-extras 1.0)",
        "agent extension around (acme-extras 1.0)",
        "router first (acme-extras 1.0)",
    ]
    assert not any(found.problem for found in extensions.inventory())


def test_an_object_is_taken_as_it_is(packages):
    packages.add(f"{GOOD}\n    count = Count()\n", task_types={"count": "count"})
    assert extensions.handler("count") is extensions.handler("count")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import a_module_that_is_not_there", "No module named"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("class Count: pass", r"no method run\(context\)"),
        ("class Count:\n    needs = 'wings'\n    async def run(self, context): pass", "not 'wings'"),
        ("class Count:\n    parameters = {'type': 3}\n    async def run(self, context): pass", "is wrong at type"),
        ("class Count:\n    def __init__(self): raise ValueError('no key')", "ValueError: no key"),
        ("", "has no attribute 'Count'"),
    ],
)
def test_a_broken_package_fails_whoever_asks_for_it_and_says_why(packages, source, words):
    packages.add(source, package="broken", task_types={"count": "Count"})
    packages.add(GOOD, task_types={"tally": "Count"})
    for _ in range(2):
        with pytest.raises(ExtensionFailed, match=words):
            extensions.handler("count")
    assert callable(extensions.handler("tally").run)
    problems = {found.name: found.problem for found in extensions.inventory()}
    assert problems["count"]
    assert not problems["tally"]


def test_a_package_that_hangs_while_it_is_imported_is_given_up(packages, monkeypatch):
    monkeypatch.setattr(registry, "LOAD_SECONDS", 0.1)
    packages.add("import threading\nthreading.Event().wait(3)", task_types={"count": "Count"})
    with pytest.raises(ExtensionFailed, match=r"did not answer within 0\.1 s"):
        extensions.handler("count")


def test_one_that_is_not_installed_is_named():
    with pytest.raises(ExtensionFailed, match="No router nowhere is installed here"):
        extensions.router("nowhere")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("chat", "of Drover's own"),
        ("pull", "of Drover's own"),
        ("custom", "of Drover's own"),
        ("Count Words", "small letters"),
    ],
)
def test_names_that_cannot_be_used_are_left_out_and_listed(packages, name, words):
    packages.add(GOOD, task_types={name: "Count"})
    assert extensions.task_types() == []
    (found,) = extensions.inventory()
    assert words in found.problem


def test_of_two_packages_with_one_name_the_first_has_it(packages):
    packages.add(GOOD, package="zebra", task_types={"count": "Count"})
    packages.add(GOOD, package="alpaca", task_types={"count": "Count"})
    problems = {found.package: found.problem for found in extensions.inventory()}
    assert problems == {"alpaca 1.0": "", "zebra 1.0": "alpaca 1.0 has this name already"}


def test_what_a_model_must_be_able_to_do(packages):
    packages.add(GOOD, task_types={"count": "Count"})
    packages.add("raise RuntimeError", package="broken", task_types={"oops": "Count"})
    needs = {name: extensions.need_of(name) for name in ("generate", "chat", "embed", "count", "oops", "unheard-of")}
    embedding = {name for name, need in needs.items() if need == "embedding"}
    assert embedding == {"embed", "count"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("raise KeyError('labels')", "KeyError: 'labels'"),
        ("return 'small'", "answered with str"),
        ("return RouteChoice(models=[], reason='')", "chose no models"),
        ("return RouteChoice(models=['huge:latest'], reason='')", "chose huge:latest, which the task may not use"),
        ("threading.Event().wait(3)", "did not answer within"),
    ],
)
def test_a_router_that_goes_wrong_says_how(packages, monkeypatch, body, words):
    monkeypatch.setattr(registry, "ROUTE_SECONDS", 0.2)
    source = f"""
        import threading
        from orchestration.extensions import RouteChoice

        class Odd:
            def route(self, request):
                {body}
    """
    packages.add(source, routers={"odd": "Odd"})
    with pytest.raises(ExtensionFailed, match=words):
        extensions.router("odd").route(REQUEST)


def test_a_router_may_leave_it_to_the_rule(packages):
    packages.add("class Shy:\n    def route(self, request): return None", routers={"shy": "Shy"})
    assert extensions.router("shy").route(REQUEST) is None


def test_each_kind_has_words():
    assert [kind.words for kind in Kind] == ["task type", "agent extension", "router"]
