"""Texts to vectors: only what is not known goes to the node, and what comes back is looked at."""

import pytest

from orchestration.engine import embeddings
from orchestration.models import CachedVector, NodeModel
from orchestration.ollama import wire
from orchestration.policy.states import AttemptStatus, TaskStatus
from tests.engine.conftest import VECTORS, granted

pytestmark = pytest.mark.usefixtures("redis_server")


@pytest.fixture
def embed(grant, run, gpu):
    """Runs an embed task; gives it with the attempt and the texts that the node was asked for."""
    NodeModel.objects.update(digest="d1")

    def run_task(*texts, **fields):
        attempt = granted(grant, type="embed", model=VECTORS, input=list(texts), options={}, **fields)
        return run(attempt), attempt

    return run_task


def requests_made(gpu):
    return gpu.state()["counts"]["requests"].get("/api/embed", 0)


def test_what_was_asked_before_needs_no_call(embed, gpu):
    first, _ = embed("one", "two")
    again, attempt = embed("two", "one")
    assert requests_made(gpu) == 1
    assert again.status == TaskStatus.COMPLETED
    assert again.vectors[0] == pytest.approx(first.vectors[1], rel=1e-6)
    assert (again.prompt_tokens, again.output_tokens, again.load_seconds) == (0, 0, 0.0)
    assert again.message == "2 of 2 texts were known from before"
    assert (attempt.request["from_cache"], attempt.request["calls"]) == (2, 0)


def test_only_the_missing_ones_are_sent(embed, gpu):
    embed("one", "two")
    task, attempt = embed("two", "three", "three", "four")
    assert len(task.vectors) == 4
    assert task.vectors[1] == task.vectors[2]
    assert requests_made(gpu) == 2
    assert attempt.request["from_cache"] == 1
    assert task.message == "1 of 4 texts were known from before"
    assert task.prompt_tokens > 0


def test_many_texts_go_in_parts(embed, gpu, monkeypatch):
    monkeypatch.setattr(embeddings, "TEXTS_AT_ONCE", 2)
    task, attempt = embed("a", "b", "c", "d", "e")
    assert len(task.vectors) == 5
    assert requests_made(gpu) == attempt.request["calls"] == 3
    NodeModel.objects.update(digest="d2")
    monkeypatch.undo()
    assert embed("a", "b", "c", "d", "e")[0].prompt_tokens == task.prompt_tokens > 0


def test_another_digest_is_another_vector(embed, gpu):
    embed("one")
    NodeModel.objects.update(digest="d2")
    embed("one")
    assert requests_made(gpu) == 2


def test_without_a_digest_or_a_time_nothing_is_kept(embed, gpu, settings):
    NodeModel.objects.update(digest="")
    embed("one")
    NodeModel.objects.update(digest="d1")
    settings.DROVER_EMBED_CACHE_TTL = settings.DROVER_EMBED_CACHE_TTL * 0
    embed("one")
    embed("one")
    assert requests_made(gpu) == 3
    assert not CachedVector.objects.exists()


def test_a_text_that_may_be_cut_off_is_asked_each_time(embed, gpu):
    text = "word " * 5000
    embed(text, "short")
    embed(text, "short")
    assert requests_made(gpu) == 2
    assert CachedVector.objects.count() == 1


def test_a_cached_answer_says_nothing_about_what_is_loaded(embed):
    embed("one")
    NodeModel.objects.update(loaded=False)
    embed("one")
    assert not NodeModel.objects.filter(loaded=True).exists()


@pytest.mark.parametrize(
    ("vectors", "words"),
    [([[1.0]], "1 for 2 texts"), ([[1.0], [None]], "no finite number"), ([[1.0], [1.0, 2.0]], "same length")],
)
def test_vectors_that_cannot_be_are_the_nodes_fault(embed, monkeypatch, vectors, words):
    async def answer(self, **sent):
        return wire.EmbedResult(vectors=vectors, metrics=wire.parse_metrics({}))

    monkeypatch.setattr("orchestration.ollama.client.OllamaClient.embed", answer)
    _, attempt = embed("one", "two")
    assert (attempt.status, attempt.error_code) == (AttemptStatus.FAILED, "malformed_answer")
    assert words in attempt.error
    assert not CachedVector.objects.exists()
