"""Ports and addresses to listen on: free ones found, taken ones told."""

import errno
import socket

EVERYWHERE = ("0.0.0.0", "::", "")


class PortTaken(Exception):
    """The port that was asked for cannot be listened on."""


def choose(host: str, port: int, *, asked_for: bool, tries: int = 50) -> int:
    """The port itself when it is free; else the next free one, unless exactly this one was asked for. 0 means any."""
    if port == 0:
        return free(host)
    candidates = [port] if asked_for else range(port, port + tries)
    for candidate in candidates:
        if _refusal(host, candidate) is None:
            return candidate
    reason = _refusal(host, port)
    raise PortTaken(f"Port {port} on {host} cannot be used ({reason}): name another one with --port.")


def free(host: str) -> int:
    with socket.socket(_family(host)) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def is_free(host: str, port: int) -> bool:
    return _refusal(host, port) is None


def _refusal(host: str, port: int) -> str | None:
    with socket.socket(_family(host)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return "it is taken" if error.errno == errno.EADDRINUSE else str(error.strerror or error)
        except OverflowError:
            return "ports go from 0 to 65535"
    return None


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def browse_url(host: str, port: int) -> str:
    """Where a browser on this machine finds what listens there."""
    if host in EVERYWHERE:
        host = "127.0.0.1"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
