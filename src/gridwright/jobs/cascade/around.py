"""What is known around readings besides them, and how it lies on the grid of each panel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from gridwright.domain.hung import plain_serial
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import FOREVER, Installation, Meter
from gridwright.vee.check_meter import CheckMeter
from gridwright.vee.circumstances import NOTHING_KNOWN, Circumstances, Condition, Configuration, StatusWords

EVER = Interval(datetime(1970, 1, 1, tzinfo=UTC), FOREVER)
# Longest interval that an attribute `interval_min` may name.
LONGEST_MIN = 1440.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A device said at an instant that something is the matter with it, or was `until` another."""

    at: datetime
    condition: Condition
    until: datetime | None = None

    def slots(self, panel: Panel) -> range:
        """Return the intervals of a panel that it marks."""
        first = (self.at - panel.start) // panel.interval
        last = first + 1 if self.until is None else -((panel.start - self.until) // panel.interval)
        return range(max(first, 0), min(max(last, first + 1), panel.slots))


@dataclass(frozen=True, slots=True)
class Meant:
    """How a usage point is meant to be read: attributes `interval_min`, `channels`, `units`; empty = not said."""

    interval: timedelta | None = None
    channels: frozenset[str] = frozenset()
    units: frozenset[str] = frozenset()

    def beside(self, panel: Panel) -> Configuration:
        """Return what a series would have to say of itself; of several channels or units the one that it has."""
        told = told_of(panel)
        return Configuration(
            EVER,
            channel=_one_of(self.channels, told.channel),
            unit=_one_of(self.units, told.unit),
            interval_s=int(self.interval.total_seconds()) if self.interval else None,
        )


def _one_of(allowed: frozenset[str], told: str | None) -> str | None:
    return told if told in allowed or not allowed else " or ".join(sorted(allowed))


@dataclass(frozen=True, slots=True, eq=False)
class Around:
    """`known`: what holds whatever the grid; `marks`: by usage point; `checks`: check meters under the main's id.

    `meant`: how each usage point is meant to be read. `installations`: what hangs or hung there; `meters`: by serial.
    """

    known: Circumstances = NOTHING_KNOWN
    marks: Mapping[str, Sequence[Mark]] = field(default_factory=dict)
    checks: tuple[Panel, ...] = ()
    meant: Mapping[str, Meant] = field(default_factory=dict)
    installations: Sequence[Installation] = ()
    meters: Mapping[str, Meter] = field(default_factory=dict)

    def of(self, panel: Panel, channels: tuple[Panel, ...]) -> Circumstances:
        """Return what is known around one panel, whose other channels are at hand."""
        meant = {point: self.meant[point] for point in panel.points if point in self.meant}
        return replace(
            self.known,
            channels=channels,
            checks=self._checks(panel),
            status=status_words(panel, self.marks),
            installed=_with(self.known.installed, {point: one.beside(panel) for point, one in meant.items()}),
            told=_with(self.known.told, dict.fromkeys(meant, told_of(panel))),
        )

    def check_meter(self, panel: Panel) -> CheckMeter | None:
        """Return the check meter of a panel's usage points, whose values already hold its own factor."""
        checks = [check.regrid(panel.period) for check in self._checks(panel)]
        if not checks:
            return None
        points = tuple(point for check in checks for point in check.points)
        values, quality = (np.vstack(parts) for parts in zip(*((c.values, c.quality) for c in checks), strict=True))
        return CheckMeter(Panel(points, panel.start, panel.interval, values, quality, checks[0].reading_type))

    def _checks(self, panel: Panel) -> tuple[Panel, ...]:
        here = set(panel.points)
        return tuple(
            check
            for check in self.checks
            if check.interval == panel.interval
            and not (check.start - panel.start) % panel.interval
            and check.reading_type.finer(0) == panel.reading_type.finer(0)
            and check.period.overlaps(panel.period)
            and not here.isdisjoint(check.points)
        )


NOTHING_AROUND = Around()


def _with(
    known: Mapping[str, Sequence[Configuration]], more: Mapping[str, Configuration]
) -> Mapping[str, Sequence[Configuration]]:
    return {**known, **{point: [*known.get(point, ()), one] for point, one in more.items()}} if more else known


def told_of(panel: Panel) -> Configuration:
    """Return what a series says of itself; one without a channel's name does not tell its channel."""
    kind = panel.reading_type
    return Configuration(
        panel.period, channel=kind.channel or None, unit=kind.unit, interval_s=int(panel.interval.total_seconds())
    )


def status_words(panel: Panel, marks: Mapping[str, Sequence[Mark]]) -> StatusWords | None:
    """Return the conditions of the intervals in which something was marked; None where nothing was."""
    found = [
        (point, slots, mark.condition)
        for point in (panel.points if marks else ())
        for mark in marks.get(point, ())
        if (slots := mark.slots(panel))
    ]
    if not found:
        return None
    points = tuple(dict.fromkeys(point for point, _, _ in found))
    row = {point: place for place, point in enumerate(points)}
    words = np.zeros((len(points), panel.slots), np.uint32)
    for point, slots, condition in found:
        words[row[point], slots.start : slots.stop] |= np.uint32(condition)
    return StatusWords(points, panel.start, words)


def installed_as(
    installations: Sequence[Installation], meters: Mapping[str, Meter] | None = None
) -> dict[str, list[Configuration]]:
    """Return what is recorded to measure each usage point; digits of `meters` count where somebody stated them."""
    found: dict[str, list[Configuration]] = defaultdict(list)
    for each in installations:
        meter = (meters or {}).get(each.end_device)
        dials = None if meter is None else meter.dials
        found[each.usage_point].append(
            Configuration(each.period, end_device=each.end_device, multiplier=each.multiplier, dials=dials)
        )
    return found


def same_serials(
    told: Mapping[str, Sequence[Configuration]], installed: Mapping[str, Sequence[Configuration]]
) -> dict[str, list[Configuration]]:
    """Return what was said with serial numbers as they are recorded, which systems write in other ways.

    Of several meters that are named for one time, each on a channel of its own, one that is installed is enough.
    """
    found: dict[str, list[Configuration]] = {}
    for point, several in told.items():
        recorded = {plain_serial(each.end_device or ""): each.end_device for each in installed.get(point, ())}
        here = [each for each in several if plain_serial(each.end_device or "") in recorded]
        found[point] = [
            replace(each, end_device=recorded.get(plain_serial(each.end_device or "")))
            if any(each.period.overlaps(other.period) for other in here)
            else each
            for each in several
        ]
    return found
