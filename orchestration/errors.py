"""Every error Drover raises on purpose.

Doors translate these once: ``code`` and ``http_status`` go to the caller, ``retryable`` tells the runner
whether another attempt can help.

DroverError
├── InvalidInput                 400  what was sent cannot be understood
│   └── InvalidNodeAddress       400  a node URL that Drover may not call
├── Unprocessable                422  understood, but it cannot be done as asked
│   ├── ModelUnavailable         422  no node has any of the allowed models
│   ├── NotPublished             422  no library has a model of that name
│   ├── NoDiskRoom               422  a node's disk is too full for a model
│   ├── InvalidWorkflow          422  a definition of steps; has all its problems
│   └── InvalidConfig            422  a configuration to import; its detail has all its problems
├── NotAuthenticated             401
├── NotAllowed                   403
├── NotFound                     404
├── Conflict                     409  the object is in a state that does not allow this
│   └── ModelInUse               409  something depends on the model or is running it
├── PayloadTooLarge              413
├── TooManyWaiting               429  the bound on waiting tasks is reached; has retry_after
├── InternalError                500  a fault of Drover's own; the log has it
├── TimedOut                     504  an attempt took longer than its limit
├── ExtensionFailed              502  an installed extension is broken, failed or did not answer
├── InvalidAnswer                502  a model's answer is not the JSON that was asked for
└── OllamaError                  502  a call to a node did not end well
    ├── Unreachable                   no connection, or lost before the first object
    │   └── SecretsUnreadable         its stored headers cannot be opened, so it is not asked
    ├── Refused                       an HTTP error before the stream began; has status
    ├── StreamFailed                  an error line inside a stream
    ├── StreamTruncated               the stream ended without its last object
    ├── StreamStalled                 no object arrived within the time allowed
    └── MalformedAnswer               something that is not Ollama's protocol
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar


class DroverError(Exception):
    """Base of the tree. ``message`` is shown to people and says what to do; ``detail`` is JSON for programs."""

    code: ClassVar[str] = "error"
    http_status: ClassVar[int] = 500
    retryable: bool = False

    def __init__(self, message: str = "", **detail: Any) -> None:
        super().__init__(message or self.__class__.__name__)
        self.message = message or self.__class__.__name__
        self.detail = detail


class InvalidInput(DroverError):
    code = "invalid_input"
    http_status = 400


class InvalidNodeAddress(InvalidInput):
    code = "invalid_node_address"


class Unprocessable(DroverError):
    code = "unprocessable"
    http_status = 422


class ModelUnavailable(Unprocessable):
    code = "model_unavailable"


class NotPublished(Unprocessable):
    code = "model_not_published"


class NoDiskRoom(Unprocessable):
    code = "no_disk_room"


class InvalidWorkflow(Unprocessable):
    """``problems``: everything that is wrong with a definition of steps, each with its place."""

    def __init__(self, message: str = "", *, problems: Sequence[Any] = (), **detail: Any) -> None:
        super().__init__(message, **detail)
        self.problems = list(problems)


class InvalidConfig(Unprocessable):
    code = "invalid_config"


class NotAuthenticated(DroverError):
    code = "not_authenticated"
    http_status = 401


class NotAllowed(DroverError):
    code = "not_allowed"
    http_status = 403


class NotFound(DroverError):
    code = "not_found"
    http_status = 404


class Conflict(DroverError):
    code = "conflict"
    http_status = 409


class ModelInUse(Conflict):
    code = "model_in_use"


class PayloadTooLarge(DroverError):
    code = "payload_too_large"
    http_status = 413


class TooManyWaiting(DroverError):
    code = "too_many_waiting"
    http_status = 429

    def __init__(self, message: str, *, retry_after: timedelta, **detail: Any) -> None:
        super().__init__(message, **detail)
        self.retry_after = retry_after


class InternalError(DroverError):
    code = "internal_error"


class TimedOut(DroverError):
    code = "timeout"
    http_status = 504


class ExtensionFailed(DroverError):
    code = "extension_failed"
    http_status = 502


class InvalidAnswer(DroverError):
    code = "invalid_answer"
    http_status = 502


class OllamaError(DroverError):
    """A call to a node did not end well. ``retryable``: whether another attempt, perhaps elsewhere, can succeed."""

    code = "ollama_error"
    http_status = 502


class Unreachable(OllamaError):
    code = "unreachable"
    retryable = True


class SecretsUnreadable(Unreachable):
    """No key that is set opens the node's stored headers."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _SEALED, cause="sealed")


_SEALED = (
    "its stored headers cannot be opened with the keys that are set: put the key they were sealed with into "
    "DROVER_SECRETS_KEYS, or enter the headers again"
)


class Refused(OllamaError):
    """An HTTP error status before the first object.

    503 and other 5xx may pass elsewhere, and so does 499 (the server gave up on us); 400, 401, 403 and 404 will be
    repeated by every server with the same model.
    """

    code = "refused"

    def __init__(self, message: str, *, status: int, **detail: Any) -> None:
        super().__init__(message, status=status, **detail)
        self.status = status
        self.retryable = status >= 499 or status == 429


class StreamFailed(OllamaError):
    code = "stream_failed"
    retryable = True


class StreamTruncated(OllamaError):
    code = "stream_truncated"
    retryable = True


class StreamStalled(OllamaError):
    code = "stream_stalled"
    retryable = True


class MalformedAnswer(OllamaError):
    code = "malformed_answer"
    retryable = True
