"""LocalTimeParameters: the offsets and rules of a clock, matched with an IANA zone, and written for one.

A rule packs seconds (12 bits), hours (5), day of the week (3), day of the month (5), operator (3) and month (4), as
DstRuleType of NAESB REQ.21 has it: operator 0 = on that day of the month, 1 = the weekday on or after it,
2 to 6 = the first to fifth such weekday, 7 = the last.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import numpy as np

from gridwright.domain.calendar import utc_offsets, zone_changes
from gridwright.domain.errors import InputError
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s, zone_of
from gridwright.domain.verdict import Evidence

ON_DAY, ON_OR_AFTER, FIRST, LAST = 0, 1, 2, 7
# The most populous zone of each clock comes first.
ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "America/Phoenix",
    "America/Anchorage",
    "Pacific/Honolulu",
    "America/Halifax",
    "America/St_Johns",
    "America/Regina",
    "America/Puerto_Rico",
    "America/Mexico_City",
    "America/Sao_Paulo",
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "Europe/Istanbul",
    "UTC",
    "Asia/Dubai",
    "Asia/Kolkata",
    "Asia/Shanghai",
    "Asia/Tokyo",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Australia/Brisbane",
    "Australia/Perth",
    "Australia/Lord_Howe",
    "Pacific/Auckland",
)
STEP_S = 6 * 3600


@dataclass(frozen=True, slots=True)
class LocalTime:
    """What a LocalTimeParameters entry says: offsets in seconds, rules as numbers, and its title."""

    tz_offset: int
    dst_offset: int = 0
    dst_start: int = 0
    dst_end: int = 0
    title: str = ""


@lru_cache(maxsize=256)
def zone_for(clock: LocalTime, year: int, default: str) -> tuple[str, Evidence]:
    """Return the zone that kept this clock in a year: the one its title names, the default, or one of a list."""
    at = epoch_s(datetime(year, 1, 1, tzinfo=UTC)) + np.arange(0, 366 * DAY_S, STEP_S, dtype=np.int64)
    wanted = np.full(at.size, clock.tz_offset, np.int64)
    starts, ends = _change(clock.dst_start, year), _change(clock.dst_end, year)
    if clock.dst_offset and starts is not None and ends is not None:
        begin, end = starts - clock.tz_offset, ends - clock.tz_offset - clock.dst_offset
        inside = (at >= begin) & (at < end) if begin < end else (at >= begin) | (at < end)
        wanted[inside] += clock.dst_offset
    shown = f"tzOffset {clock.tz_offset}, dstOffset {clock.dst_offset}"
    for name in _candidates(clock.title, default):
        if np.array_equal(utc_offsets(at, name), wanted):
            return name, Evidence("zone", name, f"LocalTimeParameters: {shown} and its rules", "--zone")
    if not clock.dst_offset and clock.tz_offset % 3600 == 0 and abs(clock.tz_offset) <= 12 * 3600:
        name = f"Etc/GMT{-clock.tz_offset // 3600:+d}" if clock.tz_offset else "UTC"
        return name, Evidence("zone", name, f"LocalTimeParameters: {shown}", "--zone")
    because = f"LocalTimeParameters ({shown}) fit no zone we list; local days follow the default zone"
    return default, Evidence("zone", default, because, "--zone")


def local_time(zone: str, year: int) -> LocalTime:
    """Return the parameters of a zone's clock in a year; of several changes, the first pair is told."""
    first = epoch_s(datetime(year, 1, 1, tzinfo=UTC))
    edges, offsets = zone_changes(first, epoch_s(datetime(year + 1, 1, 1, tzinfo=UTC)), zone)
    standard = int(offsets.min())
    pairs = list(zip(edges.tolist(), offsets[:-1].tolist(), offsets[1:].tolist(), strict=True))
    forward = next((pair for pair in pairs if pair[2] > pair[1]), None)
    backward = next((pair for pair in pairs if pair[2] < pair[1]), None)
    if forward is None or backward is None:
        return LocalTime(int(offsets[0]), title=zone)
    summer = int(offsets.max()) - standard
    return LocalTime(standard, summer, _rule(forward[0] + forward[1]), _rule(backward[0] + backward[1]), zone)


def _candidates(title: str, default: str) -> Iterator[str]:
    for name in (title, default):
        try:
            zone_of(name)
        except InputError:
            continue
        yield name
    yield from ZONES


def _change(rule: int, year: int) -> int | None:
    """Return the wall-clock second (since 1970) at which a rule changes the clock in a year; None for no such rule."""
    month, operator, day = rule >> 28 & 0xF, rule >> 25 & 0x7, rule >> 20 & 0x1F
    weekday, seconds = (rule >> 17 & 0x7) - 1, (rule >> 12 & 0x1F) * 3600 + (rule & 0xFFF)
    if not 1 <= month <= 12:  # noqa: PLR2004 - months
        return None
    length = calendar.monthrange(year, month)[1]
    if operator == ON_DAY:
        start = min(max(day, 1), length)
    elif operator == LAST:
        start = length - (date(year, month, length).weekday() - weekday) % 7
    else:
        earliest = max(day, 1) if operator == ON_OR_AFTER else 1 + 7 * (operator - FIRST)
        start = min(earliest, length)
        start += (weekday - date(year, month, start).weekday()) % 7
    moment = datetime(year, month, 1, tzinfo=UTC) + timedelta(days=start - 1, seconds=seconds)
    return epoch_s(moment)


def _rule(wall_s: int) -> int:
    """Return the rule of a change that happened at a wall-clock second: which weekday of its month."""
    moment = from_epoch_s(wall_s)
    last = moment.day + 7 > calendar.monthrange(moment.year, moment.month)[1]
    operator = LAST if last else FIRST + (moment.day - 1) // 7
    seconds = moment.minute * 60 + moment.second
    return moment.month << 28 | operator << 25 | (moment.weekday() + 1) << 17 | moment.hour << 12 | seconds
