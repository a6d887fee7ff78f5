"""What servers tell of one set of weights (template, parameters, licence, metadata), asked for a few at a time."""

import time

from asgiref.sync import sync_to_async
from django.utils import timezone

from orchestration.errors import OllamaError, Refused
from orchestration.ollama.client import OllamaClient
from orchestration.queries import model_details as queries
from orchestration.services import model_details as service

PER_LOOK = 5
"""An answer may be large and takes the server a moment."""
AGAIN_AFTER_SECONDS = 600.0


class Details:
    """Asks each node for what nobody has told yet of the weights on its disk."""

    def __init__(self) -> None:
        self._refused: dict[tuple[int, str], float] = {}

    async def learn(self, client: OllamaClient, node_id: int) -> None:
        """A model that cannot be described keeps nobody from describing the others."""
        missing = await sync_to_async(queries.missing)(node_id)
        due = [(digest, name) for digest, name in missing if not self._is_refused(node_id, digest)]
        for digest, name in due[:PER_LOOK]:
            try:
                shown = await client.show(name)
            except OllamaError as error:
                self._refused[node_id, digest] = time.monotonic() + AGAIN_AFTER_SECONDS
                if isinstance(error, Refused):
                    continue
                return
            await sync_to_async(service.record)(digest=digest, shown=shown, at=timezone.now())

    def _is_refused(self, node_id: int, digest: str) -> bool:
        return self._refused.get((node_id, digest), 0.0) > time.monotonic()
