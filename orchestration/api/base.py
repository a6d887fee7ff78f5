"""The API object: authentication, error translation, and answers in JSON for every path and method below it."""

import inspect
from collections.abc import Callable
from difflib import get_close_matches
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.urls import URLPattern, URLResolver, path, re_path
from ninja import NinjaAPI
from ninja.openapi.schema import REF_TEMPLATE, OpenAPISchema
from pydantic import TypeAdapter

from orchestration.api import problems
from orchestration.api.auth import ApiKeyAuth, SessionAuth
from orchestration.api.batches import BatchBody, BatchOptions
from orchestration.api.bodies import StrictParser
from orchestration.api.schemas import SubmitBody
from orchestration.api.stream import StreamLine
from orchestration.api.turns import TurnAgain, TurnEdited, TurnNew
from orchestration.api.workflow_bodies import DefinitionBody, RunSaved, WorkflowBody
from orchestration.queries.exports import ExportRow

View = Callable[..., Any]
_BY_HAND: dict[str, TypeAdapter[Any]] = {
    "SubmitBody": TypeAdapter(SubmitBody),
    "StreamLine": TypeAdapter(StreamLine),
    "BatchBody": TypeAdapter(BatchBody),
    "BatchOptions": TypeAdapter(BatchOptions),
    "ExportRow": TypeAdapter(ExportRow),
    "WorkflowBody": TypeAdapter(WorkflowBody),
    "DefinitionBody": TypeAdapter(DefinitionBody),
    "RunSaved": TypeAdapter(RunSaved),
    "TurnNew": TypeAdapter(TurnNew),
    "TurnAgain": TypeAdapter(TurnAgain),
    "TurnEdited": TypeAdapter(TurnEdited),
}
"""Shapes of what handlers read or write themselves; calls refer to them by these names."""

Routes = tuple[list[URLResolver | URLPattern], str, str]


class DroverAPI(NinjaAPI):
    """Ninja, with JSON where Ninja leaves the answer to Django, and routes that work with a trailing slash too."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            auth=[ApiKeyAuth(), SessionAuth()],
            parser=StrictParser(),
            openapi_url=None,
            docs_url=None,
            urls_namespace="orchestration-api",
            **options,
        )
        problems.install(self)

    def get_openapi_operation_id(self, operation: Any) -> str:
        return str(operation.view_func.__name__)

    def get_openapi_schema(
        self, *, path_prefix: str | None = None, path_params: dict[str, Any] | None = None
    ) -> OpenAPISchema:
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for name, shape in _BY_HAND.items():
            own = shape.json_schema(ref_template=REF_TEMPLATE)
            schema.add_schema_definitions(own.pop("$defs", {}))
            schema.add_schema_definitions({name: own})
        return schema

    @property
    def urls(self) -> Routes:
        patterns, app_name, namespace = super().urls
        routes: list[URLResolver | URLPattern] = []
        names: list[str] = []
        for pattern in sorted(patterns, key=_takes_the_rest):
            if not isinstance(pattern, URLPattern) or not (route := str(pattern.pattern)):
                continue
            names.append(route.split("/")[0])
            view = _answering_in_json(pattern.callback)
            routes += [path(route, view, name=pattern.name), path(f"{route}/", view)]
        routes.append(path("", index, name="api-root"))
        routes.append(re_path("", _no_such_route(sorted(set(names)))))
        return routes, app_name, namespace


def _takes_the_rest(pattern: object) -> bool:
    """A route that ends with a name of any shape is tried after those that say what follows such a name."""
    return isinstance(pattern, URLPattern) and str(pattern.pattern).endswith("<path:name>")


def _answering_in_json(view: View) -> View:
    """The same view, whose refusals are errors like any other."""

    @wraps(view)
    async def of_async(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _odd(request) or _worded(request, await view(request, *args, **kwargs))

    @wraps(view)
    def of_sync(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return _odd(request) or _worded(request, view(request, *args, **kwargs))

    return of_async if inspect.iscoroutinefunction(view) else of_sync


def _odd(request: HttpRequest) -> HttpResponseBase | None:
    """PostgreSQL has no NUL in its texts, so no name and no filter can have one."""
    if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
        return problems.problem(400, "invalid_input", "The address contains the character NUL.")
    if "\0" in request.headers.get("Idempotency-Key", ""):
        return problems.problem(400, "invalid_input", "The Idempotency-Key contains the character NUL.")
    return None


def _worded(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    if response.status_code != 405:
        return response
    allowed = response["Allow"]
    words = f"{request.path} takes {allowed}, not {request.method}."
    refusal = problems.problem(405, "method_not_allowed", words, {"allowed": allowed.split(", ")})
    refusal["Allow"] = allowed
    return refusal


def _no_such_route(names: list[str]) -> View:
    def no_such_route(request: HttpRequest) -> JsonResponse:
        last = request.path.rstrip("/").rsplit("/", 1)[-1]
        near = get_close_matches(last, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else "The documentation is at /api/docs."
        return problems.problem(404, "not_found", f"There is no {request.path}. {hint}")

    no_such_route.csrf_exempt = True  # type: ignore[attr-defined]
    return no_such_route


def index(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"documentation": "/api/docs", "openapi": "/api/openapi.json"})
