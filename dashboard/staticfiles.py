"""WhiteNoise as a middleware that may stand in front of async views.

The one that comes with it is synchronous, so Django runs everything behind it in a thread: each request that waits
for a task would hold one. It also answers with files that are read synchronously, which Django complains of.
"""
# mypy: disable-error-code="no-untyped-call"

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware:
    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._files = WhiteNoiseMiddleware(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        if self._is_async:
            return self._answer(request)
        response: HttpResponseBase = self._file(request) or self._get_response(request)
        return response

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path_info.startswith(self._files.static_prefix):
            response: HttpResponseBase = await self._get_response(request)
            return response
        return await sync_to_async(self._file)(request) or await self._get_response(request)

    def _file(self, request: HttpRequest) -> HttpResponse | None:
        files, path = self._files, request.path_info
        found = files.find_file(path) if files.autorefresh else files.files.get(path)
        if found is None:
            return None
        answer = found.get_response(request.method, request.META)
        content = b""
        if answer.file is not None:
            with answer.file:
                content = answer.file.read()
        response = HttpResponse(content, status=int(answer.status))
        del response["content-type"]
        for name, value in answer.headers:
            response[name] = value
        return response
