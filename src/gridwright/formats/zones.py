"""Which clock wrote the stamps: offsets matched to a zone, and the clock changes that naive stamps show or lack."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.domain.calendar import local_to_utc, utc_offsets, zone_changes
from gridwright.domain.interval import DAY_S, zone_of
from gridwright.domain.verdict import Evidence
from gridwright.formats.source import ReadOptions

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

# One zone for each way of changing clocks, the most populous first.
CANDIDATES = (
    "Europe/Berlin",
    "Europe/London",
    "Europe/Athens",
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Los_Angeles",
    "Australia/Sydney",
    "Australia/Adelaide",
    "Pacific/Auckland",
    "America/Santiago",
    "Australia/Lord_Howe",
)
# A share of the meters is enough to show that an hour was stamped twice.
OFTEN = 1.3
# 2100-01-01
FAR_S = 4_102_444_800
FIXED = ("Australia/Brisbane", "Asia/Shanghai", "Asia/Taipei", "Asia/Kolkata", "Asia/Tokyo")


def zone_evidence(options: ReadOptions) -> Evidence:
    """Say which civil days the readings are counted in where a format of UTC stamps tells no zone."""
    if options.zone:
        return Evidence("zone", options.zone, "given", "--zone")
    return Evidence("zone", options.default_zone, "assumed for local days: the file names none", "--zone")


@dataclass(frozen=True, slots=True)
class Clock:
    """The clock naive stamps were written by: `zone`, or a `fixed_s` seconds east of UTC all year round.

    `zone` also tells the local days of the usage point, whatever clock wrote the stamps.
    """

    zone: str
    fixed_s: int | None = None


def zone_from_offsets(at: Ints, offset: Ints, default: str) -> tuple[Clock, Evidence]:
    """Find a zone that has the offsets which the stamps carry; the default where it fits."""
    near = is_near(at)
    at, offset = at[near], offset[near]
    shown = ", ".join(_hours(int(value)) for value in np.unique(offset)[:4])
    # Stamps in UTC are how systems talk to each other; they do not tell where a usage point is.
    utc = not np.any(offset)
    for name in (default,) if utc else (default, *FIXED, *CANDIDATES):
        if np.array_equal(utc_offsets(at, name), offset):
            return Clock(name), Evidence("zone", name, f"stamps carry its offset ({shown})", "--zone")
    if utc:
        because = "stamps are UTC; local days follow the default zone"
        return Clock(default), Evidence("zone", default, because, "--zone")
    if np.unique(offset).size == 1 and abs(int(offset[0])) <= 12 * 3600 and int(offset[0]) % 3600 == 0:
        name = f"Etc/GMT{-int(offset[0]) // 3600:+d}"
        return Clock(name), Evidence(
            "zone", name, f"stamps carry the offset {shown}, no clock change is seen", "--zone"
        )
    because = f"stamps carry offsets ({shown}) of no zone we list; local days follow the default zone"
    return Clock(default), Evidence("zone", default, because, "--zone")


def zone_from_changes(wall: Ints, default: str) -> tuple[Clock, Evidence]:
    """Find out whether naive stamps change their clock, by the skipped and the repeated hours of known zones."""
    wall = wall[is_near(wall)]
    if wall.size:
        verdicts = {name: _changes(wall, name) for name in dict.fromkeys((default, *CANDIDATES))}
        for name, seen in verdicts.items():
            if seen.shown and not seen.lacking:
                return Clock(name), Evidence("zone", name, f"{seen.shown[0]}, as clocks do there", "--zone")
        lacking = [text for seen in verdicts.values() if not seen.shown for text in seen.lacking]
        if lacking and not any(seen.shown for seen in verdicts.values()):
            fixed = standard_offset(default, int(wall.min()))
            shown = f"{_hours(fixed)} all year" if fixed else "UTC all year"
            because = (
                f"{lacking[0]}, and no other zone fits: this clock never changes. Which offset it keeps is assumed; "
                f"local days follow the default zone {default}{_doubt(wall)}"
            )
            return Clock(default, fixed), Evidence("zone", shown, because, "--zone")
    return Clock(default), Evidence("zone", default, "assumed: nothing in the file tells it", "--zone")


def standard_offset(name: str, at: int) -> int:
    """Return the seconds east of UTC of a zone's winter in the year around an instant."""
    year = at + np.arange(0, 366 * DAY_S, 30 * DAY_S, dtype=np.int64)
    return int(utc_offsets(year, name).min())


@dataclass(frozen=True, slots=True)
class _Seen:
    shown: tuple[str, ...]
    lacking: tuple[str, ...]


def _changes(wall: Ints, name: str) -> _Seen:
    """Compare the stamps around each clock change of a zone with those of the hour before."""
    zone_of(name)
    first, last = int(wall.min()), int(wall.max())
    edges, values = zone_changes(first - DAY_S, last + DAY_S, name)
    shown: list[str] = []
    lacking: list[str] = []
    for edge, before, after in zip(edges.tolist(), values[:-1].tolist(), values[1:].tolist(), strict=True):
        length = abs(after - before)
        opens = edge + min(before, after)
        # Zones also change for good, by odd amounts; those tell nothing about a yearly change.
        if not 0 < length <= 2 * 3600 or not first <= opens - length or opens + 2 * length > last:
            continue
        inside, usual = _count(wall, opens, length), _count(wall, opens - length, length)
        if not usual:
            continue
        stamp = np.datetime64(opens, "s")
        if after > before:
            (shown if inside <= usual * 0.1 else lacking).append(
                f"{stamp} does not occur" if inside <= usual * 0.1 else f"{stamp} occurs, which {name} skips"
            )
        else:
            (shown if inside >= usual * 1.5 else lacking).append(
                f"{stamp} occurs twice" if inside >= usual * 1.5 else f"{stamp} occurs once, which {name} repeats"
            )
    return _Seen(tuple(shown), tuple(lacking))


