"""Texts to vectors: what is known from before needs no call, the rest goes to the node a part at a time."""

from collections.abc import Mapping, Sequence

from django.conf import settings

from orchestration.engine.talks import Talk
from orchestration.engine.writer import Writer
from orchestration.errors import MalformedAnswer
from orchestration.ollama import wire
from orchestration.policy.context import needed_tokens
from orchestration.policy.vectors import problem_of
from orchestration.services import vectors
from orchestration.services.attempts import AttemptResult

TEXTS_AT_ONCE = 64


async def embedded(talk: Talk, writer: Writer) -> AttemptResult:
    """The task of type embed."""
    work = talk.work
    talk.sent = {"model": work.model, "options": work.options, "keep_alive": work.keep_alive, "inputs": work.inputs}
    found = await vectors_of(talk, writer, work.inputs)
    return AttemptResult(
        vectors=found,
        metrics=talk.metrics or wire.parse_metrics({}),
        request=talk.request,
        origins=talk.origins,
        message=_words(talk.from_cache, len(work.inputs)),
        asked=talk.calls > 0,
    )


def _words(from_cache: int, count: int) -> str:
    return f"{from_cache:,} of {count:,} texts were known from before" if from_cache else ""


async def vectors_of(talk: Talk, writer: Writer, texts: Sequence[str]) -> list[list[float]]:
    """One for each text, in their order."""
    keys = _keys(talk, texts)
    known = await writer.add(vectors.known_many, list(keys.values())) if keys else {}
    found = {text: known[key] for text, key in keys.items() if key in known}
    talk.from_cache += sum(1 for text in texts if text in found)
    missing = [text for text in dict.fromkeys(texts) if text not in found]
    fresh = await _asked(talk, missing)
    found |= fresh
    if len({len(vector) for vector in found.values()}) > 1:
        raise MalformedAnswer("The node answered with vectors that are not all of the same length")
    if fresh and keys:
        await writer.add(vectors.remember_many, _by_key(fresh, keys))
    return [found[text] for text in texts]


def _keys(talk: Talk, texts: Sequence[str]) -> dict[str, str]:
    """Of the texts that the cache may know. What may have been cut off at the context's end has a vector of its own."""
    digest, room = talk.work.digest, talk.work.num_ctx
    if not digest or not settings.DROVER_EMBED_CACHE_TTL:
        return {}
    return {text: vectors.key_of(digest, text) for text in texts if needed_tokens([text]) <= room}


def _by_key(fresh: Mapping[str, list[float]], keys: Mapping[str, str]) -> dict[str, list[float]]:
    return {keys[text]: vector for text, vector in fresh.items() if text in keys}


async def _asked(talk: Talk, texts: Sequence[str]) -> dict[str, list[float]]:
    work, found = talk.work, dict[str, list[float]]()
    for start in range(0, len(texts), TEXTS_AT_ONCE):
        part = list(texts[start : start + TEXTS_AT_ONCE])
        talk.calls += 1
        answer = await talk.client.embed(
            model=work.model, inputs=part, options=work.options, keep_alive=work.keep_alive
        )
        talk.took(answer.metrics)
        if problem := problem_of(answer.vectors, len(part)):
            raise MalformedAnswer(f"The node answered with vectors {problem}")
        found.update(zip(part, answer.vectors, strict=True))
        if len(texts) > TEXTS_AT_ONCE:
            talk.feed.tell(100 * len(found) / len(texts), f"{len(found):,} of {len(texts):,} texts")
    return found
