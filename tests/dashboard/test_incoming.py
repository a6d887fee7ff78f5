"""Bodies that are too long: refused by the server itself, before they are kept."""

import json

import pytest

from dashboard.incoming import longest_body
from orchestration.services.specs import MAX_IMAGE_BYTES, MAX_IMAGES
from tests.dashboard.test_server import Site


@pytest.fixture
def site():
    site = Site()
    yield site
    site.stop()


def test_whatever_a_page_or_route_takes_is_let_in(settings):
    assert longest_body() > max(settings.DROVER_MAX_BODY_BYTES, settings.DROVER_MAX_DOCUMENT_BYTES)
    assert longest_body() > MAX_IMAGES * MAX_IMAGE_BYTES
    settings.DROVER_MAX_BODY_BYTES = 10**9
    assert longest_body() > 10**9


def chunked(count, size=100_000):
    return b"".join(b"%x\r\n%s\r\n" % (size, b"x" * size) for _ in range(count))


@pytest.mark.parametrize(
    "request_line", [b"Content-Length: 1000001\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n" + chunked(11)]
)
def test_a_body_that_is_too_long_is_refused_before_it_is_kept(site, request_line):
    with site.ask(b"POST /soon HTTP/1.1\r\nHost: localhost\r\n" + request_line) as connection:
        answer = b""
        while piece := connection.recv(10_000):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 413 ")
    error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
    assert (error["code"], error["detail"]) == ("payload_too_large", {"limit_bytes": 1_000_000})
    assert site.answers()


LENGTH = b"Content-Length: 1000000\r\n\r\n" + b"x" * 1_000_000
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n" + chunked(10) + b"0\r\n\r\n"


@pytest.mark.parametrize("body", [LENGTH, CHUNKS])
def test_a_body_of_the_longest_length_is_taken(site, body):
    with site.ask(b"POST /soon HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + body) as connection:
        answer = b""
        while piece := connection.recv(10_000):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 ")
