"""Reading quality codes (system.category.index of IEC 61968-9 annex D) to quality bytes and back."""

from __future__ import annotations

from collections.abc import Iterable

from gridwright.domain import quality as q
from gridwright.domain.quality import Method, Status

VALID, VALIDATED = 0, 1
KNOWN_MISSING = (5, 259)
# Edited, estimated, derived, projected; the other categories are about events and doubts, which validation judges.
CATEGORIES = {7: Status.EDITED, 8: Status.ESTIMATED, 11: Status.DERIVED, 12: Status.ESTIMATED}
MANAGEMENT = 3  # the meter data management system; what a device or head end calls valid is not validated
WRITTEN = {
    Status.RAW: ("2.0.0",),
    Status.ACTUAL: ("3.0.1",),
    Status.ACCEPTED: ("3.0.0",),
    Status.ESTIMATED: ("3.8.0",),
    Status.ESTIMATED_FINAL: ("3.8.0", "3.0.1"),
    Status.EDITED: ("3.7.0",),
    Status.DERIVED: ("3.11.0",),
}
# The first status that any code of a reading means decides.
RANKED = (
    Status.MISSING,
    Status.ESTIMATED_FINAL,
    Status.ESTIMATED,
    Status.EDITED,
    Status.DERIVED,
    Status.ACTUAL,
    Status.ACCEPTED,
    Status.RAW,
)


def quality_of(codes: Iterable[str]) -> int:
    """Return the quality byte of the codes of one reading; those about events and power quality change nothing."""
    statuses = {_status(code) for code in codes}
    if {Status.ESTIMATED, Status.ACTUAL} <= statuses:
        return q.pack(Status.ESTIMATED_FINAL)
    return q.pack(next((status for status in RANKED if status in statuses), Status.RAW))


def codes_of(quality: int) -> tuple[str, ...]:
    """Return the codes that a quality byte is written as; the method of an estimate has none."""
    return WRITTEN[Status(quality & 0x0F)]


def keeps(quality: int) -> int:
    """Return the quality byte that comes back when one is written and read."""
    return q.pack(Status(quality & 0x0F), Method.NONE)


def _status(code: str) -> Status:
    parts = code.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):  # noqa: PLR2004 - system.category.index
        return Status.RAW
    system, category, index = map(int, parts)
    if category == VALID:
        managed = Status.ACCEPTED if system >= MANAGEMENT else Status.RAW
        return Status.ACTUAL if index == VALIDATED else managed
    if (category, index) == KNOWN_MISSING:
        return Status.MISSING
    return CATEGORIES.get(category, Status.RAW)
