"""What polls of a node give away of other people's requests, noted as the product's services note it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestration.management.lab.line import moment
from orchestration.policy.outsiders import BUSY_FOR, LEEWAY, RESERVED_FOR, Findings, Ours, Sight, compare


@dataclass(slots=True)
class Watch:
    """Of one node. ``before``: what the last look showed; None when there was none, or no answer since."""

    before: dict[str, Sight] | None = None
    looked_at: float = 0.0
    reserved_bytes: int = 0
    _reserved_until: float | None = None
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
        """Memory stays free for others until they have it, or until a load of ours shows that they do not come."""
        longest = RESERVED_FOR.total_seconds()
        if self._reserved_until is not None:
            ours_since = loaded_at is not None and loaded_at > self._reserved_until - longest
            if findings.arrived or ours_since or self._reserved_until <= now:
                self.reserved_bytes, self._reserved_until = 0, None
        if findings.taken_bytes:
            self.reserved_bytes += findings.taken_bytes
            self._reserved_until = now + longest

    def reserved(self, now: float) -> int:
        return self.reserved_bytes if self._reserved_until is not None and self._reserved_until > now else 0

    def is_busy(self, model: str, now: float) -> bool:
        return self._busy_until.get(model, 0.0) > now

    def lost(self) -> None:
        """The node did not answer."""
        self.before = None
