"""What a register read carries above the byte of its quality: how it came, and whether it still counts."""

from __future__ import annotations

QUALITY = 255
BY_EXCHANGE = 256  # an exchange wrote it, and its cancelling takes it back
WITHDRAWN = 512  # it stays on record, and counts no more: every mark from here on
MOVED = 1024  # withdrawn because the same read counts in another epoch
