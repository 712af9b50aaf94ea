"""Register reads of usage points, and what is known of the meters that gave them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

from gridwright.domain.errors import InputError
from gridwright.domain.hung import all_named, counting, counts, factor_between
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.rollover import as_shown
from gridwright.domain.usage_point import Installation, Meter, installed_at

LEAST_DIALS = 5
COARSEST_LSB = 1000


@lru_cache(maxsize=64)
def counted(kind: ReadingType) -> ReadingType:
    """Return the register of a type in base units: reads of one register may come in several resolutions."""
    return kind.register().finer(0)


@lru_cache(maxsize=256)
def counts_up(read: ReadingType, wanted: ReadingType) -> bool:
    """Tell whether a read's type is `wanted`, whatever its resolution."""
    return read.finer(0) == wanted


def no_zone(point: str, read: RegisterReading) -> InputError:
    """Return what to answer to a read without a time zone."""
    return InputError(
        f"register read {read.value} of {point} at {read.at.isoformat()} has no time zone",
        remedy="give the instant with an offset, such as +00:00",
    )


@dataclass(frozen=True, slots=True)
class Registers:
    """Register reads of usage points, with what is installed there.

    `meters`: serial → Meter (dials, resolution). Where a read's meter is unknown, the resolution is read from its
    values (at most 1 kWh) and the dials from their length (at least 5). So it is for one that is registered without a
    word about its dials. Where `installations` are known at a usage point, a read counts with the factor of its own
    meter's, and only while that hung there; else by 1. A read that is an estimate is left out: it proves nothing.
    """

    reads: Mapping[str, Sequence[RegisterReading]] = field(default_factory=dict)
    meters: Mapping[str, Meter] = field(default_factory=dict)
    installations: Sequence[Installation] = ()
    _history: dict[str, list[Installation]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for each in self.installations:
            self._history.setdefault(each.usage_point, []).append(each)
        if any(read.is_estimate for some in self.reads.values() for read in some):
            taken = {point: [read for read in some if not read.is_estimate] for point, some in self.reads.items()}
            object.__setattr__(self, "reads", taken)
        if self._history:
            reads = {point: all_named(self.history(point), some) for point, some in self.reads.items()}
            object.__setattr__(self, "reads", reads)

    def meters_of(self, reads: Sequence[RegisterReading]) -> dict[str, Meter]:
        """Return the meters that gave `reads`, by serial; known, or inferred from all its values."""
        by_serial: dict[str, list[RegisterReading]] = {}
        for read in reads:
            by_serial.setdefault(read.end_device, []).append(read)
        return {serial: self._meter(serial, several) for serial, several in by_serial.items()}

    def _meter(self, serial: str, reads: Sequence[RegisterReading]) -> Meter:
        known = self.meters.get(serial)
        if known is not None and known.dials is not None:
            return known
        if known is not None and known.lsb_wh > 1:
            shown = as_shown(known, reads)
            return replace(shown, dials=max(LEAST_DIALS, shown.dials or 0))
        inferred = self._inferred(reads)
        return inferred if known is None else replace(known, dials=inferred.dials, lsb_wh=inferred.lsb_wh)

    def _inferred(self, reads: Sequence[RegisterReading]) -> Meter:
        wh = [read.value * read.reading_type.resolution for read in reads]
        steps = (step for step in (COARSEST_LSB, 100, 10) if not any(value % step for value in wh))
        lsb = next(steps, 1)
        digits = len(str(int(max(map(abs, wh)) // lsb)))
        return Meter(reads[0].end_device, dials=max(LEAST_DIALS, digits), lsb_wh=lsb)

    def hung(self, read: RegisterReading) -> Meter:
        """Return the meter that gave a read, as it is registered; one that does not name it hung there then."""
        here = installed_at(self._history.get(read.usage_point, ()), read.usage_point, read.at)
        serial = read.end_device or (here.end_device if here else "")
        return self.meters.get(serial) or Meter(serial)

    def history(self, point: str) -> Sequence[Installation]:
        """Return what hung at a usage point."""
        return self._history.get(point, ())

    def factor(self, before: RegisterReading, after: RegisterReading) -> float | None:
        """Return what the difference of two reads counts times; None where no one factor holds for all of it."""
        return factor_between(self.history(before.usage_point), before, after)

    def counts(self, read: RegisterReading) -> bool:
        """Tell whether a read is of a meter that hung there then, as far as anybody knows."""
        return counts(self.history(read.usage_point), read)

    def of(self, point: str, panel: Panel) -> list[RegisterReading]:
        """Return the reads of `point` that count up the panel's reading type, in order of time.

        Those of meters that did not hang there then are left out: they say nothing of this usage point.
        """
        wanted = counted(panel.reading_type)
        known = self.reads.get(point, ())
        # Reads share few types: each is compared once, not once a read.
        kinds = {id(read.reading_type): read.reading_type for read in known}
        fits = {key: counts_up(kind, wanted) for key, kind in kinds.items()}
        reads = list(known) if all(fits.values()) else [read for read in known if fits[id(read.reading_type)]]
        for read in reads:
            if read.at.tzinfo is None:
                raise no_zone(point, read)
        ordered = sorted(reads, key=lambda read: (read.at, read.epoch))
        history = self.history(point)
        return ordered if all(counts(history, read) for read in ordered) else counting(history, ordered)
