"""Searching networks for servers: who may, what is asked, and that somebody did."""

from collections.abc import Sequence
from itertools import product

from django.conf import settings
from django.db import transaction

from orchestration.errors import InvalidInput, InvalidNodeAddress
from orchestration.models import Node
from orchestration.ollama.addresses import OLLAMA_PORT, AddressPolicy, check_address, check_url
from orchestration.permissions import Action, Actor, require
from orchestration.policy import subnets as policy
from orchestration.services import audit


@transaction.atomic
def begin(*, actor: Actor, subnets: Sequence[str], ports: Sequence[int] = (OLLAMA_PORT,)) -> list[str]:
    """The addresses to ask. On record before the first is asked, whatever becomes of it."""
    require(actor, Action.EDIT_NODE)
    hosts, numbers = policy.addresses(subnets), policy.ports(ports)
    rules = AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES)
    for host in hosts[:1]:
        try:
            check_address(host, rules)
        except InvalidNodeAddress as error:
            raise InvalidInput(error.message, field="subnets") from error
    named = [text.strip() for text in subnets]
    audit.record_whole(actor, "node.searched", "network", subnets=named, ports=numbers, addresses=len(hosts))
    return [check_url(policy.url(host, port), rules) for host, port in product(hosts, numbers)]


def known() -> dict[str, str]:
    """The names of nodes by their address."""
    return dict(Node.objects.values_list("base_url", "name"))
