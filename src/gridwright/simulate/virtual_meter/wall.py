"""The wall clock a meter shows: its zone's time with a season, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gridwright.protocols.iec62056_21 import BadStamp, Season, Stamp

ZERO = timedelta(0)


def stamp_of(moment: datetime, zone: ZoneInfo) -> Stamp:
    """Return a moment as the meter shows it."""
    local = moment.astimezone(zone)
    return Stamp(local.replace(tzinfo=None), Season.SUMMER if _is_summer(local) else Season.NORMAL)


def moment_of(stamp: Stamp, zone: ZoneInfo) -> datetime:
    """Return the moment a reader means; the season decides the repeated hour."""
    if stamp.season is Season.UTC:
        return stamp.moment.replace(tzinfo=UTC)
    first, second = (stamp.moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    wants_summer = stamp.season is Season.SUMMER
    chosen = first if stamp.season is None or _is_summer(first) == wants_summer else second
    try:
        return chosen.astimezone(UTC)
    except OverflowError as error:
        raise BadStamp(f"{stamp.moment} lies beyond the calendar") from error


def changes_season(start: datetime, length: timedelta, zone: ZoneInfo) -> bool:
    """Tell whether the wall clock was put forward or back within an interval."""
    return start.astimezone(zone).utcoffset() != (start + length).astimezone(zone).utcoffset()


def _is_summer(local: datetime) -> bool:
    """Tell whether the clock is ahead of the year's earliest one (Dublin counts its summer as the normal time)."""
    zone = local.tzinfo
    return isinstance(zone, ZoneInfo) and (local.utcoffset() or ZERO).total_seconds() > winter_offset_s(
        zone, local.year
    )


def winter_offset_s(zone: ZoneInfo, year: int) -> int:
    """Return the smaller of a year's two offsets from UTC."""
    offsets = [datetime(year, month, 1, tzinfo=zone).utcoffset() or ZERO for month in (1, 7)]
    return int(min(offsets).total_seconds())
