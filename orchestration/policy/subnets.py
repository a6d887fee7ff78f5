"""Which addresses a search for servers asks: private networks only, and only as many as were asked for in earnest."""

import ipaddress
from collections.abc import Sequence
from typing import Final

from orchestration.errors import InvalidInput

MOST_ADDRESSES: Final = 1024
MOST_PORTS: Final = 4
MOST_SUBNETS: Final = 16

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_PRIVATE: Final = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "127.0.0.0/8", "::1/128")
)


def addresses(subnets: Sequence[str]) -> list[str]:
    """Every host of these, each once, in order. Raises InvalidInput, which says what is wrong with which."""
    if not 1 <= len(subnets) <= MOST_SUBNETS:
        raise _refused(f"Name one to {MOST_SUBNETS} subnets, such as 192.168.1.0/24.")
    networks = [_network(text) for text in subnets]
    total = sum(network.num_addresses for network in networks)
    if total > MOST_ADDRESSES + 2 * len(networks):  # the two ends of a subnet are no hosts
        raise _refused(f"That is {total:,} addresses; a search asks at most {MOST_ADDRESSES:,}. Name smaller subnets.")
    found = list(dict.fromkeys(str(host) for network in networks for host in network.hosts()))
    return found[:MOST_ADDRESSES]


def ports(wanted: Sequence[int]) -> list[int]:
    """Each once, in order."""
    if not 1 <= len(wanted) <= MOST_PORTS or not all(1 <= port <= 65535 for port in wanted):
        raise InvalidInput(f"Name one to {MOST_PORTS} ports from 1 to 65535.", field="ports")
    return list(dict.fromkeys(wanted))


def url(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError as error:
        raise _refused(f"{text[:60]!r} is no subnet: write it like 192.168.1.0/24.") from error
    if not any(network.version == own.version and network.subnet_of(own) for own in _PRIVATE):  # type: ignore[arg-type]
        raise _refused(f"{network} is not private: Drover searches in private networks only.")
    return network


def _refused(words: str) -> InvalidInput:
    return InvalidInput(words, field="subnets")
