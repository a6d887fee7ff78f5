"""Which node addresses may be saved and connected to."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.errors import InvalidNodeAddress
from orchestration.ollama.addresses import AddressPolicy, check_address, check_url

DEFAULT = AddressPolicy()
PUBLIC_ONLY = AddressPolicy(allow_private=False)


@pytest.mark.parametrize(
    ("given_url", "normalised"),
    [
        ("gpu-a", "http://gpu-a:11434"),
        ("gpu-a:8080", "http://gpu-a:8080"),
        (" GPU-A.lan. ", "http://gpu-a.lan:11434"),
        ("localhost", "http://localhost:11434"),
        ("http://gpu-a:11434/", "http://gpu-a:11434"),
        ("http://gpu-a", "http://gpu-a"),
        ("http://gpu-a:80", "http://gpu-a"),
        ("https://gpu-a", "https://gpu-a"),
        ("https://gpu-a:443/ollama/", "https://gpu-a/ollama"),
        ("HTTPS://Proxy.Example.com:8443/team/ollama", "https://proxy.example.com:8443/team/ollama"),
        ("0.0.0.0", "http://127.0.0.1:11434"),
        ("http://0.0.0.0:11434", "http://127.0.0.1:11434"),
        ("0", "http://127.0.0.1:11434"),
        ("[::]:11434", "http://[::1]:11434"),
        ("[::1]", "http://[::1]:11434"),
        ("http://[2001:DB8:0::5]:1", "http://[2001:db8::5]:1"),
        ("127.1", "http://127.0.0.1:11434"),
        ("0x7f000001", "http://127.0.0.1:11434"),
        ("http://bücher.example:11434", "http://xn--bcher-kva.example:11434"),
        ("my_gpu", "http://my_gpu:11434"),
    ],
)
def test_a_node_url_gets_one_spelling(given_url, normalised):
    assert check_url(given_url, DEFAULT) == normalised
    assert check_url(normalised, DEFAULT) == normalised


@pytest.mark.parametrize(
    "url",
    [
        "",
        "   ",
        "file:///etc/passwd",
        "file:/etc/passwd",
        "ftp://gpu-a",
        "gopher://gpu-a:70",
        "javascript:alert(1)",
        "http://",
        "http://:11434",
        "http:///api",
        "gpu-a:",
        "gpu-a:0",
        "gpu-a:65536",
        "gpu-a:http",
        "http://gpu a",
        "http://gpu-a\r\nHost: evil",
        "http://gpu-a\\@evil",
        "http://gpu-a/?q=1",
        "http://gpu-a/#top",
        "http://[::1",
        "http://[gpu-a]",
        "http://gpu..a",
        "http://-gpu",
        "http://" + "a" * 64,
        "http://" + "a." * 127 + "a",
        "http://gpu%2da",
    ],
)
def test_what_is_no_http_address_is_refused(url):
    with pytest.raises(InvalidNodeAddress):
        check_url(url, DEFAULT)


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(InvalidNodeAddress) as caught:
        check_url("http://admin:hunter2@gpu-a", DEFAULT)
    assert "hunter2" not in caught.value.message
    assert "hunter2" not in str(caught.value.detail)


FORBIDDEN_ALWAYS = [
    "169.254.169.254",
    "169.254.1.1",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "0.1.2.3",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fd20:ce::254",
    "ff02::1",
    "::ffff:169.254.169.254",
    "::169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::169.254.169.254",
    "::ffff:224.0.0.1",
    "4000::1",
]


@pytest.mark.parametrize("ip", FORBIDDEN_ALWAYS)
@pytest.mark.parametrize("policy", [DEFAULT, PUBLIC_ONLY])
def test_metadata_link_local_multicast_and_reserved_addresses_are_never_allowed(ip, policy):
    with pytest.raises(InvalidNodeAddress):
        check_address(ip, policy)
    with pytest.raises(InvalidNodeAddress):
        check_url(f"http://[{ip}]" if ":" in ip else f"http://{ip}", policy)


@pytest.mark.parametrize(
    "spelling",
    ["2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "0xa9.0xfe.43518", "169.254.43518", "１６９.254.169.254"],
)
def test_other_spellings_of_a_forbidden_address_are_seen_through(spelling):
    with pytest.raises(InvalidNodeAddress):
        check_url(f"http://{spelling}:11434", DEFAULT)


@pytest.mark.parametrize("name", ["metadata.google.internal", "METADATA.goog.", "x.metadata.google.internal"])
def test_names_of_metadata_services_are_refused(name):
    with pytest.raises(InvalidNodeAddress):
        check_url(f"http://{name}", DEFAULT)


PRIVATE = [
    "127.0.0.1",
    "127.9.9.9",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "::1",
    "fd12:3456::1",
    "fec0::1",
    "::ffff:10.0.0.1",
    "2002:0a00:0001::1",
]


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_and_loopback_addresses_follow_the_setting(ip):
    check_address(ip, DEFAULT)
    with pytest.raises(InvalidNodeAddress):
        check_address(ip, PUBLIC_ONLY)


@pytest.mark.parametrize("ip", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_always_allowed(ip):
    check_address(ip, DEFAULT)
    check_address(ipaddress.ip_address(ip), PUBLIC_ONLY)


@given(st.ip_addresses(v=4))
def test_every_way_to_write_an_ipv4_address_gets_the_same_verdict(address):
    def allowed(text):
        try:
            check_url(text, PUBLIC_ONLY)
        except InvalidNodeAddress:
            return False
        return True

    octets = address.packed
    spellings = [
        str(address),
        str(int(address)),
        hex(int(address)),
        ".".join(f"0{octet:o}" for octet in octets),
        f"[::ffff:{address}]",
        f"[64:ff9b::{address}]",
    ]
    verdicts = {allowed(f"http://{spelling}:1") for spelling in spellings}
    assert len(verdicts) == 1
    assert verdicts == {True} or not address.is_global or address.is_multicast or str(address) == "168.63.129.16"


@given(st.text(max_size=40))
def test_any_text_is_either_refused_or_normalised_for_good(text):
    try:
        url = check_url(text, DEFAULT)
    except InvalidNodeAddress:
        return
    assert url.startswith(("http://", "https://"))
    assert check_url(url, DEFAULT) == url
