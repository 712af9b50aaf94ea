"""What would be changed and is in the archive alone: named, with the way back. Who only reads it need not know."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.month import month_days, month_name
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.usage_point import FOREVER
from gridwright.store import Store
from gridwright.store.archive.archive import ArchivePart
from gridwright.store.days.series import Extent

EVER = Interval(datetime(1, 1, 1, tzinfo=UTC), FOREVER)
NAMED = 3  # months that a sentence names one by one


@dataclass(frozen=True, slots=True)
class Away:
    """Months that left the database, in order, the archives they are in, and whose readings are missing of them."""

    months: tuple[int, ...]
    places: tuple[str, ...]
    points: tuple[str, ...]

    def __bool__(self) -> bool:
        return bool(self.months)

    def __str__(self) -> str:
        names = [month_name(month) for month in self.months]
        told = ", ".join(names) if len(names) <= NAMED else f"{names[0]} … {names[-1]} ({len(names)} months)"
        verb = "is" if len(names) == 1 else "are"
        place = f" {', '.join(self.places)}" if self.places else ""
        return f"{told} {verb} in the archive{place} and no longer in the database"

    @property
    def whose(self) -> str:
        """Name the usage point, or how many there are, before the sentence; nothing where anybody's are asked for."""
        if not self.points:
            return ""
        return f"{self.points[0]}: " if len(self.points) == 1 else f"{len(self.points):,} usage points: "

    def conflict(self) -> Conflict:
        """Return the refusal to change what is not there."""
        return Conflict(f"{self.whose}{self}", remedy=self.remedy)

    @property
    def remedy(self) -> str:
        """How the months come back."""
        names = [month_name(month) for month in self.months]
        told = names if len(names) <= NAMED else names[:1]
        return "; ".join(f"gridwright archive restore {name}" for name in told) + (
            "" if len(names) <= NAMED else ", and so each of the months"
        )


def months_missing(
    store: Store,
    access: Access,
    points: Sequence[str] | None = None,
    period: Interval | None = None,
    *,
    kinds: Collection[ReadingType] | None = None,
    images: Collection[Image] = tuple(Image),
) -> Away:
    """Return which months within a period (None: ever) the database no longer holds of usage points that had readings.

    `points` None = of anybody, `kinds` None = of any type. A final image may be of a type that was not read, which is
    then missing with the rest.
    """
    parts = [part for part in store.archive.away(access, period or EVER) if part.image in set(map(str, images))]
    if kinds is not None:
        codes = {kind.code for kind in kinds}
        parts = [part for part in parts if part.code in codes]
    if not parts:
        return Away((), (), ())
    if points is None:
        found = [(part, "") for part in parts]
    else:
        found = list(_reached(parts, store.readings.extents(access, points), period))
    return Away(
        tuple(sorted({part.month for part, _ in found})),
        # Where the archive is, is nobody's business who sees some usage points only.
        tuple(sorted({part.address for part, _ in found})) if access.points is None else (),
        tuple(sorted({name for _, name in found if name})),
    )


def require_here(
    store: Store,
    access: Access,
    points: Sequence[str] | None = None,
    period: Interval | None = None,
    *,
    kinds: Collection[ReadingType] | None = None,
    images: Collection[Image] = tuple(Image),
) -> None:
    """Raise a Conflict where what is asked for is in the archive alone; parameters as of `months_missing`."""
    away = months_missing(store, access, points, period, kinds=kinds, images=images)
    if away:
        raise away.conflict()


def _reached(
    parts: Sequence[ArchivePart], extents: Sequence[Extent], period: Interval | None
) -> Iterator[tuple[ArchivePart, str]]:
    """Yield the parts with the usage points that have a series on days of the month that are asked for."""
    known = {each.reading_type.code for each in extents}
    for part in parts:
        days = month_days(part.month)
        for each in extents:
            same = each.reading_type.code == part.code or part.code not in known
            first, last = max(days.start, each.first_day), min(days.stop, each.last_day)
            if same and first < last and (period is None or _asked(first, last).overlaps(period)):
                yield part, each.usage_point


def _asked(first: int, last: int) -> Interval:
    return Interval(from_epoch_s(first * DAY_S), from_epoch_s(last * DAY_S))
