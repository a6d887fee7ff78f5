"""The house rules that a linter cannot see."""

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.utils.module_loading import import_string

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("orchestration", "dashboard", "templates", "static", "tests", "requirements", ".ci")
TEXT = {".py", ".js", ".css", ".html", ".svg", ".md", ".toml", ".txt", ".yaml", ".yml", ".json", ""}
MAX_LINES = 400
UNWANTED_NAMES = {"utils", "helpers", "constants", "signals", "common", "misc"}

NO_TEST_OF_THEIR_OWN = {
    "orchestration/apps.py": "names the app",
    "orchestration/engine/clients.py": "the tests of the runner and the monitor use it throughout",
    "orchestration/ollama/exchange.py": "the tests of the client's streams go through it",
    "dashboard/admin.py": "tests/admin/test_pages.py opens its index",
    "dashboard/apps.py": "names the app",
    "dashboard/asgi.py": "every socket test and every process goes through it",
    "dashboard/settings.py": "every test reads it",
    "dashboard/urls.py": "every page test goes through it",
    "orchestration/management/commands/scheduler.py": "started by the tests of up",
    "orchestration/management/commands/worker.py": "started by the tests of up",
    "dashboard/management/commands/web.py": "started by the tests of up",
}

TESTED_AS_ONE = {
    "orchestration/admin": "each page of it is opened, saved and refused",
    "orchestration/models": "tables say what their constraints hold",
    "orchestration/ollama/simulator": "one server, tested over its socket",
    "orchestration/payloads": "shapes, compared with what doors send",
}
"""Folders whose modules are tested together, by the tests of the mirrored folder."""

BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = {
    "orchestration/engine/runner.py": "fails the attempt as internal_error",
    "orchestration/engine/performing.py": "hands the error of a job to RQ",
    "orchestration/extensions/isolation.py": "turns whatever code of others raises into extension_failed",
    "orchestration/services/steps.py": "fails the one step that cannot be filled in, and decides on about the others",
    "orchestration/engine/scheduler.py": "hands a helper thread's error to the main one, which raises it",
    "orchestration/engine/writer.py": "hands the error to the thread that asked for the write",
}


def _files(*suffixes: str, below: tuple[str, ...] = FOLDERS) -> Iterator[Path]:
    loose = [path for path in ROOT.iterdir() if path.is_file()] if below is FOLDERS else []
    for path in [*loose, *(path for folder in below for path in sorted((ROOT / folder).rglob("*")))]:
        parts = path.relative_to(ROOT).parts
        if path.is_file() and path.suffix in suffixes and not {"vendor", "__pycache__"} & set(parts):
            yield path


def _own_modules() -> list[Path]:
    files = _files(".py", below=("orchestration", "dashboard"))
    return [path for path in files if "migrations" not in path.parts]


def _named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in _own_modules():
        yield _named(path), ast.parse(path.read_text(encoding="utf-8"))


def _calls(tree: ast.AST, *names: str) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
            yield node


