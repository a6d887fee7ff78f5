"""What can help against each kind of failure, and what counts against a node."""

import pytest

from orchestration.errors import (
    DroverError,
    InternalError,
    MalformedAnswer,
    OllamaError,
    Refused,
    StreamFailed,
    StreamStalled,
    StreamTruncated,
    TimedOut,
    Unprocessable,
    Unreachable,
)
from orchestration.policy.failures import CHOICES, Remedy, blames_node, remedy, usually_tried_again


def _refused(status: int, words: str = "no") -> Refused:
    return Refused(words, status=status)


OOM = "llama-server reported out-of-memory during startup: cudaMalloc failed"
CRASH = "model runner has unexpectedly stopped, this may be due to resource limitations"

MEANINGS = [
    (Unreachable("connection refused"), Remedy.RATHER_ELSEWHERE, True),
    (StreamTruncated("lost", cause="lost"), Remedy.RATHER_ELSEWHERE, True),
    (StreamStalled("nothing for 120 s"), Remedy.RATHER_ELSEWHERE, True),
    (StreamFailed(CRASH), Remedy.RATHER_ELSEWHERE, True),
    (MalformedAnswer("a web page"), Remedy.RATHER_ELSEWHERE, True),
    (_refused(503, "server busy, please try again. maximum pending requests exceeded"), Remedy.RATHER_ELSEWHERE, True),
    (_refused(500, OOM), Remedy.RATHER_ELSEWHERE, True),
    (_refused(500, "llama-server process has terminated: exit status 1"), Remedy.RATHER_ELSEWHERE, True),
    (_refused(429), Remedy.RATHER_ELSEWHERE, False),
    (_refused(499, "request canceled"), Remedy.RATHER_ELSEWHERE, False),
    (_refused(404, "model 'llama3.2' not found"), Remedy.ONLY_ELSEWHERE, False),
    (_refused(401), Remedy.ONLY_ELSEWHERE, False),
    (_refused(403), Remedy.ONLY_ELSEWHERE, False),
    (_refused(501, "this model does not support embeddings"), Remedy.ONLY_ELSEWHERE, False),
    (_refused(400, "invalid option"), Remedy.NONE, False),
    (_refused(500, "image input is not supported - hint: if this is unexpected"), Remedy.NONE, False),
    (_refused(500, 'option "stop" must be of type array'), Remedy.NONE, False),
    (TimedOut("longer than 5 s"), Remedy.RATHER_ELSEWHERE, False),
    (InternalError("a fault inside Drover"), Remedy.ANYWHERE, False),
    (Unreachable("not allowed", cause="address_not_allowed"), Remedy.RATHER_ELSEWHERE, False),
    (Unprocessable("it cannot"), Remedy.NONE, False),
    (DroverError("a bug"), Remedy.NONE, False),
]


@pytest.mark.parametrize(("error", "helps", "blamed"), MEANINGS, ids=lambda item: getattr(item, "message", None))
def test_each_failure_has_its_remedy_and_its_culprit(error: DroverError, helps: Remedy, blamed: bool) -> None:
    assert (remedy(error), blames_node(error)) == (helps, blamed)


def test_what_every_node_would_repeat_is_not_tried_again_by_itself() -> None:
    assert not any(
        usually_tried_again(error) for error, helps, _ in MEANINGS if helps is Remedy.NONE and error.code != "refused"
    )
    assert not usually_tried_again(TimedOut("too long"))
    assert usually_tried_again(_refused(404))


def test_only_codes_that_another_try_can_help_with_may_be_chosen() -> None:
    kinds = {kind.code for kind in OllamaError.__subclasses__()}
    assert set(CHOICES) == kinds | {TimedOut.code, InternalError.code}
