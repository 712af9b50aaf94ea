"""What is logged once: an unknown meter and a value that is rounded come again with every message."""

from __future__ import annotations

from gridwright.api.ingest.verdicts import Status, Verdict

KEPT = 10_000  # verdicts that are remembered; then all are forgotten, and logged once more


class News:
    """Remembers which verdicts on messages of a topic were logged."""

    def __init__(self) -> None:
        self._logged: set[tuple[str, Status, str, str]] = set()

    def of(self, topic: str, verdict: Verdict) -> bool:
        """Tell whether a verdict is to be logged: a refusal always is, for that message is lost to the store."""
        if verdict.status is Status.REJECTED:
            return True
        name = verdict.value if verdict.status is Status.QUARANTINED else ""
        key = (topic, verdict.status, verdict.fault.field, name)
        if key in self._logged:
            return False
        if len(self._logged) >= KEPT:
            self._logged.clear()
        self._logged.add(key)
        return True