def _doubt(wall: Ints) -> str:
    """Name a zone whose skipped hour in spring seems to be stamped an hour early, as meters on winter time do."""
    first, last = int(wall.min()), int(wall.max())
    for name in CANDIDATES:
        edges, values = zone_changes(first, last, name)
        for edge, before, after in zip(edges.tolist(), values[:-1].tolist(), values[1:].tolist(), strict=True):
            opens, length = edge + before, after - before
            usual = _count(wall, opens - 2 * length, length) if length > 0 else 0
            if usual and _count(wall, opens - length, length) >= usual * OFTEN:
                day = np.datetime64(opens, "s").astype("datetime64[D]")
                return (
                    f"; but on {day} some stamps come twice, just before clocks change in {name}: are the meters there?"
                )
    return ""


def _count(wall: Ints, start: int, length: int) -> int:
    return int(np.count_nonzero((wall >= start) & (wall < start + length)))


def _hours(seconds: int) -> str:
    return f"{'-' if seconds < 0 else '+'}{abs(seconds) // 3600:02d}:{abs(seconds) % 3600 // 60:02d}"


def is_near(at: Ints) -> Mask:
    """Tell which stamps lie between 1970 and 2100: clock changes outside are history or guesswork."""
    return np.asarray((at >= 0) & (at < FAR_S))


def wall_to_utc(wall: Ints, name: str) -> tuple[Ints, Mask, Mask]:
    """Turn wall-clock seconds into (utc, repeated, skipped), the first pass of a repeated hour.

    Stamps before 1970 and after 2100 are read in winter time: a wrong century must not cost a search for its changes.
    """
    near = is_near(wall)
    if near.all():
        return local_to_utc(wall, name)
    at = wall - standard_offset(name, 0)
    repeated, skipped = np.zeros(wall.size, np.bool_), np.zeros(wall.size, np.bool_)
    at[near], repeated[near], skipped[near] = local_to_utc(wall[near], name)
    return at, repeated, skipped


def second_passes(point: npt.NDArray[np.int32], at: Ints, repeated: Mask) -> Mask:
    """Tell which stamps of a repeated hour belong to its second pass, by the order of the rows of each usage point.

    Behind the one step back of an hour all are of the second pass; without one, as where rows are sorted by their
    stamp, the later of two equal stamps is. Rows that run backwards in time list the second pass first.
    """
    second = np.zeros(at.size, np.bool_)
    rows = np.flatnonzero(repeated)
    if not rows.size:
        return second
    backwards = bool(np.median(np.diff(at)) < 0) if at.size > 1 else False
    rows = rows[::-1] if backwards else rows
    place = rows[np.argsort(point[rows], kind="stable")]
    again, back, hour = _again(point[place], at[place]), *_steps_back(point[place], at[place])
    if not again.any() and not back.any():
        return second
    turned = np.bincount(hour, back) == 1
    alone = turned & (np.bincount(hour, again) == 0)
    if alone.any():
        # No stamp comes twice: a step back is a second pass only where the other rows are in order.
        ordered = _in_order(point, at, backwards=backwards)
        turned[hour[back]] &= ~alone[hour[back]] | ordered[point[place][back]]
    passed = np.cumsum(back)
    before: Ints = (passed - back)[np.r_[True, hour[1:] != hour[:-1]]]
    second[place] = np.where(turned[hour], passed > before[hour], again)
    return second


def _again(point: npt.NDArray[np.int32], at: Ints) -> Mask:
    """Tell which rows have the point and the stamp of an earlier one."""
    order = np.lexsort((np.arange(at.size), at, point))
    again = np.zeros(at.size, np.bool_)
    again[order[1:]] = (np.diff(at[order]) == 0) & (np.diff(point[order]) == 0)
    return again


def _steps_back(point: npt.NDArray[np.int32], at: Ints) -> tuple[Mask, Ints]:
    """Tell which rows step back behind the one before, and which repeated hour of its point each row is of."""
    near = np.r_[False, (np.diff(point) == 0) & (np.abs(np.diff(at)) < DAY_S)]
    return near & np.r_[False, np.diff(at) < 0], np.cumsum(~near) - 1


def _in_order(point: npt.NDArray[np.int32], at: Ints, *, backwards: bool) -> Mask:
    """Tell of each point whether its rows step back only once."""
    order = np.argsort(point[::-1] if backwards else point, kind="stable")
    order = at.size - 1 - order if backwards else order
    step = (np.diff(at[order]) < 0) & (np.diff(point[order]) == 0)
    return np.asarray(np.bincount(point[order][1:], step, minlength=int(point.max()) + 1) == 1)


def change_lengths(at: Ints, name: str) -> Ints:
    """Return by how many seconds the clock goes back at the change next after each instant: 3600, Lord Howe 1800."""
    before = utc_offsets(at, name).astype(np.int64)
    after = utc_offsets(at + 3 * 3600, name).astype(np.int64)
    return np.where(before > after, before - after, 3600)
