"""Errors on the wire, translated once: ``{"error": {"code", "message", "detail"}}`` with the right status."""

import json
import logging
import math
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation
from django.db import OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.http.request import UnreadablePostError
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError
from typing_extensions import TypedDict

from orchestration.errors import DroverError, InvalidInput, NotAuthenticated, PayloadTooLarge, TooManyWaiting

log = logging.getLogger(__name__)

SHOWN_PROBLEMS = 3


class ErrorBody(TypedDict):
    code: str
    message: str
    detail: dict[str, Any]


class ErrorAnswer(TypedDict):
    """``code`` is for programs and stays, ``message`` is for people and says what to do."""

    error: ErrorBody


def errors(*statuses: int) -> dict[int, type[ErrorAnswer]]:
    """The error answers of a call, for its schema. 400, 401 and 500 belong to every call."""
    return dict.fromkeys(sorted({400, 401, 500, *statuses}), ErrorAnswer)


def problem(status: int, code: str, message: str, detail: dict[str, Any] | None = None) -> JsonResponse:
    answer = ErrorAnswer(error=ErrorBody(code=code, message=message, detail=detail or {}))
    return JsonResponse(answer, status=status, json_dumps_params={"default": str})


def of_drover(request: HttpRequest, error: DroverError) -> JsonResponse:
    response = problem(error.http_status, error.code, error.message, error.detail)
    if isinstance(error, TooManyWaiting):
        response["Retry-After"] = str(max(1, math.ceil(error.retry_after.total_seconds())))
    if isinstance(error, NotAuthenticated):
        response["WWW-Authenticate"] = "Bearer"
    return response


def of_validation(request: HttpRequest, error: ValidationError) -> JsonResponse:
    """Every problem with its path; the first few make the message."""
    problems = [{"path": path_in_words(item["loc"]), "message": in_words(item)} for item in error.errors]
    shown = "; ".join(f"{item['path']}: {item['message']}" for item in problems[:SHOWN_PROBLEMS])
    more = len(problems) - SHOWN_PROBLEMS
    return of_drover(request, InvalidInput(shown + (f"; and {more} more" if more > 0 else ""), problems=problems))


def path_in_words(loc: Sequence[str | int]) -> str:
    """``tasks[0].priority`` for a place in the body, ``limit`` for a parameter."""
    source, *place = loc
    place = place[1:] if source == "body" else place
    words = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return words.removeprefix(".") or "the body"


_WORDS = {
    "missing": "is missing",
    "model_type": "must be an object",
    "dict_type": "must be an object",
    "list_type": "must be a list",
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
}


def in_words(item: dict[str, Any]) -> str:
    known = _WORDS.get(item["type"])
    return known or str(item["msg"]).replace("Input should", "must").replace("Value should", "must")


def of_http(request: HttpRequest, error: HttpError) -> JsonResponse:
    """What ninja raises itself. A body that could not be read carries its reason as the cause."""
    if isinstance(error, AuthenticationError):
        return of_drover(request, NotAuthenticated("Send an API key as 'Authorization: Bearer KEY', or log in."))
    if error.__cause__ is not None:
        return of_drover(request, unreadable(error.__cause__))
    return problem(error.status_code, "http_error", error.message)


def unreadable(cause: BaseException) -> DroverError:
    if isinstance(cause, DroverError):
        return cause
    if isinstance(cause, json.JSONDecodeError):
        place = f"line {cause.lineno}, column {cause.colno}"
        return InvalidInput(
            f"The body is not valid JSON: {cause.msg} at {place}.", line=cause.lineno, column=cause.colno
        )
    if isinstance(cause, UnicodeDecodeError):
        return InvalidInput(f"The body is not UTF-8 at byte {cause.start}.", byte=cause.start)
    if isinstance(cause, RecursionError):
        return InvalidInput("The body is nested too deeply.")
    return InvalidInput(f"The body is not valid JSON: {cause}.")


def of_size(request: HttpRequest, error: RequestDataTooBig) -> JsonResponse:
    limit = settings.DROVER_MAX_BODY_BYTES
    words = f"The body is larger than the {limit:,} bytes that are allowed. Send the tasks in several requests."
    return of_drover(request, PayloadTooLarge(words, limit_bytes=limit))


def of_suspicion(request: HttpRequest, error: SuspiciousOperation) -> JsonResponse:
    return of_drover(request, InvalidInput(str(error) or "This request is not one that Drover understands."))


def of_broken_form(request: HttpRequest, error: MultiPartParserError) -> JsonResponse:
    return of_drover(request, InvalidInput(f"The form cannot be read: {error}."))


def of_cut_body(request: HttpRequest, error: UnreadablePostError) -> JsonResponse:
    return of_drover(request, InvalidInput("The body ended before it was complete."))


def of_absence(request: HttpRequest, error: Http404) -> JsonResponse:
    return problem(404, "not_found", f"There is no {request.path}.")


def of_database(request: HttpRequest, error: OperationalError) -> JsonResponse:
    log.exception("the database refused %s %s", request.method, request.path)
    response = problem(503, "database_unavailable", "The database is away or too busy. Try again shortly.")
    response["Retry-After"] = "2"
    return response


def of_surprise(request: HttpRequest, error: Exception) -> JsonResponse:
    """A fault of ours: the caller gets a number to quote, the log has the rest beside it."""
    number = secrets.token_hex(4)
    log.error("error %s in %s %s", number, request.method, request.path, exc_info=error)
    words = f"Drover failed here. The log has more under {number}."
    return problem(500, "internal_error", words, {"error_id": number})


def install(api: NinjaAPI) -> None:
    """Hands every exception class that can reach the door to its translation."""
    for kind, translation in _TRANSLATIONS.items():
        api.add_exception_handler(kind, translation)


_TRANSLATIONS: dict[type[Exception], Callable[[HttpRequest, Any], JsonResponse]] = {
    DroverError: of_drover,
    ValidationError: of_validation,
    HttpError: of_http,
    AuthenticationError: of_http,
    RequestDataTooBig: of_size,
    SuspiciousOperation: of_suspicion,
    MultiPartParserError: of_broken_form,
    UnreadablePostError: of_cut_body,
    Http404: of_absence,
    OperationalError: of_database,
    Exception: of_surprise,
}
