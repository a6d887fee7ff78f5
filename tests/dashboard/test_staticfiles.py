"""Static files come from beside the views, and async views behind them stay in the event loop."""

import threading

import pytest
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.test import AsyncRequestFactory, Client, RequestFactory

from dashboard.staticfiles import StaticFilesMiddleware

STYLE = "/static/css/tokens.css"


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse("a page")


async def async_page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(threading.current_thread().name)


def test_a_file_is_served_with_its_type_and_length(client: Client) -> None:
    response = client.get(STYLE)
    path = settings.BASE_DIR / STYLE.lstrip("/")
    assert (response.status_code, response.content) == (200, path.read_bytes())
    assert response["Content-Type"].startswith("text/css")
    assert response["Content-Length"] == str(len(response.content))


def test_a_file_that_has_not_changed_is_not_sent_again(client: Client) -> None:
    seen = client.get(STYLE)["Last-Modified"]
    again = client.get(STYLE, headers={"If-Modified-Since": seen})
    assert (again.status_code, again.content) == (304, b"")


def test_a_part_of_a_file_can_be_asked_for(client: Client) -> None:
    part = client.get(STYLE, headers={"Range": "bytes=0-9"})
    assert (part.status_code, part.content) == (206, (settings.BASE_DIR / STYLE.lstrip("/")).read_bytes()[:10])


def test_what_is_no_file_reaches_the_view() -> None:
    response = StaticFilesMiddleware(page)(RequestFactory().get("/tasks"))
    assert isinstance(response, HttpResponse)
    assert response.content == b"a page"


@pytest.mark.parametrize("path", [STYLE, "/tasks"])
async def test_async_views_are_not_put_into_a_thread(path: str) -> None:
    answer = StaticFilesMiddleware(async_page)(AsyncRequestFactory().get(path))  # type: ignore[arg-type]
    response = await answer  # type: ignore[misc]
    if path == STYLE:
        assert response["Content-Type"].startswith("text/css")
    else:
        assert response.content.decode() == threading.current_thread().name
