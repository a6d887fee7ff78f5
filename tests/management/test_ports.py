"""Ports: free ones found, taken ones told."""

import socket

import pytest

from orchestration.management import ports


@pytest.fixture
def taken_port():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_a_free_port_is_used():
    port = ports.free("127.0.0.1")
    assert ports.choose("127.0.0.1", port, asked_for=True) == port


def test_the_next_free_port_is_used_when_nobody_asked_for_this_one(taken_port):
    port = ports.choose("127.0.0.1", taken_port, asked_for=False)
    assert taken_port < port < taken_port + 50


def test_a_taken_port_that_was_asked_for_is_an_error(taken_port):
    with pytest.raises(ports.PortTaken, match="it is taken"):
        ports.choose("127.0.0.1", taken_port, asked_for=True)


def test_a_port_that_does_not_exist_is_an_error():
    with pytest.raises(ports.PortTaken, match="65535"):
        ports.choose("127.0.0.1", 70_000, asked_for=True)


def test_port_zero_means_any():
    assert ports.choose("127.0.0.1", 0, asked_for=True) > 0


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("gpu-a", "http://gpu-a:8000"),
    ],
)
def test_where_a_browser_on_this_machine_finds_it(host, url):
    assert ports.browse_url(host, 8000) == url
