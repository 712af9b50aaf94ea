"""Finding: a doubt of one validation rule about one stretch of one series."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b

from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType

# Codes that are not found by validating readings again, but where they arrive, where edits are compared with them,
# where the network is balanced, where bills are rated again, and where readings are looked for however far away: only
# there they resolve themselves.
FOUND_ELSEWHERE = frozenset({
    "V00_hidden", "V00_same_energy", "V03_duplicate", "V06_future", "V06_late", "V10_silence", "V37_balance",
    "V38_replacement",
})  # fmt: skip
# Of these, what is found by rating bills: whoever may write bills may say so.
FOUND_BY_BILLING = frozenset({"V38_replacement"})

# What is found over a window that moves on each day: one finding, which grows while the doubt lasts.
ROLLING = frozenset({"V35_load_factor"})

# Doubts about how the readings of a period come rather than about their values: an acceptance holds while they last.
ABOUT_THE_SERIES = ROLLING | {"V00_same_energy"}

# Rules that reject intervals where they fail: the readings count again when a person accepts what these doubt.
REJECTING = frozenset({
    "V01_clock", "V02_ident", "V06_future", "V11_negative", "V12_capacity", "V13_limit", "V13_low_limit",
    "V14_status", "V15_overflow", "V16_zero_run", "V17_stuck", "V18_spike", "V19_spike_mad", "V20_step",
    "V21_power_factor", "V22_export", "V23_inactive", "V30_sum", "V34_high_demand",
})  # fmt: skip

# What was doubted, by whom and where: code, usage point, reading type, period and the fingerprint of the values.
Doubted = tuple[str, str, ReadingType, Interval, str]


class Severity(StrEnum):
    """What a finding does to the values: `fail` rejects them, `warn` keeps them for a person, `info` only tells."""

    FAIL = "fail"
    WARN = "warn"
    INFO = "info"


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """One doubt: catalogue code such as `V17_stuck`, where, how bad, and a sentence with the values.

    `fingerprint`: of the values that it doubts, so that an acceptance holds for them alone; empty where the sentence
    says all of them.
    """

    code: str
    usage_point: str
    period: Interval
    severity: Severity
    message: str
    reading_type: ReadingType = DELIVERED_ENERGY
    slots: int = 0
    fingerprint: str = field(default="", compare=False)

    @property
    def doubted(self) -> Doubted:
        """What a person accepts who accepts it."""
        return (self.code, self.usage_point, self.reading_type, self.period, self.fingerprint)

    @property
    def rejects(self) -> bool:
        """Tell whether it may keep values from counting."""
        return self.severity is Severity.FAIL and self.code in REJECTING

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


def fingerprint(*parts: bytes) -> str:
    """Return a short name for values: the same values have the same one, others another."""
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
