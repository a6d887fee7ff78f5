"""The library is read from a server of our own; when it fails, the bundled list goes on."""

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from orchestration.engine import catalogue
from orchestration.engine.catalogue import Librarian, is_due, refresh
from orchestration.models import CatalogueEntry, CatalogueState
from orchestration.ollama import library
from orchestration.queries import catalogue as queries
from tests.ollama.test_library_pages import LIST, TAGS

pytestmark = pytest.mark.django_db(transaction=True)
Answer = tuple[int, bytes]
Serve = Callable[[dict[str, Answer]], list[str]]


@pytest.fixture
def serve(settings) -> Iterator[Serve]:
    """Answers these paths, everything else with 404; returns the list of paths that were asked for."""
    pages: dict[str, Answer] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = pages.get(self.path, (404, b"not here"))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    settings.DROVER_CATALOGUE_URL = f"http://127.0.0.1:{server.server_port}/library"

    def answer(given: dict[str, Answer]) -> list[str]:
        pages.update(given)
        return asked

    yield answer
    server.shutdown()
    server.server_close()
    thread.join()


def _sizes(name: str) -> dict[str, int | None]:
    [model] = [model for model in queries.models() if model.name == name]
    return {tag.tag: tag.size_bytes for tag in model.tags}


def test_what_the_library_tells_joins_the_bundled_list(serve: Serve) -> None:
    serve({"/library": (200, LIST.encode()), "/library/rivers/tags": (200, TAGS.encode())})
    assert refresh()
    assert _sizes("rivers")["8b"] == 5_200_000_000
    assert _sizes("llama3.2")["3b"] == 2_000_000_000
    found = queries.listing(words="rivers")
    assert (found["source"], found["error"]) == ("library", "")


def test_sizes_found_once_outlive_a_reading_that_finds_none(serve: Serve) -> None:
    asked = serve({"/library": (200, LIST.encode()), "/library/rivers/tags": (200, TAGS.encode())})
    refresh()
    asked.clear()
    serve({"/library": (200, LIST.replace("1.5b", "3b").encode()), "/library/rivers/tags": (500, b"")})
    assert refresh()
    assert _sizes("rivers")["8b"] == 5_200_000_000
    assert "/library/rivers/tags" in asked


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((500, b"oops"), "answered 500"),
        ((302, b""), "answered 302"),
        ((200, b"<html>Please sign in to the network</html>"), "names no model"),
    ],
)
def test_a_library_that_cannot_be_read_leaves_the_bundled_list(serve: Serve, answer: Answer, words: str) -> None:
    asked = serve({"/library": answer})
    assert not refresh()
    assert words in CatalogueState.objects.get().error
    assert "/elsewhere" not in asked
    found = queries.listing()
    assert (found["source"], len(found["models"])) == ("bundled", len(queries.bundled()))


def test_a_page_without_end_is_not_read_to_the_end(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "MOST_BYTES", 100)
    serve({"/library": (200, LIST.encode())})
    assert not refresh()
    assert "sends more than" in CatalogueState.objects.get().error


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/library", "http://169.254.169.254/library", "file:///etc/passwd"])
def test_what_cannot_or_may_not_be_called_is_a_failure_in_words(url: str, settings) -> None:
    settings.DROVER_CATALOGUE_URL = url
    assert not refresh()
    assert CatalogueState.objects.get().error
    assert not CatalogueEntry.objects.exists()


def test_it_is_read_once_a_day_and_sooner_after_a_failure() -> None:
    now = timezone.now()
    assert is_due(now)
    CatalogueState.objects.create(pk=1, tried_at=now, fetched_at=now)
    assert not is_due(now + timedelta(hours=23, minutes=59))
    assert is_due(now + timedelta(hours=24, minutes=1))
    CatalogueState.objects.update(error="it did not answer")
    assert not is_due(now + timedelta(minutes=59))
    assert is_due(now + timedelta(minutes=61))


@pytest.mark.parametrize("leads", [True, False])
def test_only_the_leader_reads_it(serve: Serve, leads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "LOOK_SECONDS", 0.01)
    asked = serve({"/library": (200, LIST.encode()), "/library/rivers/tags": (200, TAGS.encode())})
    stop, leading, looked = threading.Event(), threading.Event(), threading.Event()
    if leads:
        leading.set()
    librarian = Librarian(stop, leading)
    monkeypatch.setattr(librarian, "_look", lambda: (refresh(), stop.set(), looked.set()))
    if not leads:
        monkeypatch.setattr(leading, "is_set", lambda: stop.set() or False)
    librarian.run()
    assert looked.is_set() == bool(asked) == leads
