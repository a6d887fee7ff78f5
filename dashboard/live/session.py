"""One socket: its subscriptions, what it may send when, and what it is told. Knows nothing of websockets."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, ClassVar

from dashboard.live.batch_topic import Batches, run_topic
from dashboard.live.conversation_topic import ConversationTopic
from dashboard.live.flow import Message, Outbox, Window
from dashboard.live.hub import Event, Hub
from dashboard.live.models_topic import Models
from dashboard.live.task_topic import TaskTopic
from dashboard.live.topics import Load, Nodes, Notices, Overview, Parts, Port, Tasks, Topic
from orchestration.errors import DroverError, InvalidInput, NotFound
from orchestration.permissions import Action, Actor, require

log = logging.getLogger(__name__)

MESSAGE_CHARACTERS = 16_384
SUBSCRIPTIONS = 32
NAME_CHARACTERS = 80
BUFFERED_EVENTS = 5000
BEAT_SECONDS = 2.0
WATCH_SECONDS = 1.0
BLOCKED_SECONDS = 30.0
TOO_SLOW = 4409
BROKEN = 4500

TOPICS: dict[str, Callable[[Port, str, str], Topic]] = {
    "load": Load,
    "overview": Overview,
    "tasks": Tasks,
    "task": TaskTopic,
    "run": run_topic,
    "conversation": ConversationTopic,
    "batches": Batches,
    "nodes": Nodes,
    "models": Models,
    "notices": Notices,
}
WITH_ID = frozenset({"task", "run", "conversation"})


def open_topic(port: Port, name: str, query: str) -> Topic:
    """``task:7``, ``tasks``; what follows a # only tells two subscriptions of one page apart."""
    base, _, argument = name.partition("#")[0].partition(":")
    if base not in TOPICS or (base in WITH_ID) != bool(argument):
        raise NotFound(f"There is no topic {name[:NAME_CHARACTERS]!r}.")
    return TOPICS[base](port, argument, query)


