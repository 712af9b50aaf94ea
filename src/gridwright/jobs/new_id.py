"""Names of things that jobs make: unique, and in the order in which they were made."""

from __future__ import annotations

import itertools
import secrets
from datetime import datetime, timedelta

from gridwright.domain.interval import EPOCH

_count = itertools.count()


def new_id(prefix: str, now: datetime) -> str:
    """Return `prefix-` and 24 hex digits: microseconds since 1970 (14), a count of this process (4), chance (6).

    Ids sort by `now`, and those of one instant in the order in which this process made them.
    """
    microseconds = (now - EPOCH) // timedelta(microseconds=1)
    return f"{prefix}-{microseconds:014x}{next(_count) % 0x10000:04x}{secrets.token_hex(3)}"
