"""Doubts about readings as they arrive, before they lie on a grid: V03 twice, V04 off the grid, V06 future or late."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar

import numpy as np

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s, local_midnight, zone_of
from gridwright.domain.readings import Readings
from gridwright.domain.verdict import Intake
from gridwright.vee.runs import Index


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The same interval came more than once."""

    code: ClassVar[str] = "V03_duplicate"

    def __call__(self, readings: Readings) -> list[Finding]:
        """Return a finding for each stretch; INFO where the repeats are equal, else WARN."""
        return duplicate_findings(readings)


@dataclass(frozen=True, slots=True)
class Late:
    """Readings of a local day arrive after `hour` o'clock of the `days`-th day after it."""

    days: int = 1
    hour: int = 7
    code: ClassVar[str] = "V06_late"

    def __call__(self, readings: Readings, arrived: datetime, zone: str) -> list[Finding]:
        """Return an INFO finding for each stretch of late readings; `zone`: of the usage points' days."""
        local = arrived.astimezone(zone_of(zone))
        after_hour = (local.hour, local.minute, local.second, local.microsecond) > (self.hour, 0, 0, 0)
        newest = local.date() - timedelta(days=self.days if after_hour else self.days + 1)
        end = epoch_s(local_midnight(newest + timedelta(days=1), zone_of(zone)))
        late = np.flatnonzero(readings.at < end)
        order = late[np.lexsort((readings.at[late], readings.point[late]))]
        return _stretches(readings, order, self.code, Severity.INFO, f"came late, at {arrived.isoformat()}, and begin")


def duplicate_findings(readings: Readings) -> list[Finding]:
    """Return a V03 finding for each stretch of intervals that came more than once.

    INFO where the repeats are equal, WARN where they contradict each other.
    """
    other, same = _repeated(readings)
    return [
        *_stretches(readings, other, "V03_duplicate", Severity.WARN, "came again with another value"),
        *_stretches(readings, same, "V03_duplicate", Severity.INFO, "came again with the same value"),
    ]


IN_ONE_REQUEST = "came twice in one request, with other values; the better quality counts, then the later"


def contradiction_findings(readings: Readings, text: str = IN_ONE_REQUEST) -> list[Finding]:
    """Return a V03 finding for each stretch of intervals that came more than once, with other values; `text`: how.

    Samples contradict none: of an interval the last one is kept.
    """
    if readings.reading_type.is_sampled(readings.interval_s):
        return []
    length = timedelta(seconds=max(readings.interval_s, 1))
    things = "intervals" if readings.interval_s else "register reads"
    found = _stretches(readings, _repeated(readings)[0], "V03_duplicate", Severity.WARN, text)
    slots = [each.period.slots(length) for each in found]
    return [replace(each, message=f"{n} {things} {text}", slots=n) for each, n in zip(found, slots, strict=True)]


def _repeated(readings: Readings) -> tuple[Index, Index]:
    """Return which readings repeat the one before of the same interval with another value, and which with the same.

    Those without a value do neither.
    """
    order = np.lexsort((readings.at, readings.point))
    order = order[~np.isnan(readings.value[order])]
    point, at, value = readings.point[order], readings.at[order], readings.value[order]
    again = np.flatnonzero((point[1:] == point[:-1]) & (at[1:] == at[:-1]))
    same = value[again + 1] == value[again]
    return order[again[~same] + 1], order[again[same] + 1]


def future_findings(readings: Readings, not_after_s: int) -> list[Finding]:
    """Return a V06 finding for each stretch of readings that begin after `not_after_s` (epoch seconds)."""
    late = np.flatnonzero(readings.at > not_after_s)
    order = late[np.lexsort((readings.at[late], readings.point[late]))]
    return _stretches(readings, order, "V06_future", Severity.FAIL, "begin in the future")


def off_grid_findings(readings: Readings) -> list[Finding]:
    """Return a V04 finding for each stretch of readings that do not begin on a multiple of their interval."""
    if readings.interval_s == 0:
        return []
    off = np.flatnonzero(readings.at % readings.interval_s)
    order = off[np.lexsort((readings.at[off], readings.point[off]))]
    text = f"begin off the {readings.interval_s} s grid"
    return _stretches(readings, order, "V04_align", Severity.FAIL, text)


def _stretches(readings: Readings, which: Index, code: str, severity: Severity, text: str) -> list[Finding]:
    """Return one finding for each run of neighbouring intervals among `which`, sorted by usage point and time."""
    if which.size == 0:
        return []
    point, at, length = readings.point[which], readings.at[which], max(readings.interval_s, 1)
    breaks = np.flatnonzero((point[1:] != point[:-1]) | (at[1:] - at[:-1] > length)) + 1
    found = []
    for first, last in zip(np.r_[0, breaks].tolist(), np.r_[breaks, which.size].tolist(), strict=True):
        period = Interval(from_epoch_s(int(at[first])), from_epoch_s(int(at[last - 1]) + length))
        line = int(readings.line[which[first]])
        message = f"{last - first} readings from line {line} on {text}"
        name = readings.points[int(point[first])]
        found.append(Finding(code, name, period, severity, message, readings.reading_type, last - first))
    return found


def intake_findings(intake: Intake, usage_points: Sequence[str], period: Interval) -> list[Finding]:
    """Return V03 findings from the counts of a whole file; the usage point is named where the file holds only one."""
    name = usage_points[0] if len(usage_points) == 1 else ""
    counts = (
        (intake.conflicting, Severity.WARN, "came again with another value; the better, then the later one was kept"),
        (intake.repeated, Severity.INFO, "came again with the same value and were dropped"),
    )
    return [
        Finding("V03_duplicate", name, period, severity, f"{count} readings of {intake.source} {text}", slots=count)
        for count, severity, text in counts
        if count
    ]