class Subscription:
    """A topic between its events and the outbox: nothing is lost or told twice around a snapshot."""

    def __init__(self, session: "Session", name: str, query: str) -> None:
        self.name = name
        self._session = session
        self._tasks: set[asyncio.Task[None]] = set()
        self.starting: asyncio.Task[None] | None = None
        self._early: list[Event] | None = []
        self._topic = open_topic(self, name, query)

    @property
    def hub(self) -> Hub:
        return self._session.hub

    @property
    def actor(self) -> Actor:
        return self._session.actor

    def add(self, seq: str | None, parts: Parts) -> None:
        if not self._session.add(self.name, seq, parts):
            self.snap_again()

    def snap_again(self) -> None:
        self.start(None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"live {self.name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or not (error := task.exception()):
            return
        if isinstance(error, DroverError):
            self._session.error(self.name, error)
        else:
            log.error("topic %s broke", self.name, exc_info=error)
            self._session.give_up(BROKEN)

    def start(self, since: str | None) -> None:
        """Begins to keep events before the database is read, so that none falls between the two."""
        if self.starting:
            self.starting.cancel()
        self._early = []
        self.starting = asyncio.get_running_loop().create_task(self._start(since, self.hub.seq))
        self._tasks.add(self.starting)
        self.starting.add_done_callback(self._done)

    async def _start(self, since: str | None, seq: str) -> None:
        if since is None or not await self._go_on(since):
            data = await self._topic.snapshot()
            self._session.outbox.snap(self.name, seq, data)
        self._session.news.set()
        early, self._early = self._early or [], None
        for event in early:
            self._topic.on_event(event)

    async def _go_on(self, since: str) -> bool:
        """Only what the reader lacks, if that can still be told."""
        missed = await self.hub.since(since)
        parts = None if missed is None else await self._topic.replay(missed)
        if missed is None or parts is None:
            return False
        self._session.outbox.go_on(self.name, since, missed[-1].seq if missed else since)
        self.add(None, parts)
        return True

    def on_event(self, event: Event) -> None:
        if self._early is None:
            self._topic.on_event(event)
        elif len(self._early) < BUFFERED_EVENTS:
            self._early.append(event)
        else:
            self.snap_again()

    async def close(self) -> None:
        self._topic.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._topic.close()


class Session:
    """``send`` takes a frame as text, ``close`` a websocket close code."""

    def __init__(
        self,
        hub: Hub,
        actor: Actor,
        send: Callable[[str], Awaitable[None]],
        close: Callable[[int], Awaitable[None]],
    ) -> None:
        self.hub = hub
        self.actor = actor
        self.outbox = Outbox()
        self.news = asyncio.Event()
        self._send = send
        self._close = close
        self._window = Window()
        self._subscriptions: dict[str, Subscription] = {}
        self._paused = False
        self._blocked_since: float | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self, hello: Message) -> None:
        await self.hub.join(self)
        await self._transmit({"type": "hello", **hello})
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._pump()), loop.create_task(self._watch())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for name in list(self._subscriptions):
            await self._drop(name)
        await self.hub.leave(self)

    def give_up(self, code: int) -> None:
        """Lets the reader go; it comes back by itself."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._end(code)))

    async def _end(self, code: int) -> None:
        await self._close(code)

    def add(self, topic: str, seq: str | None, parts: Parts) -> bool:
        if self._paused:
            return True
        self.news.set()
        return self.outbox.add(topic, seq, parts)

    def error(self, topic: str | None, error: DroverError) -> None:
        self.outbox.error(topic, error.code, error.message)
        self.news.set()

    def on_event(self, event: Event) -> None:
        if not self._paused:
            for subscription in list(self._subscriptions.values()):
                subscription.on_event(event)

    def on_reset(self) -> None:
        if not self._paused:
            self._snap_all()

    def _snap_all(self) -> None:
        for subscription in self._subscriptions.values():
            subscription.snap_again()

    async def receive(self, text: str) -> None:
        topic: Any = None
        try:
            message = _parsed(text)
            topic = message.get("topic") if isinstance(message.get("topic"), str) else None
            await self._HANDLERS[str(message["type"])](self, message)
        except DroverError as error:
            self.error(topic and topic[:NAME_CHARACTERS], error)

    async def _on_sub(self, message: Message) -> None:
        require(self.actor, Action.VIEW)
        name, query, since = message.get("topic"), message.get("filter") or "", message.get("since")
        if not isinstance(name, str) or not isinstance(query, str) or len(name) > NAME_CHARACTERS:
            raise InvalidInput("sub needs a topic and may have a filter, both text.")
        if name not in self._subscriptions and len(self._subscriptions) >= SUBSCRIPTIONS:
            raise InvalidInput(f"One socket holds at most {SUBSCRIPTIONS} subscriptions.")
        subscription = Subscription(self, name, query)
        await self._drop(name)
        self._subscriptions[name] = subscription
        if not self._paused:
            subscription.start(since if isinstance(since, str) else None)

    async def settled(self) -> None:
        """Waits until every subscription has its snapshot or its error."""
        starting = [subscription.starting for subscription in self._subscriptions.values() if subscription.starting]
        if starting:
            await asyncio.wait(starting)

    async def _on_unsub(self, message: Message) -> None:
        await self._drop(str(message.get("topic")))

    async def _drop(self, name: str) -> None:
        self.outbox.drop(name)
        if subscription := self._subscriptions.pop(name, None):
            await subscription.close()

    async def _on_ack(self, message: Message) -> None:
        count = message.get("n")
        if not isinstance(count, int) or isinstance(count, bool):
            raise InvalidInput("ack needs n, the number of frames received so far.")
        self._window.ack(count)
        self.news.set()

    async def _on_pause(self, message: Message) -> None:
        self._paused = True
        self.outbox.clear()

    async def _on_resume(self, message: Message) -> None:
        if self._paused:
            self._paused = False
            self._snap_all()
            self.news.set()

    _HANDLERS: ClassVar[dict[str, Callable[["Session", Message], Awaitable[None]]]] = {
        "sub": _on_sub,
        "unsub": _on_unsub,
        "ack": _on_ack,
        "pause": _on_pause,
        "resume": _on_resume,
    }

    async def _pump(self) -> None:
        """Sends what may leave as soon as it may, and now and then a beat to show that all is well."""
        loop = asyncio.get_running_loop()
        while True:
            self.news.clear()
            due = None if self._window.is_full else self.outbox.due_in(loop.time())
            if due == 0.0:
                for message in self.outbox.take(loop.time()):
                    await self._transmit(message)
                continue
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_SECONDS if due is None else due):
                    await self.news.wait()
                continue
            if due is None and self.hub.connected and not self._paused and not self._window.is_full:
                await self._transmit({"type": "beat"})

    async def _transmit(self, message: Message) -> None:
        text = json.dumps(message, separators=(",", ":"))
        now = asyncio.get_running_loop().time()
        self._window.sent(now, len(text), is_snap=message["type"] == "snap")
        self._blocked_since = now
        await self._send(text)
        self._blocked_since = None

    async def _watch(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            now = loop.time()
            blocked = self._blocked_since is not None and now - self._blocked_since > BLOCKED_SECONDS
            if blocked or self._window.is_lost(now, self.outbox.size):
                log.info("%s does not read, socket closed", self.actor.name)
                await self._close(TOO_SLOW)
                return


async def snapshots(hub: Hub, actor: Actor, wanted: Iterable[tuple[str, str]]) -> list[Message]:
    """The snapshots, or errors, that a socket would begin with, for those who cannot have one."""

    async def nowhere(_: object) -> None:
        return None

    session = Session(hub, actor, nowhere, nowhere)
    await hub.join(session)
    try:
        for topic, query in wanted:
            await session.receive(json.dumps({"type": "sub", "topic": topic, "filter": query}))
        await session.settled()
        return session.outbox.take(asyncio.get_running_loop().time())
    finally:
        await session.close()


def _parsed(text: str) -> Message:
    if len(text) > MESSAGE_CHARACTERS:
        raise InvalidInput(f"A message has at most {MESSAGE_CHARACTERS} characters.")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict) or str(message.get("type")) not in Session._HANDLERS:
        raise InvalidInput(f"A message is a JSON object whose type is one of {', '.join(Session._HANDLERS)}.")
    return message
