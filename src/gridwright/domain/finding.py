"""Finding: a doubt of one validation rule about one stretch of one series."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType

# Codes that are not found by validating readings again, but where they arrive, where edits are compared with them,
# where the network is balanced, and where bills are rated again: only there they resolve themselves.
FOUND_ELSEWHERE = frozenset({
    "V00_hidden", "V00_same_energy", "V03_duplicate", "V06_future", "V06_late", "V37_balance", "V38_replacement",
})  # fmt: skip
# Of these, what is found by rating bills: whoever may write bills may say so.
FOUND_BY_BILLING = frozenset({"V38_replacement"})

# What is found over a window that moves on each day: one finding, which grows while the doubt lasts.
ROLLING = frozenset({"V35_load_factor"})


class Severity(StrEnum):
    """What a finding does to the values: `fail` rejects them, `warn` keeps them for a person, `info` only tells."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """One doubt: catalogue code such as `V17_stuck`, where, how bad, and a sentence with the values."""

    code: str
    usage_point: str
    period: Interval
    severity: Severity
    message: str
    reading_type: ReadingType = DELIVERED_ENERGY
    slots: int = 0

    def to_dict(self) -> dict[str, str | int]:
        """Return the JSON object that `validate --json` prints."""
        return {
            "code": self.code,
            "usage_point": self.usage_point,
            "from": self.period.start.isoformat(),
            "to": self.period.end.isoformat(),
            "severity": self.severity,
            "message": self.message,
            "slots": self.slots,
            "reading_type": str(self.reading_type),
            "channel": self.reading_type.channel,
        }

    def __repr__(self) -> str:
        return f"<Finding {self.code} ({self.severity}) {self.usage_point} {self.period}: {self.message}>"
