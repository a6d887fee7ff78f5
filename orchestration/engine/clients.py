"""Ollama clients as Drover's processes use them: the address guard and the time-outs come from the settings, and here
alone the sealed headers of a node are opened."""

from django.conf import settings

from orchestration.ollama.addresses import AddressPolicy
from orchestration.ollama.client import OllamaClient, Timeouts
from orchestration.services import secrets


def new_client(base_url: str, *, verify_tls: bool, headers: str = "") -> OllamaClient:
    """Belongs to the running event loop; close it with ``aclose``. ``headers``: sealed, as the node keeps them.

    Raises InvalidNodeAddress, and SecretsUnreadable for headers that today's keys do not open.
    """
    return OllamaClient(
        base_url,
        headers=secrets.opened(headers),
        verify_tls=verify_tls,
        timeouts=Timeouts(
            connect=settings.DROVER_CONNECT_TIMEOUT,
            first_object=settings.DROVER_FIRST_OBJECT_TIMEOUT,
            between_objects=settings.DROVER_BETWEEN_OBJECTS_TIMEOUT,
        ),
        addresses=AddressPolicy(allow_private=settings.DROVER_ALLOW_PRIVATE_NODES),
    )
