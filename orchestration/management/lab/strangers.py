"""What polls of a node give away of other people's requests, noted as the product's services note it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestration.management.lab.line import moment
from orchestration.policy.outsiders import BUSY_FOR, LEEWAY, Findings, Ours, Reserved, Sight, compare, reserve


@dataclass(slots=True)
class Watch:
    """Of one node. ``before``: what the last look showed; None when there was none, or no answer since."""

    before: dict[str, Sight] | None = None
    looked_at: float = 0.0
    _reserved: Reserved = field(default_factory=Reserved)
    _busy_until: dict[str, float] = field(default_factory=dict)

    @property
    def since(self) -> float:
        """What Drover did from here on may show in the next look."""
        return self.looked_at - LEEWAY.total_seconds()

    def look(self, expiries: Mapping[str, float], sizes: Mapping[str, int], ours: Ours, now: float) -> Findings:
        """``expiries``: what ``/api/ps`` lists, and until when each model stays; ``sizes`` by name."""
        after = {model: Sight(expires_at=moment(expiry), size_bytes=sizes[model]) for model, expiry in expiries.items()}
        findings = compare(self.before, after, ours, moment(now))
        for model in findings.busy:
            self._busy_until[model] = now + BUSY_FOR.total_seconds()
        self.before, self.looked_at = after, now
        return findings

    def reserve(self, findings: Findings, loaded_at: float | None, now: float) -> None:
        loaded = None if loaded_at is None else moment(loaded_at)
        self._reserved = reserve(self._reserved, findings, loaded_at=loaded, at=moment(now))

    def reserved(self, now: float) -> int:
        until = self._reserved.until
        return self._reserved.size_bytes if until and until > moment(now) else 0

    def is_busy(self, model: str, now: float) -> bool:
        return self._busy_until.get(model, 0.0) > now

    def lost(self) -> None:
        """The node did not answer."""
        self.before = None
