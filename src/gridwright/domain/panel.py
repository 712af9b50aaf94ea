"""Panel, the noun that carries the load: many usage points × consecutive intervals of one reading type."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar, local_calendar
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import DELIVERED_ENERGY, Quantity, ReadingType

Values = npt.NDArray[np.float64]
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """Values of n usage points over consecutive intervals of one length, on one grid.

    `values`: float64[n, slots], whole numbers of the reading type's resolution, NaN = no value.
    `quality`: uint8[n, slots], see `gridwright.domain.quality`. `start`: aware UTC instant of slot 0.
    Left out, `quality` is RAW where there is a value and MISSING elsewhere.
    """

    points: tuple[str, ...]
    start: datetime
    interval: timedelta
    values: Values
    quality: q.Qualities = field(default_factory=lambda: np.empty(0, np.uint8))
    reading_type: ReadingType = DELIVERED_ENERGY

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.values.shape[0] != len(self.points):  # noqa: PLR2004 - rows and columns
            raise GridMismatch(f"values of shape {self.values.shape} do not fit {len(self.points)} usage points")
        if self.quality.size == 0:
            object.__setattr__(self, "quality", default_quality(self.values))
        if self.quality.shape != self.values.shape:
            raise GridMismatch(f"quality of shape {self.quality.shape} does not fit values {self.values.shape}")
        object.__setattr__(self, "start", Interval(self.start, self.start).start)

    @property
    def slots(self) -> int:
        """Number of intervals."""
        return int(self.values.shape[1])

    @property
    def interval_s(self) -> int:
        """Interval length in seconds."""
        return int(self.interval.total_seconds())

    @property
    def slots_per_day(self) -> int:
        """Intervals in 24 hours."""
        return 86_400 // self.interval_s

    @property
    def end(self) -> datetime:
        """Instant at which the last interval ends."""
        return self.start + self.interval * self.slots

    @property
    def period(self) -> Interval:
        """The half-open period the grid covers."""
        return Interval(self.start, self.end)

    @property
    def times(self) -> npt.NDArray[np.datetime64]:
        """Start of each slot, datetime64[s] in UTC."""
        seconds = epoch_s(self.start) + self.interval_s * np.arange(self.slots, dtype=np.int64)
        return seconds.astype("datetime64[s]")

    @property
    def kwh(self) -> Values:
        """Energy in kWh, float64[n, slots]; power is averaged over its interval."""
        if self.reading_type.quantity is Quantity.POWER:
            energy: Values = self.kw * (self.interval / HOUR)
            return energy
        return self._scaled(Quantity.ENERGY)

    @property
    def kw(self) -> Values:
        """Mean power in kW, float64[n, slots]."""
        if self.reading_type.quantity is Quantity.ENERGY:
            power: Values = self.kwh / (self.interval / HOUR)
            return power
        return self._scaled(Quantity.POWER)

    @property
    def _counts_per_kilo(self) -> float:
        return float(10.0 ** (3 - self.reading_type.exponent))

    def _scaled(self, quantity: Quantity) -> Values:
        if self.reading_type.quantity is not quantity:
            raise GridMismatch(f"{self.reading_type} is no {quantity}")
        # Division by a power of ten rounds once; multiplication by 1e-3 would round twice.
        kilo: Values = self.values / self._counts_per_kilo
        return kilo

    @property
    def missing(self) -> npt.NDArray[np.bool_]:
        """Where there is no value."""
        return np.isnan(self.values)

    def total_kwh(self) -> Values:
        """Energy of each usage point in kWh, float64[n]; exact to the resolution (whole counts are summed)."""
        if self.reading_type.quantity is not Quantity.ENERGY:
            return np.asarray(np.nansum(self.kwh, axis=1))
        total: Values = np.nansum(self.values, axis=1) / self._counts_per_kilo
        return total

    def calendar(self, zone: ZoneInfo | str) -> LocalCalendar:
        """Return the wall clock of the slots in `zone`."""
        return local_calendar(self.start, self.interval, self.slots, zone)

    def index(self, point: str) -> int:
        """Return the row of `point`; an absent one is NotFound."""
        try:
            return self.points.index(point)
        except ValueError:
            shown = ", ".join(self.points[:5])
            raise NotFound(f"usage point {point!r} is not here", remedy=f"known: {shown}") from None

    def rows(self, which: Sequence[int] | npt.NDArray[np.intp]) -> Panel:
        """Return the panel of some rows, in that order."""
        at = np.asarray(which, dtype=np.intp)
        points = tuple(map(self.points.__getitem__, at.tolist()))
        return replace(self, points=points, values=self.values[at], quality=self.quality[at])

    def row(self, point: str) -> Panel:
        """Return the one-row panel (IntervalBlock) of `point`."""
        return self.rows([self.index(point)])

    def slice(self, first: int, last: int) -> Panel:
        """Return slots first..last-1 as a view."""
        first, last = max(first, 0), min(last, self.slots)
        return replace(
            self,
            start=self.start + self.interval * first,
            values=self.values[:, first:last],
            quality=self.quality[:, first:last],
        )

    def between(self, period: Interval) -> Panel:
        """Return the part whose intervals start within `period`, as a view; may be empty."""
        first = -((self.start - period.start) // self.interval)
        last = -((self.start - period.end) // self.interval)
        return self.slice(max(first, 0), max(first, last, 0))

    def regrid(self, period: Interval) -> Panel:
        """Return a panel that covers exactly `period` (on this panel's phase); slots without data are MISSING."""
        offset = period.start - self.start
        if offset % self.interval:
            raise GridMismatch(
                f"{period.start.isoformat()} is off the {self.interval_s} s grid that starts {self.start.isoformat()}"
            )
        slots = -((period.start - period.end) // self.interval)
        values = np.full((len(self.points), slots), np.nan)
        quality = np.full((len(self.points), slots), q.MISSING, np.uint8)
        shift = offset // self.interval
        source = slice(max(shift, 0), max(min(shift + slots, self.slots), shift, 0))
        target = slice(source.start - shift, source.stop - shift)
        values[:, target] = self.values[:, source]
        quality[:, target] = self.quality[:, source]
        return replace(self, start=period.start, values=values, quality=quality)

    def with_values(self, values: Values, quality: q.Qualities | None = None) -> Panel:
        """Return the same grid with other values (and quality, when given)."""
        return replace(self, values=values, quality=self.quality if quality is None else quality)

    def rescaled(self, exponent: int) -> Panel:
        """Return the panel counted in 10**exponent base units; going coarser rounds half to even."""
        factor = 10.0 ** abs(self.reading_type.exponent - exponent)
        finer = exponent <= self.reading_type.exponent
        values = self.values * factor if finer else np.rint(self.values / factor)
        return replace(self, values=values, reading_type=self.reading_type.finer(exponent))

    def count(self, statuses: tuple[q.Status, ...]) -> npt.NDArray[np.int64]:
        """Return how many slots of each row carry one of `statuses`, int64[n]."""
        counts: npt.NDArray[np.int64] = q.has_status(self.quality, statuses).sum(axis=1)
        return counts

    def __repr__(self) -> str:
        names = self.points[0] if len(self.points) == 1 else f"{len(self.points)} usage points"
        return (
            f"<Panel {names}: {self.slots} × {self.interval_s // 60} min from "
            f"{self.start.isoformat()}, {self.reading_type}>"
        )


def default_quality(values: Values) -> q.Qualities:
    """Return RAW where there is a value and MISSING elsewhere."""
    return np.where(np.isnan(values), np.uint8(q.MISSING), np.uint8(q.RAW))


def concat_points(panels: Iterable[Panel]) -> Panel:
    """Stack panels of one reading type and interval on the grid that covers them all; slots without data: MISSING."""
    parts = list(panels)
    if not parts:
        raise GridMismatch("no panel to stack")
    first = parts[0]
    for part in parts[1:]:
        if (part.interval, part.reading_type) != (first.interval, first.reading_type):
            raise GridMismatch(f"{part!r} does not fit {first!r}")
    period = Interval(min(part.start for part in parts), max(part.end for part in parts))
    whole = [part if part.period == period else part.regrid(period) for part in parts]
    return replace(
        first,
        points=tuple(point for part in whole for point in part.points),
        start=period.start,
        values=np.concatenate([part.values for part in whole]),
        quality=np.concatenate([part.quality for part in whole]),
    )


def empty_panel(points: Sequence[str], period: Interval, interval: timedelta, kind: ReadingType) -> Panel:
    """Return a panel without any value."""
    shape = (len(points), period.slots(interval))
    return Panel(tuple(points), period.start, interval, np.full(shape, np.nan), reading_type=kind)


def slot_time(panel: Panel, slot: int) -> datetime:
    """Return the instant at which `slot` begins."""
    return from_epoch_s(epoch_s(panel.start) + panel.interval_s * slot)
