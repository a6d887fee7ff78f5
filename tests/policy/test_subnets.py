"""A search asks private networks only, and never more than it may."""

import pytest

from orchestration.errors import InvalidInput
from orchestration.policy.subnets import MOST_ADDRESSES, addresses, ports, url


def test_the_hosts_of_a_subnet_are_asked_but_not_its_two_ends():
    assert addresses(["192.168.1.0/30"]) == ["192.168.1.1", "192.168.1.2"]


def test_one_address_is_a_subnet_too_and_a_host_inside_one_names_the_whole():
    assert addresses(["10.0.0.7"]) == ["10.0.0.7"]
    assert addresses([" 10.0.0.6/31 "]) == ["10.0.0.6", "10.0.0.7"]
    assert len(addresses(["10.0.0.77/24"])) == 254


def test_subnets_that_overlap_are_asked_once():
    assert addresses(["10.0.0.0/30", "10.0.0.1"]) == ["10.0.0.1", "10.0.0.2"]


def test_ipv6_and_loopback_are_private_too():
    assert addresses(["fd00::/126"])[0] == "fd00::1"
    assert addresses(["127.0.0.1", "::1"]) == ["127.0.0.1", "::1"]


@pytest.mark.parametrize(
    ("subnets", "words"),
    [
        ([], "Name one to 16"),
        (["10.0.0.1"] * 17, "Name one to 16"),
        (["8.8.8.0/24"], "not private"),
        (["0.0.0.0/0"], "not private"),
        (["169.254.169.254"], "not private"),
        (["fe80::/120"], "not private"),
        (["::ffff:8.8.8.8"], "not private"),
        (["224.0.0.1"], "not private"),
        (["gpu-a"], "is no subnet"),
        (["10.0.0.0/33"], "is no subnet"),
        (["10.0.0.0/21"], "at most 1,024"),
        (["fc00::/7"], "at most 1,024"),
        (["10.0.0.0/22", "10.1.0.0/22"], "at most 1,024"),
    ],
)
def test_what_may_not_be_searched_says_why(subnets, words):
    with pytest.raises(InvalidInput, match=words):
        addresses(subnets)


def test_a_thousand_addresses_are_the_most():
    assert len(addresses(["10.0.0.0/22"])) == MOST_ADDRESSES - 2


@pytest.mark.parametrize("wanted", [[], [0], [65536], [1, 2, 3, 4, 5]])
def test_ports_are_few_and_possible(wanted):
    with pytest.raises(InvalidInput):
        ports(wanted)


def test_a_port_is_asked_once():
    assert ports([11434, 8080, 11434]) == [11434, 8080]


def test_an_address_becomes_a_url():
    assert (url("10.0.0.1", 11434), url("fd00::1", 80)) == ("http://10.0.0.1:11434", "http://[fd00::1]:80")
