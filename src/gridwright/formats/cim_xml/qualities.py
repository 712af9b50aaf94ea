"""Reading quality codes (system.category.index of IEC 61968-9 annex D) to quality bytes and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gridwright.domain import event as e
from gridwright.domain import quality as q
from gridwright.domain.quality import Method, Status

VALID, VALIDATED = 0, 1
KNOWN_MISSING = (5, 259)
# Edited, estimated, derived, projected; the other categories are about events and doubts, which validation judges.
CATEGORIES = {7: Status.EDITED, 8: Status.ESTIMATED, 11: Status.DERIVED, 12: Status.ESTIMATED}
# (category, index) of what a device, or what reads it, says of itself; a power failure that is told of a whole interval
# has no hours, and a doubt about the value (5, 6, 10) is for validation to have.
EVENT_OF_CODE: Mapping[tuple[int, int], str] = {
    (1, 0): e.DISTURBED,  # diagnostics flag
    (1, 1): e.BATTERY,
    (1, 3): e.FATAL,  # sensor failure
    (1, 4): e.RESET,  # by the watchdog
    (1, 5): e.DISTURBED,  # parity
    (1, 6): e.DISTURBED,  # CRC
    (1, 7): e.MEMORY_FAULT,  # RAM
    (1, 8): e.MEMORY_FAULT,  # ROM
    (1, 9): e.CLOCK_INVALID,
    (3, 0): e.TAMPER,  # revenue protection
    (3, 1): e.TAMPER,  # cover opened
    (3, 3): e.TAMPER,  # revenue protection, suspected
    (3, 4): e.TAMPER,  # reverse rotation
    (4, 1): e.OVERFLOW,
    (4, 2): e.DISTURBED,  # partial interval
    (4, 3): e.DISTURBED,  # long interval
    (4, 4): e.DISTURBED,  # skipped interval
    (4, 5): e.TEST_MODE,
    (4, 7): e.DISTURBED,  # not recording
    (4, 8): e.RESET,
    (4, 9): e.CLOCK_SET,
    (4, 64): e.CLOCK_SET,  # forward
    (4, 128): e.CLOCK_SET,  # backward
}
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


def marks_of(codes: Iterable[str]) -> frozenset[str]:
    """Return the CIM event types of what the codes of one reading say of its device, whichever system says it."""
    told = {EVENT_OF_CODE.get(parts[1:]) for code in codes if (parts := _parts(code)) is not None}
    return frozenset(kind for kind in told if kind)


def codes_of(quality: int) -> tuple[str, ...]:
    """Return the codes that a quality byte is written as; the method of an estimate has none."""
    return WRITTEN[Status(quality & 0x0F)]


def kept_quality(quality: int) -> int:
    """Return the quality byte that comes back when one is written and read; a refused value is left out."""
    if Status(quality & 0x0F) in q.GAPS:
        return q.MISSING
    return q.pack(Status(quality & 0x0F), Method.NONE)


def _parts(code: str) -> tuple[int, int, int] | None:
    parts = code.split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) <= 6 for part in parts):  # noqa: PLR2004 - system.category.index
        return None
    system, category, index = map(int, parts)
    return system, category, index


def _status(code: str) -> Status:
    parts = _parts(code)
    if parts is None:
        return Status.RAW
    system, category, index = parts
    if category == VALID:
        managed = Status.ACCEPTED if system >= MANAGEMENT else Status.RAW
        return Status.ACTUAL if index == VALIDATED else managed
    if (category, index) == KNOWN_MISSING:
        return Status.MISSING
    return CATEGORIES.get(category, Status.RAW)
