"""What RQ calls, by the dotted names in queue.py."""

from orchestration.engine.runner import RUNNER


async def run_attempt(attempt_id: int, token: str) -> None:
    """One try of a task on one node."""
    await RUNNER.get().run(attempt_id, token)
