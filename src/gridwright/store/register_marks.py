"""What a register read carries above the byte of its quality: how it came, and whether it still counts."""

from __future__ import annotations

from gridwright.domain import quality as q

QUALITY = 255
ESTIMATED = int(q.Status.ESTIMATED)
BY_EXCHANGE = 256  # an exchange wrote it, and its cancelling takes it back
WITHDRAWN = 512  # it stays on record, and counts no more: every mark from here on
MOVED = 1024  # withdrawn because the same read counts in another epoch, or under another meter
# Its source named the usage point alone, so that its meter is the one on record. Below zero: it counts, and no exchange
# wrote it.
PRESUMED = -(1 << 15)


def is_estimate(quality: int) -> bool:
    """Tell whether nobody took a read: it was estimated."""
    return quality & 0x0F == ESTIMATED


def presumed(end_device: str, *, told: bool) -> int:
    """Return the mark of a read whose meter, if it has one, its source did or did not tell."""
    return 0 if told or not end_device else PRESUMED
