"""One start of Drover on one machine: what ``up`` does, from the data folder to the login link, and back down."""

import asyncio
import os
import shutil
import signal
import sys
import time
import webbrowser
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from asgiref.sync import sync_to_async
from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connections

from orchestration.errors import DroverError
from orchestration.management import bundled_redis, checks, data_folder, fleet, ports
from orchestration.management.supervisor import Child, Supervisor
from orchestration.management.terminal import Terminal
from orchestration.services import agents, presets, users

T = TypeVar("T")
HEALTHY_WITHIN = 60.0
OLLAMA_WITHIN = 15.0
SIMULATOR_WITHIN = 10.0
DEATHS_TOLERATED = 3
FAULTS_TOLERATED = 3


class StartFailed(Exception):
    """Drover cannot run as asked; the words say what to do."""

    def __init__(self, name: str, text: str, fix: str = "") -> None:
        super().__init__(text)
        self.name, self.text, self.fix = name, text, fix


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options of ``up``."""

    host: str = "127.0.0.1"
    port: int = 8000
    port_asked_for: bool = False
    workers: int = 1
    demo: bool = False
    start_ollama: bool = False
    open_browser: bool = True


@dataclass(slots=True)
class Startup:
    wishes: Wishes
    terminal: Terminal
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    supervisor: Supervisor = field(init=False)
    demo: bool = False
    url: str = ""

    def __post_init__(self) -> None:
        self.supervisor = Supervisor(self.terminal.child)

    async def run(self) -> int:
        """Until Ctrl-C, SIGTERM or a hang-up. The exit status."""
        self._listen_for_signals()
        try:
            with data_folder.held(settings.DROVER_DATA) as hold:
                return await self._run(hold)
        except data_folder.AlreadyRunning as error:
            where = f" It answers at {error.start.url}." if error.start.url else ""
            fix = "'python manage.py login_link' prints a new login link; another DROVER_DATA starts a second Drover."
            self.terminal.tick(False, "data", f"{error}{where}", fix)
        return 1

    async def _run(self, hold: data_folder.Hold) -> int:
        try:
            await self._start()
            hold.note(data_folder.Start(pid=os.getpid(), url=self.url))
            await self._until_healthy()
            if not self.stopping.is_set():
                await self._welcome()
                await self.stopping.wait()
            return 0
        except StartFailed as error:
            self.terminal.tick(False, error.name, error.text, error.fix)
            return 1
        finally:
            await self._stop()

    async def _start(self) -> None:
        port = self._choose_port()
        self.url = ports.browse_url(self.wishes.host, port)
        self._start_redis()
        looks, _ = await asyncio.gather(self._look_around(), _in_database(prepare_database))
        words = await _in_database(checks.database_words)
        self.terminal.tick(True, "data", f"{checks.shown_path(settings.DROVER_DATA)} ({words})")
        await self._await_redis()
        await self._connect(looks)
        self._start_processes(port)
        if self.demo:
            await self._see_demo()

    def _choose_port(self) -> int:
        wishes = self.wishes
        try:
            port = ports.choose(wishes.host, wishes.port, asked_for=wishes.port_asked_for)
        except (ports.PortTaken, OSError) as error:
            raise StartFailed("web", str(error)) from error
        if port != wishes.port and wishes.port:
            self.terminal.tick(None, "web", f"port {wishes.port} is taken, {port} is used")
        return port

    def _start_redis(self) -> None:
        if not checks.uses_bundled_redis():
            return
        socket = data_folder.make_socket_path(settings.DROVER_DATA)
        settings.REDIS_URL = bundled_redis.url(socket)
        if bundled_redis.close_left_over(socket):
            raise StartFailed("redis", f"another Redis holds {socket} and does not end", "End it, then start again.")
        try:
            command = bundled_redis.command(socket)
        except bundled_redis.RedisNotFound as error:
            raise StartFailed("redis", str(error)) from error
        self.supervisor.start(Child(name="redis", command=command, patience=5, quiet=True))

    async def _await_redis(self) -> None:
        await asyncio.to_thread(bundled_redis.wait_until_answers, settings.REDIS_URL, 10 if self._runs("redis") else 3)
        finding = await asyncio.to_thread(checks.redis_to_use)
        if not finding.ok:
            raise StartFailed("redis", finding.text, finding.fix)
        self.terminal.tick(True, "redis", finding.text)

    async def _look_around(self) -> list[fleet.Look]:
        """The configured servers, or the one of this machine if it answers."""
        if self.wishes.demo:
            return []
        try:
            urls = fleet.configured()
        except DroverError as error:
            raise StartFailed("ollama", error.message, "Correct OLLAMA_HOSTS or OLLAMA_HOST.") from error
        looks = await fleet.look_at_all(urls or [fleet.LOCAL])
        if self.wishes.start_ollama and all(look.error for look in looks):
            looks = [*(look for look in looks if urls), await self._started_ollama()]
        return looks if urls else [look for look in looks if not look.error]

    async def _started_ollama(self) -> fleet.Look:
        if shutil.which("ollama") is None:
            raise StartFailed("ollama", "there is no 'ollama' on this machine to start", "Install it, or use --demo.")
        self.supervisor.start(Child(name="ollama", command=["ollama", "serve"], env={"OLLAMA_HOST": "127.0.0.1:11434"}))
        (look,) = await fleet.look_until_seen([fleet.LOCAL], within=OLLAMA_WITHIN)
        if look.error:
            raise StartFailed("ollama", "'ollama serve' did not start", "Try it by hand: its lines say why.")
        return look

    async def _connect(self, looks: list[fleet.Look]) -> None:
        await _in_database(fleet.connect, [look.url for look in looks])
        await _in_database(fleet.record, looks)
        known = [] if self.wishes.demo else await _in_database(fleet.real_urls)
        self.demo = not known
        for look in looks:
            self.terminal.tick(not look.error, "ollama", look.words)
        others = len(set(known) - {look.url for look in looks})
        if others:
            self.terminal.tick(True, "ollama", f"{others} more, connected earlier")
        if self.demo:
            await self._start_demo()
        else:
            await _in_database(fleet.forget_simulated)

    async def _start_demo(self) -> None:
        why = "demo mode as asked for" if self.wishes.demo else "not found, starting in demo mode"
        fix = "" if self.wishes.demo else checks.install_hint()
        self.terminal.tick(None, "ollama", f"{why}: three simulated servers, invented answers", fix)
        first = await _in_database(fleet.demo_port)
        await _in_database(fleet.connect_simulated, first)
        command = [sys.executable, "-m", "orchestration.ollama.simulator", "--demo", "--port", str(first)]
        self.supervisor.start(Child(name="simulator", command=command, patience=3, quiet=True))

    async def _see_demo(self) -> None:
        looks = await fleet.look_until_seen(await _in_database(fleet.simulated_urls), within=SIMULATOR_WITHIN)
        await _in_database(fleet.record, looks)

    def _start_processes(self, port: int) -> None:
        env = {
            "DROVER_DATA": str(settings.DROVER_DATA),
            "REDIS_URL": settings.REDIS_URL,
            "DROVER_DEMO": "true" if self.demo else "false",
            "ALLOWED_HOSTS": ",".join(self._allowed_hosts()),
        }
        manage = [sys.executable, str(settings.BASE_DIR / "manage.py")]
        web = [*manage, "web", "--host", self.wishes.host, "--port", str(port)]
        self.supervisor.start(Child(name="web", command=web, env=env, patience=8))
        self.supervisor.start(Child(name="scheduler", command=[*manage, "scheduler"], env=env, patience=8))
        grace = settings.DROVER_WORKER_GRACE.total_seconds()
        for name in self._worker_names():
            self.supervisor.start(Child(name=name, command=[*manage, "worker"], env=env, patience=grace + 10))

    def _allowed_hosts(self) -> list[str]:
        """Those of the settings, and the one in the login link."""
        own = urlsplit(self.url).hostname or ""
        return list(dict.fromkeys([*settings.ALLOWED_HOSTS, f"[{own}]" if ":" in own else own]))

    def _worker_names(self) -> list[str]:
        count = self.wishes.workers
        return ["worker"] if count == 1 else [f"worker-{number}" for number in range(1, count + 1)]

    def _runs(self, name: str) -> bool:
        return name in self.supervisor.names()

    async def _until_healthy(self) -> None:
        deadline = time.monotonic() + HEALTHY_WITHIN
        faults = 0
        while not self.stopping.is_set():
            status, body = await asyncio.to_thread(checks.ask_health, self.url)
            if status == 200:
                return
            for name in self.supervisor.names():
                if self.supervisor.deaths(name) >= DEATHS_TOLERATED:
                    raise StartFailed(name, "keeps ending; its lines above say why")
            faults += status not in (None, 503)
            if faults >= FAULTS_TOLERATED:
                raise StartFailed("web", f"answers {status}; its lines above say why")
            if time.monotonic() > deadline:
                raise StartFailed("web", f"not healthy within {HEALTHY_WITHIN:g} s: {_unhealthy(body)}")
            await asyncio.sleep(0.1 if status is None else 0.25)

    async def _welcome(self) -> None:
        user, _ = await _in_database(users.ensure_admin)
        link = f"{self.url}/start/{await _in_database(users.make_login_link, user)}"
        await _in_database(connections.close_all)
        self.terminal.tick(True, "web", f"{self.url} · {self.wishes.workers} worker{'s'[: self.wishes.workers - 1]}")
        minutes = int(settings.DROVER_LOGIN_LINK_LIFETIME.total_seconds() // 60)
        self.terminal.box(
            [
                "Stop  Ctrl-C      Help  python manage.py doctor",
                f"Open  {link}   (logs you in, once, within {minutes} minutes)",
            ]
        )
        if self.wishes.open_browser and has_display():
            await asyncio.to_thread(webbrowser.open, link)

    async def _stop(self) -> None:
        """Nothing new comes in, what runs is finished or handed back, and Redis goes last."""
        if self.supervisor.names():
            self.terminal.line("Stopping; what runs may finish. Ctrl-C again stops at once.")
        await self.supervisor.stop("web", *self._worker_names())
        for name in ("scheduler", "simulator", "ollama", "redis"):
            await self.supervisor.stop(name)

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        if self.stopping.is_set():
            self.supervisor.hurry()
        self.stopping.set()


async def _in_database(what: Callable[..., T], *args: object) -> T:
    return await sync_to_async(partial(what, *args))()


def _unhealthy(body: dict[str, Any]) -> str:
    failed = [f"{part} {state['message']}" for part, state in body.get("checks", {}).items() if not state["ok"]]
    return "; ".join(failed) or "it does not answer"


def prepare_database() -> None:
    """Migrated, with somebody who can log in and an agent for tasks that name none. Raises StartFailed."""
    try:
        checks.reach_database()
        call_command("migrate", verbosity=0, interactive=False)
        users.ensure_admin()
        agents.ensure_default()
        presets.ensure_built_in()
    except (DatabaseError, OSError) as error:
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise StartFailed("database", first_line, "Check DATABASE_URL, and that the server runs.") from error


def has_display() -> bool:
    """Whether a browser opened here would be seen by whoever started Drover."""
    if not sys.stdout.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or any(name in os.environ for name in ("DISPLAY", "WAYLAND_DISPLAY"))
