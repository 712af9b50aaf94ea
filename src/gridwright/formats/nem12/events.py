"""Reason codes of 300 and 400 records that say what was the matter with the meter, as events of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gridwright.domain import event as e
from gridwright.domain.interval import DAY_S, from_epoch_s
from gridwright.formats.nem12.layout import Index, Layout
from gridwright.formats.nem12.qualities import Ranges

# AEMO, Meter Data File Format, reason codes. Others are about people, access and estimates; an outage of a day that is
# told by its reason alone has no hours.
EVENT_OF_REASON = {
    60: e.TAMPER,
    63: e.TAMPER,
    70: e.TAMPER,
    80: e.DISTURBED,
    81: e.DISTURBED,
    82: e.MEMORY_FAULT,
    83: e.MEMORY_FAULT,
    84: e.MEMORY_FAULT,
    86: e.CLOCK_INVALID,
    87: e.RESET,
    88: e.RESET,
    89: e.CLOCK_SET,
    90: e.TEST_MODE,
    95: e.OVERFLOW,
    98: e.MEMORY_FAULT,
}


@dataclass(frozen=True, slots=True)
class Reasons:
    """What some records say happened: of each its channel's line, the event's type, and from when to when."""

    line: int
    type: str
    since: datetime
    until: datetime


def reasons_of(whole: Layout, lines: Index, midnight_s: Index, slots: int, ranges: Ranges) -> Iterator[Reasons]:
    """Yield the reasons of 300 records at `lines`, days that begin at `midnight_s`, and of the 400 records below."""
    interval_s = DAY_S // slots
    for at, kind in _told(whole, lines, slots + 3):
        begin = int(midnight_s[at])
        yield Reasons(int(lines[at]), kind, from_epoch_s(begin), from_epoch_s(begin + DAY_S))
    for at, kind in _told(whole, ranges.line, 4):
        row, first, last = int(ranges.row[at]), int(ranges.first[at]), int(ranges.last[at])
        if 1 <= first <= last <= slots:
            begin = int(midnight_s[row])
            since, until = (from_epoch_s(begin + slot * interval_s) for slot in (first - 1, last))
            yield Reasons(int(lines[row]), kind, since, until)


def _told(whole: Layout, lines: Index, field: int) -> Iterator[tuple[int, str]]:
    """Yield the place of each line whose reason is an event, and the event's type."""
    start, end = whole.field_bounds(lines, field)
    for at in np.flatnonzero((end > start) & (end - start <= 3)).tolist():  # noqa: PLR2004 - codes of up to three digits
        text = whole.text[start[at] : end[at]].tobytes().strip()
        kind = EVENT_OF_REASON.get(int(text)) if text.isdigit() else None
        if kind:
            yield at, kind
