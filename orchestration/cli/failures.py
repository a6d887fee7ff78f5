"""How a command ends badly: what it says, what may help, and its exit status."""

from collections.abc import Mapping
from typing import Any

OK = 0
WORK_FAILED = 1
MISUSED = 2
NO_ACCESS = 3
REFUSED = 4
INTERRUPTED = 130


class Failure(Exception):
    """Shown as one line and, where there is something to do about it, a second one."""

    exit_code = WORK_FAILED

    def __init__(self, message: str, hint: str = "", *, payload: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.payload = payload

    @property
    def _error(self) -> Mapping[str, Any]:
        error = (self.payload or {}).get("error")
        return error if isinstance(error, Mapping) else {}

    @property
    def code(self) -> str:
        """The server's word for it."""
        return str(self._error.get("code", ""))

    @property
    def detail(self) -> Mapping[str, Any]:
        detail = self._error.get("detail")
        return detail if isinstance(detail, Mapping) else {}


class WorkFailed(Failure):
    """A task or run ended as failed or cancelled."""


class Misused(Failure):
    """What was typed, or a file that was named, cannot be used."""

    exit_code = MISUSED


class NoAccess(Failure):
    """There is no Drover at that address, or it does not let this key in."""

    exit_code = NO_ACCESS


class Unreachable(NoAccess):
    """No answer: the same request may succeed a moment later."""


class Refused(Failure):
    """Drover understood and said no."""

    exit_code = REFUSED
