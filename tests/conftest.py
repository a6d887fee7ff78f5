"""What every test may ask for: the team, a real Redis, nodes, agents, tasks, a simulated node and a browser.

The environment is made before the settings are read, which is why this module sets Django up itself.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

if settings.configured:
    raise pytest.UsageError("Unset DJANGO_SETTINGS_MODULE: with it the settings are read before the tests' own.")
DATA = Path(tempfile.mkdtemp(prefix="drover-test-"))
(DATA / "static").mkdir()  # WhiteNoise warns where there is none
for name in [name for name in os.environ if name.startswith(("DROVER_", "OLLAMA_")) and name != "DROVER_VENV"]:
    del os.environ[name]
os.environ.update(
    DJANGO_SETTINGS_MODULE="dashboard.settings",
    DROVER_DATA=str(DATA),
    REDIS_URL=f"unix://{DATA}/redis.sock",
    SECRET_KEY="only for tests",
    ALLOWED_HOSTS="localhost,127.0.0.1,testserver",
    DROVER_CATALOGUE_URL="",  # no test reads the model library on the network
)

import django

django.setup()
del os.environ["DJANGO_SETTINGS_MODULE"]  # pytest-xdist's workers inherit the rest, and must come here first as well

import redis
from django.apps import apps
from django.db import connection, transaction
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from orchestration import events
from orchestration.management import bundled_redis
from orchestration.models import Agent, Node, NodeModel, OllamaModel, Run, Task, User, output_index
from orchestration.permissions import Actor, Role
from orchestration.policy.states import NodeHealth
from tests.packages import Packages, installed_in

settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

IN_CI = os.environ.get("CI") == "true"


def missing(what: str, how_to_get_it: str) -> None:
    """Something this machine lacks: skipped at home, a failure where everything has to be there."""
    words = f"{what} is missing: {how_to_get_it}"
    if IN_CI:
        pytest.fail(words)
    pytest.skip(words)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if IN_CI and reporter is not None and reporter.stats.get("skipped") and exitstatus == 0:
        reporter.write_line("Nothing may be skipped when CI=true.", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    """What was logged may have halves of surrogate pairs, which no report can carry from one process to another."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "backslashreplace").decode()) for name, text in report.sections]
    return report


@receiver(post_migrate, sender=apps.get_app_config("orchestration"))
def _forget_answers_that_are_gone(**_: Any) -> None:
    """Tests with real transactions end by emptying the tables that Django knows, which the index of answers is not."""
    with transaction.atomic():
        output_index.drop_orphans()


def pytest_unconfigure() -> None:
    shutil.rmtree(DATA, ignore_errors=True)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None) -> None:
    """SQLite tests run on a file: several connections to one in memory lock each other in other ways."""
    database = settings.DATABASES["default"]
    if database["ENGINE"].endswith("sqlite3"):
        database.setdefault("TEST", {})["NAME"] = str(DATA / "test.sqlite3")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Threads that ended without closing their connection must not keep PostgreSQL from dropping the database."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