def test_no_file_is_longer_than_four_hundred_lines():
    files = [path for path in _files(".py", ".js", ".css", ".html") if "migrations" not in path.parts]
    lengths = {_named(path): len(path.read_text(encoding="utf-8").splitlines()) for path in files}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_functions_are_short():
    lengths = [
        node.end_lineno - node.lineno + 1
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert statistics.median(lengths) <= 10
    assert statistics.quantiles(lengths, n=10)[-1] <= 35


def test_modules_say_what_lives_in_them():
    silent = [name for name, tree in _trees() if tree.body and ast.get_docstring(tree) is None]
    assert silent == []


def test_modules_are_named_after_what_they_are_about():
    assert [_named(path) for path in _own_modules() if path.stem in UNWANTED_NAMES] == []


def test_every_module_has_its_test_file():
    missing = []
    for path in _own_modules():
        name = _named(path)
        if path.stem not in {"__init__", "__main__"} and name not in NO_TEST_OF_THEIR_OWN and not _has_tests(path):
            missing.append(name)
    assert not missing, "\n" + "\n".join(missing)


def _has_tests(path: Path) -> bool:
    """``orchestration/services/tasks.py`` is tested by ``tests/services/test_tasks.py`` or ``test_tasks_*.py``."""
    parts = path.relative_to(ROOT).parts
    folder = ROOT.joinpath("tests", *parts[parts[0] == "orchestration" : -1])
    if path.parent.relative_to(ROOT).as_posix() in TESTED_AS_ONE:
        return any(folder.glob("test_*.py"))
    return (folder / f"test_{path.name}").exists() or any(folder.glob(f"test_{path.stem}_*.py"))


def test_the_list_of_untested_modules_names_only_what_exists():
    assert [name for name in NO_TEST_OF_THEIR_OWN if not (ROOT / name).exists()] == []


def test_a_status_is_never_assigned_to_a_row():
    found = [
        f"{name}:{node.lineno}"
        for name, tree in _trees()
        if not name.startswith("orchestration/ollama/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "status" and isinstance(node.ctx, ast.Store)
        if not (isinstance(node.value, ast.Name) and node.value.id == "self")
    ]
    assert found == []


def test_only_transition_updates_the_status_of_tasks():
    found = [
        f"{name}: {ast.unparse(call)}"
        for name, tree in _trees()
        for call in _calls(tree, "update", "bulk_update", "save")
        if _writes_a_status(call) and "AttemptStatus" not in ast.unparse(call)
    ]
    of_attempts = "orchestration/services/setbacks.py: mine.update(status=status, ended_at=now, **fields)"
    assert [item.partition(":")[0] for item in found if item != of_attempts] == ["orchestration/models/tasks.py"]


def test_tasks_are_changed_each_to_its_own_values_by_their_query_set_alone():
    found = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in _trees()
        if name != "orchestration/models/tasks.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "update_each"
    ]
    assert [item for item in found if not re.search(r"update_each\((Attempt|Lane), ", item)] == []


def _writes_a_status(call: ast.Call) -> bool:
    by_name = any(keyword.arg == "status" for keyword in call.keywords)
    listed = [item for part in ast.walk(call) if isinstance(part, ast.List) for item in part.elts]
    return by_name or any(isinstance(item, ast.Constant) and item.value == "status" for item in listed)


def test_only_services_move_tasks():
    found = {name for name, tree in _trees() for _ in _calls(tree, "transition", "transition_all")}
    allowed = ("orchestration/services/", "orchestration/models/tasks.py")
    assert {name for name in found if not name.startswith(allowed)} == set()
    assert found


def test_every_dotted_path_of_a_job_leads_somewhere():
    tree = ast.parse((ROOT / "orchestration/queue.py").read_text(encoding="utf-8"))
    strings = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    paths = {text for text in strings if re.fullmatch(r"orchestration(\.\w+)+", text)}
    assert paths
    assert all(callable(import_string(path)) for path in paths)


def test_no_import_hides_from_the_import_contracts():
    hidden = [
        f"{name}: {ast.unparse(node)}"
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rpartition(".")[2] in {"import_module", "__import__", "import_string"}
    ]
    assert [item for item in hidden if "settings." not in item] == []


def test_errors_are_swallowed_nowhere_but_in_the_runner():
    broad = [
        name
        for name, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler) and (node.type is None or ast.unparse(node.type) in BROAD)
        if not any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
    ]
    assert set(broad) <= set(MAY_CATCH_ALL)


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("package index", r"https?://[\w.-]+/(?:" + "|".join(["simple", "packages", "pypi", "npm"]) + r")\b"),
        ("path of one machine", r"(?<![\w.])/(?:" + "|".join(["work", "farm", "root", "home"]) + r")/[a-z.]"),
        ("note to finish later", r"\b(?:" + "|".join(["TO" + "DO", "FIX" + "ME", "XX" + "X"]) + r")\b"),
    ],
)
def test_no_file_names_a(what, pattern):
    found = [
        f"{_named(path)}: {match.group()}"
        for path in _files(*TEXT)
        if path.name != "LICENSE" and (match := re.search(pattern, path.read_text(encoding="utf-8", errors="replace")))
    ]
    assert found == [], what
