"""Pulls line by line: what watchers and the database learn of them, and in what words they end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from orchestration.engine.clients import new_client
from orchestration.engine.downloads import pulled
from orchestration.engine.feeds import Feed
from orchestration.engine.talks import Talk
from orchestration.engine.writer import Writer
from orchestration.errors import NotPublished, OllamaError, StreamFailed, Unprocessable
from orchestration.models import Attempt, Node, Pull, Task
from orchestration.permissions import Actor
from orchestration.policy.decision import Grant
from orchestration.policy.states import ErrandType
from orchestration.services import errands, grants
from orchestration.services.work import work_of
from tests.ollama.rawserver import Peer, Play, RawServer

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("redis_server")]

MODEL = "nobody-knows:1b"
ONE, TWO = "sha256:aaaaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbbbb"
GB = 1_000_000_000
Line = dict[str, Any]
MANIFEST: Line = {"status": "pulling manifest"}
SUCCESS: Line = {"status": "success"}


class WatchedFeed(Feed):
    """Remembers what it was told."""

    __slots__ = ("began", "heard")

    def __init__(self) -> None:
        super().__init__({}, attempt_id=1, task_id=1, key=("", ""), limit=0)
        self.heard: list[tuple[float, str]] = []
        self.began = asyncio.Event()

    def tell(self, percent: float, message: str) -> None:
        self.heard.append((percent, message))
        self.began.set()
        super().tell(percent, message)


class OnePull:
    """A task with its attempt, and a server that plays what a test wants."""

    def __init__(self, actor: Actor, node: Node, model: str) -> None:
        run = errands.submit(actor=actor, type=ErrandType.PULL, models=[model], node_ids=[node.pk])
        self.task, self.feed = Task.objects.get(run=run), WatchedFeed()
        self.model = self.task.model_name
        self.server: RawServer
        self.begin(node)

    def begin(self, node: Node) -> None:
        """The next attempt."""
        Task.objects.filter(pk=self.task.pk).update(status="pending", token="")
        Attempt.objects.update(ended_at=timezone.now())
        given = Grant(task_id=self.task.pk, node_id=node.pk, model=self.model, num_ctx=0, slot=0, reason="test")
        (job,) = grants.assign(grants=[given], now=timezone.now())
        self.task.refresh_from_db()
        self.work = work_of(Attempt.objects.get(pk=job.attempt_id), self.task, node)

    def run(self, play: Play, during: Callable[["asyncio.Task[str]"], Any] | None = None) -> str:
        return asyncio.run(self._run(play, during))

    def say(self, *lines: Line) -> str:
        """What comes of a server that says just this."""

        async def play(peer: Peer) -> None:
            await peer.begin()
            for line in lines:
                await peer.object(**line)
            await peer.end()

        return self.run(play)

    async def _run(self, play: Play, during: Callable[["asyncio.Task[str]"], Any] | None) -> str:
        talk, writer = Talk(self.work, self.feed), Writer()
        writer.start()
        try:
            async with RawServer(play) as self.server, new_client(self.server.url, verify_tls=True) as talk.client:
                going = asyncio.create_task(pulled(talk, writer))
                if during:
                    await during(going)
                return await going
        finally:
            await asyncio.to_thread(writer.close, 30)

    @property
    def row(self) -> Pull:
        return Pull.objects.get(task=self.task)


@pytest.fixture
def pull(as_alice: Actor, node: Node) -> OnePull:
    return OnePull(as_alice, node, MODEL)


def layer(digest: str, total: int, completed: int | None) -> Line:
    line = {"status": f"pulling {digest[7:19]}", "digest": digest, "total": total}
    return line if completed is None else {**line, "completed": completed}


def test_a_pull_is_told_to_watchers_and_written_down_layer_by_layer(pull: OnePull) -> None:
    words = pull.say(MANIFEST, layer(ONE, 3 * GB, None), layer(ONE, 3 * GB, 3 * GB), layer(TWO, GB, GB), SUCCESS)
    assert words.startswith("4.0 GB in ")
    assert (pull.row.done_bytes, pull.row.total_bytes, pull.row.stage) == (4 * GB, 4 * GB, "success")
    assert pull.row.layers == [
        {"digest": ONE, "total": 3 * GB, "done": 3 * GB},
        {"digest": TWO, "total": GB, "done": GB},
    ]
    percents = [percent for percent, _ in pull.feed.heard]
    assert percents == sorted(percents)
    assert pull.feed.heard[0] == (0, "pulling manifest")


def test_layers_a_server_says_no_more_of_are_complete_with_its_success(pull: OnePull) -> None:
    pull.say(layer(ONE, 3 * GB, GB), SUCCESS)
    assert (pull.row.done_bytes, pull.row.total_bytes) == (3 * GB, 3 * GB)


def test_a_server_that_tells_no_sizes_has_pulled_all_the_same(pull: OnePull) -> None:
    assert pull.say(MANIFEST, SUCCESS) == "Pulled"
    assert (pull.row.done_bytes, pull.row.total_bytes) == (0, None)


def test_what_broke_off_is_written_down_and_the_next_try_says_what_it_added(pull: OnePull, node: Node) -> None:
    with pytest.raises(StreamFailed, match="unexpected EOF"):
        pull.say(layer(ONE, 4 * GB, None), layer(ONE, 4 * GB, GB), {"error": "max retries exceeded: unexpected EOF"})
    assert pull.row.done_bytes == GB
    pull.begin(node)
    assert pull.say(layer(ONE, 4 * GB, 4 * GB), SUCCESS) == "4.0 GB are there, 3.0 GB of them since the last try"


def test_an_answer_that_ends_before_its_success_is_no_success(pull: OnePull) -> None:
    with pytest.raises(OllamaError):
        pull.say(layer(ONE, GB, GB))
    assert pull.row.done_bytes == GB


def test_a_model_that_no_library_has_is_the_end_with_names_that_are_like_it(as_alice: Actor, node: Node) -> None:
    pull = OnePull(as_alice, node, "lama3.2")
    with pytest.raises(NotPublished) as caught:
        pull.say(MANIFEST, {"error": "pull model manifest: file does not exist"})
    assert caught.value.message.startswith("The library has no model lama3.2:latest. Did you mean llama3.2:latest")
    assert caught.value.detail["near"][0] == "llama3.2:latest"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ('pull model manifest: 401: {"errors":[]}', Unprocessable),
        ("pull model manifest: 403", Unprocessable),
        ("pull model manifest: 408", StreamFailed),
        ("pull model manifest: 429: slow down", StreamFailed),
        ("pull model manifest: 503", StreamFailed),
        ("pull model manifest: 4011", StreamFailed),
        ("digest mismatch, got sha256:401", StreamFailed),
    ],
)
def test_only_what_a_library_refuses_for_good_is_not_tried_again(pull: OnePull, said: str, kind: type) -> None:
    with pytest.raises((Unprocessable, OllamaError)) as caught:
        pull.say(MANIFEST, {"error": said})
    assert type(caught.value) is kind
    assert said in caught.value.message


def test_a_refusal_before_the_first_line_is_taken_in_the_same_words(pull: OnePull) -> None:
    async def play(peer: Peer) -> None:
        await peer.answer({"error": "pull model manifest: file does not exist"}, 500)

    with pytest.raises(NotPublished):
        pull.run(play)


@pytest.mark.parametrize(
    ("typed", "sent"), [("hf.co/Org/Some-Model:Q4", "hf.co/Org/Some-Model:Q4"), ("Nobody-Knows", "nobody-knows:latest")]
)
def test_the_server_is_asked_as_the_name_was_typed_where_that_matters(
    as_alice: Actor, node: Node, typed: str, sent: str
) -> None:
    pull = OnePull(as_alice, node, typed)
    pull.say(SUCCESS)
    assert pull.server.requests[0].json["model"] == sent


def test_a_pull_that_is_cancelled_hangs_up_and_keeps_what_has_come(pull: OnePull) -> None:
    hung_up = asyncio.Event()

    async def play(peer: Peer) -> None:
        await peer.begin()
        await peer.object(**layer(ONE, 4 * GB, 3 * GB))
        await peer.gone()
        hung_up.set()

    async def cancel(going: "asyncio.Task[str]") -> None:
        async with asyncio.timeout(60):
            await pull.feed.began.wait()
            going.cancel()
            await hung_up.wait()

    with pytest.raises(asyncio.CancelledError):
        pull.run(play, cancel)
    assert pull.row.done_bytes == 3 * GB


def test_a_try_that_has_lost_the_task_writes_nothing_over_the_next_one(pull: OnePull) -> None:
    Task.objects.filter(pk=pull.task.pk).update(token="another")
    pull.say(layer(ONE, GB, GB), SUCCESS)
    assert pull.row.done_bytes == 0