class RedisServer:
    """The bundled Redis on a socket of its own; ``stop`` and ``start`` are how it gets lost and comes back."""

    def __init__(self) -> None:
        self.url = settings.REDIS_URL
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def client(self) -> redis.Redis:
        return events.connection()

    def start(self) -> None:
        if self.process is None:
            command = bundled_redis.command(Path(self.url.removeprefix("unix://")))
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
            assert bundled_redis.wait_until_answers(self.url), "the bundled Redis did not start"

    def stop(self) -> None:
        """Kills it: nothing is kept, connections break."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def flush(self) -> None:
        with bundled_redis.client(self.url) as connection:
            connection.flushall()


@pytest.fixture(scope="session")
def redis_process() -> Iterator[RedisServer]:
    server = RedisServer()
    server.start()
    yield server
    events.connection().close()
    server.stop()


@pytest.fixture
def redis_server(redis_process: RedisServer) -> Iterator[RedisServer]:
    """A Redis that is up and empty when the test begins."""
    redis_process.start()
    redis_process.flush()
    yield redis_process
    redis_process.start()


def _person(name: str, role: Role) -> User:
    is_admin = role == Role.ADMIN
    return User.objects.create_user(
        name, password=f"{name}-secret", role=role, is_staff=is_admin, is_superuser=is_admin
    )


@pytest.fixture
def alice(db: None) -> User:
    """The admin."""
    return _person("alice", Role.ADMIN)


@pytest.fixture
def bob(db: None) -> User:
    """An operator: owns what these tests submit."""
    return _person("bob", Role.OPERATOR)


@pytest.fixture
def carol(db: None) -> User:
    """A viewer."""
    return _person("carol", Role.VIEWER)


@pytest.fixture
def dave(db: None) -> User:
    """A stranger: an operator to whom nothing here belongs."""
    return _person("dave", Role.OPERATOR)


def actor_of(user: User) -> Actor:
    return Actor(user_id=user.pk, name=user.username, role=user.effective_role, via="test")


@pytest.fixture
def as_alice(alice: User) -> Actor:
    return actor_of(alice)


@pytest.fixture
def as_bob(bob: User) -> Actor:
    return actor_of(bob)


@pytest.fixture
def as_carol(carol: User) -> Actor:
    return actor_of(carol)


@pytest.fixture
def as_dave(dave: User) -> Actor:
    return actor_of(dave)


@pytest.fixture
def make_node(db: None) -> Callable[..., Node]:
    """A healthy node with these models on its disk; ``loaded`` names those in its memory."""

    def make(name: str = "gpu-a", *, models: tuple[str, ...] = ("llama3.2:latest",), **fields: Any) -> Node:
        loaded = fields.pop("loaded", ())
        fields.setdefault("base_url", f"http://{name}.test:11434")
        fields.setdefault("health", NodeHealth.HEALTHY)
        node = Node.objects.create(name=name, **fields)
        for model_name in models:
            model, _ = OllamaModel.objects.get_or_create(name=model_name, defaults={"size_bytes": 2_000_000_000})
            is_loaded = {"loaded": True, "loaded_context": 4096, "vram_bytes": 3_000_000_000}
            NodeModel.objects.create(
                node=node, model=model, size_bytes=2_000_000_000, **(is_loaded if model_name in loaded else {})
            )
        return node

    return make


@pytest.fixture
def node(make_node: Callable[..., Node]) -> Node:
    return make_node(loaded=("llama3.2:latest",))


@pytest.fixture
def make_agent(db: None) -> Callable[..., Agent]:
    def make(name: str = "writer", **fields: Any) -> Agent:
        fields.setdefault("models", ["llama3.2:latest"])
        return Agent.objects.create(name=name, **fields)

    return make


@pytest.fixture
def agent(make_agent: Callable[..., Agent], bob: User) -> Agent:
    return make_agent(owner=bob)


@pytest.fixture
def submit(as_bob: Actor, agent: Agent, node: Node) -> Callable[..., Run]:
    """Submits one task per text through the service, as bob, to his agent."""
    from orchestration.services import tasks

    def submit_texts(*texts: str, actor: Actor = as_bob, agent: Agent = agent, **fields: Any) -> Run:
        run_fields = {name: fields.pop(name) for name in ("sequential", "continue_on_error") if name in fields}
        kind = fields.pop("type", "generate")
        specs = [tasks.TaskSpec(type=kind, input=text, **fields) for text in texts or ("Say hello.",)]
        return tasks.submit(actor=actor, agent=agent, specs=specs, **run_fields)

    return submit_texts


@pytest.fixture
def submitted_task(submit: Callable[..., Run]) -> Task:
    task = submit("Say hello.").tasks.first()
    assert task is not None
    return task


@pytest.fixture
def make_simulator() -> Iterator[Callable[..., Any]]:
    """Starts simulated Ollama servers in threads; what it returns is the handle of run_in_thread."""
    from orchestration.ollama import simulator

    running: list[Any] = []

    def make(*args: Any, **kwargs: Any) -> Any:
        running.append(simulator.run_in_thread(*args, **kwargs))
        return running[-1]

    yield make
    for handle in reversed(running):
        handle.stop()


@pytest.fixture
def packages(tmp_path: Path) -> Iterator[Packages]:
    """Installs packages with extensions for as long as the test takes."""
    with installed_in(tmp_path) as packages:
        yield packages


@pytest.fixture(scope="session")
def chromium_path() -> str:
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        missing("Chromium", "install the system's package, on Debian and Ubuntu 'apt install chromium'")
    return str(found)


@pytest.fixture
async def browser(chromium_path: str) -> Any:
    """A headless Chromium driven by Playwright's async interface, closed at the end of the test."""
    from playwright.async_api import async_playwright

    arguments = ["--no-sandbox", "--disable-dev-shm-usage"]
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=chromium_path, args=arguments)
        yield chromium
        await chromium.close()
