"""Which addresses Drover may call: node URLs are brought to one spelling and checked when they are saved, and every
IP address is checked again at the moment of connecting, because a name can change its mind in between."""

import ipaddress
import re
import socket
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from orchestration.errors import InvalidNodeAddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

OLLAMA_PORT: Final = 11434
_SCHEME_PORTS: Final = {"http": 80, "https": 443}
_HOST_NAME: Final = re.compile(r"(?=.{1,253}$)(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*")
_UNWANTED_IN_URL: Final = re.compile(r"[\x00-\x20\x7f\\]")

_METADATA_NAMES: Final = (
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.azure.internal",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
    "instance-data",
    "instance-data.ec2.internal",
    "rancher-metadata",
)
_METADATA_NETWORKS: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "100.100.100.200/32",  # Alibaba
        "168.63.129.16/32",  # Azure
        "192.0.0.192/32",  # Oracle
        "fd00:ec2::/32",  # Amazon
        "fd20:ce::/32",  # Google
    )
)
_NAT64_NETWORKS: Final = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_IPV4_COMPATIBLE: Final = ipaddress.IPv6Network("::/96")
_THIS_NETWORK: Final = ipaddress.IPv4Network("0.0.0.0/8")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressPolicy:
    """What an administrator allows. Link-local, metadata, multicast and reserved addresses stay forbidden anyway."""

    allow_private: bool = True


def check_url(url: str, policy: AddressPolicy) -> str:
    """The URL in the one spelling Drover stores and calls; raises InvalidNodeAddress if it may not be called."""
    text = url.strip()
    bare = "://" not in text
    parts = _split(f"http://{text}" if bare else text, shown=url)
    scheme = parts.scheme.lower()
    if scheme not in _SCHEME_PORTS:
        raise _invalid(url, f"it must start with http:// or https://, not {scheme}://")
    host = _host(parts, url, policy)
    port = _port(parts, url) or (OLLAMA_PORT if bare else _SCHEME_PORTS[scheme])
    shown_port = "" if port == _SCHEME_PORTS[scheme] else f":{port}"
    return f"{scheme}://{host}{shown_port}{parts.path.rstrip('/')}"


def check_address(ip: str | IPAddress, policy: AddressPolicy) -> None:
    """Raises InvalidNodeAddress unless the policy lets Drover connect to this address."""
    address = ipaddress.ip_address(ip.partition("%")[0]) if isinstance(ip, str) else ip
    for spelling in (address, *_embedded(address)):
        if reason := _reason_against(spelling, policy):
            raise InvalidNodeAddress(f"Drover may not call {ip}: {reason}", address=str(ip))


def _invalid(url: str, reason: str) -> InvalidNodeAddress:
    # A credential in the URL must not be repeated in a message or a log.
    shown = re.sub(r"//[^/]*@", "//…@", url)
    return InvalidNodeAddress(f"{shown!r} is not an address of an Ollama server: {reason}", url=shown)


def _split(text: str, *, shown: str) -> SplitResult:
    if _UNWANTED_IN_URL.search(text):
        raise _invalid(shown, "it contains blanks, control characters or backslashes")
    try:
        parts = urlsplit(text)
    except ValueError as exc:
        raise _invalid(shown, str(exc)) from exc
    if "@" in parts.netloc:
        raise _invalid(shown, "credentials belong in the node's headers, not in the URL")
    if "?" in text or "#" in text:
        raise _invalid(shown, "it must not have a query or a fragment")
    return parts


def _port(parts: SplitResult, url: str) -> int | None:
    try:
        port = parts.port
    except ValueError as exc:
        raise _invalid(url, "the port must be a number from 1 to 65535") from exc
    if port == 0 or parts.netloc.endswith(":"):
        raise _invalid(url, "the port must be a number from 1 to 65535")
    return port


def _host(parts: SplitResult, url: str, policy: AddressPolicy) -> str:
    name = _ascii_host(parts.hostname or "", url)
    address = _literal(name, bracketed="[" in parts.netloc)
    if address is not None:
        return _literal_host(address, policy)
    if not _HOST_NAME.fullmatch(name):
        raise _invalid(url, "it has no valid host name" if name else "it has no host name")
    if any(name == known or name.endswith(f".{known}") for known in _METADATA_NAMES):
        raise _invalid(url, "this name belongs to a cloud metadata service")
    return name


def _ascii_host(host: str, url: str) -> str:
    """Lower case, as DNS sees it: full-width digits and other look-alikes of an IP address become plain."""
    try:
        plain = unicodedata.normalize("NFKC", host).lower()
        ascii_host = plain if plain.isascii() else plain.encode("idna").decode("ascii")
        return ascii_host.removesuffix(".")
    except UnicodeError as exc:
        raise _invalid(url, "its host name cannot be encoded") from exc


def _literal(name: str, *, bracketed: bool) -> IPAddress | None:
    if bracketed or ":" in name:
        try:
            return ipaddress.IPv6Address(name.partition("%")[0])
        except ValueError:
            return None
    try:
        # Decimal, octal, hexadecimal and shortened spellings, as the operating system would read them.
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except OSError:
        return None


def _literal_host(address: IPAddress, policy: AddressPolicy) -> str:
    if address.is_unspecified:
        # OLLAMA_HOST=0.0.0.0 tells a server to listen everywhere; for a client it means this machine.
        address = ipaddress.ip_address("127.0.0.1" if address.version == 4 else "::1")
    check_address(address, policy)
    return str(address) if address.version == 4 else f"[{address}]"


def _embedded(address: IPAddress) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that a router or the operating system would take out of this IPv6 address."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    last_four_bytes = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _NAT64_NETWORKS) or _is_ipv4_compatible(address):
        found.append(last_four_bytes)
    return [inner for inner in found if inner is not None]


def _is_ipv4_compatible(address: ipaddress.IPv6Address) -> bool:
    return address in _IPV4_COMPATIBLE and not address.is_loopback and not address.is_unspecified


def _reason_against(address: IPAddress, policy: AddressPolicy) -> str | None:
    if any(address in network for network in _METADATA_NETWORKS) or str(address) == "169.254.169.254":
        return "cloud metadata addresses are never allowed"
    if address.is_link_local:
        return "link-local addresses are never allowed"
    if address.is_multicast:
        return "multicast addresses are never allowed"
    if address.is_unspecified or (address.version == 4 and address in _THIS_NETWORK):
        return "it is not the address of one machine"
    if address.is_loopback:
        return None if policy.allow_private else "loopback addresses are not allowed by the settings"
    if address.is_reserved and not _embedded(address):
        return "reserved addresses are never allowed"
    if not policy.allow_private and _is_private(address) and not _embedded(address):
        return "private addresses are not allowed by the settings"
    return None


def _is_private(address: IPAddress) -> bool:
    return not address.is_global or (isinstance(address, ipaddress.IPv6Address) and address.is_site_local)
