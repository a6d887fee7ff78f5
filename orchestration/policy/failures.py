"""What a failed attempt's error means: whether another try can help, and where, and whether its node is to blame."""

from enum import StrEnum
from http import HTTPStatus

from orchestration.errors import DroverError, InternalError, InvalidAnswer, OllamaError, Refused, TimedOut, Unreachable


class Remedy(StrEnum):
    """What can help against an error. The words are for programs."""

    NONE = "none"  # every node would answer the same
    ANYWHERE = "anywhere"  # it was not the node
    RATHER_ELSEWHERE = "rather_elsewhere"  # it may pass here too
    ONLY_ELSEWHERE = "only_elsewhere"  # this node will say it again


CHOICES = (
    "unreachable",
    "refused",
    "stream_failed",
    "stream_truncated",
    "stream_stalled",
    "malformed_answer",
    "timeout",
    "internal_error",
)
"""The codes that agents and models may name as worth another try."""

_OF_THIS_NODE = frozenset(
    {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.NOT_IMPLEMENTED}
)
"""A gateway's key, its rules, a model it has not, a version that cannot do it: other nodes may differ."""

_OF_THE_REQUEST = ("image input is not supported", "must be of type", "exceeds the available context size")
"""Servers say these with 5xx, and would say them again."""


def remedy(error: DroverError) -> Remedy:
    match error:
        case Refused():
            return _of_refusal(error)
        case OllamaError() | TimedOut():
            return Remedy.RATHER_ELSEWHERE
        case InternalError():
            return Remedy.ANYWHERE
        case _:
            return Remedy.NONE


def _of_refusal(error: Refused) -> Remedy:
    if error.status in _OF_THIS_NODE:
        return Remedy.ONLY_ELSEWHERE
    if not error.retryable or _is_the_requests_fault(error):
        return Remedy.NONE
    return Remedy.RATHER_ELSEWHERE


def _is_the_requests_fault(error: Refused) -> bool:
    return any(words in error.message for words in _OF_THE_REQUEST)


_OF_THE_MODEL = ("does not support", "image input is not supported")
"""What a server says of a request that another model takes."""


def another_model_may(error: DroverError) -> bool:
    """Whether the same request may do well with another model, when its tries with this one are used up."""
    if isinstance(error, Refused):
        if any(words in error.message for words in _OF_THE_MODEL):
            return True
        return (error.retryable or error.status in _OF_THIS_NODE) and not _is_the_requests_fault(error)
    return isinstance(error, OllamaError | TimedOut | InvalidAnswer)


def usually_tried_again(error: DroverError) -> bool:
    """Where nobody chose the codes."""
    return error.retryable or remedy(error) is Remedy.ONLY_ELSEWHERE


def blames_node(error: DroverError) -> bool:
    """Whether it counts against the node's circuit: connection, crash, silence, garbage and 5xx do."""
    match error:
        case Refused():
            own = error.status >= HTTPStatus.INTERNAL_SERVER_ERROR and error.status not in _OF_THIS_NODE
            return own and not _is_the_requests_fault(error)
        case Unreachable():
            return error.detail.get("cause") not in ("address_not_allowed", "sealed")  # settings of ours
        case _:
            return isinstance(error, OllamaError)
