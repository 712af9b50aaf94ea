"""Quarantine: readings of meters nobody knows, kept as they came until someone claims them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np
from sqlalchemy import Row, Select, delete, func, select

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied, InputError, NotFound
from gridwright.domain.interval import DAY_S, MICRO, Interval
from gridwright.domain.quarantine import ClaimedBefore, Kept, QuarantinedMeter, QuarantinedReading
from gridwright.domain.readings import Readings
from gridwright.domain.usage_point import MAX_ID
from gridwright.store.audit import note
from gridwright.store.days.blocks import marks
from gridwright.store.instant import from_us, to_us
from gridwright.store.names import FEW, Names, every_type
from gridwright.store.quarantine_order import Arrivals, Key
from gridwright.store.quarantine_order import Row as StoredRow
from gridwright.store.schema.field import quarantined_reading as table
from gridwright.store.session import Session, Unit

Arrived = tuple[Key, int]  # with its quality
Saves = Callable[[Sequence[QuarantinedReading]], Collection[int]]
COLUMNS = "meter, at_us, interval_s, reading_type, value"
STORED = (
    f"SELECT {COLUMNS}, id, quality, claimed_us, let_go FROM quarantined_reading "  # noqa: S608 - placeholders
    "WHERE meter IN ({marks}) AND at_us BETWEEN ? AND ?"
)
ADD = f"INSERT INTO quarantined_reading ({COLUMNS}, quality, received_us) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - placeholders
MARK = "UPDATE quarantined_reading SET claimed_us = ?, let_go = ? WHERE id IN ({marks})"
# One that another writer adds at the same moment is left as it is.
INSERT = {
    "sqlite": f"{ADD} ON CONFLICT DO NOTHING",
    "postgresql": f"{ADD} ON CONFLICT DO NOTHING",
    "mysql": f"{ADD} ON DUPLICATE KEY UPDATE meter = meter",
}
DAY_US = DAY_S * MICRO
LIMIT = 10_000_000  # readings that may wait: a gigabyte or two


class Quarantine:
    """Readings that wait for a meter."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(self, access: Access, readings: Iterable[QuarantinedReading], *, received: datetime) -> int:
        """Keep readings and return how many are new; the same again changes nothing.

        Two that contradict each other both wait, in the order in which they came last.
        """
        access.require(Act.WRITE_READINGS)
        these = list(readings)
        for reading in these:
            _require_name(reading.meter)
            if not math.isfinite(reading.value):
                raise InputError(f"{reading.value} is no value", where=f"meter {reading.meter}")
        with self._session.writing(settled=False) as unit:
            return self._keep(unit, access, [self._arrived(unit, reading) for reading in these], received).new

    def save_series(
        self, access: Access, series: Sequence[Readings], *, received: datetime, room: int | None = None
    ) -> Kept:
        """Keep readings in columns, as `save` does; their `points` are the names that nobody knows.

        `room`: so many more may wait, those that come first.
        """
        access.require(Act.WRITE_READINGS)
        for part in series:
            _require_kept(part)
        if not series:
            return Kept(0)
        with self._session.writing(settled=False) as unit:
            arrived = list(chain.from_iterable(self._all_arrived(unit, part) for part in series))
            return self._keep(unit, access, arrived, received, room)

    def _keep(
        self, unit: Unit, access: Access, arrived: Sequence[Arrived], received: datetime, room: int | None = None
    ) -> Kept:
        arrivals = Arrivals.after(_stored(unit, arrived), room)
        arrivals.take_all(arrived)
        for at in range(0, len(arrivals.gone), FEW):
            unit.connection.execute(delete(table).where(table.c.id.in_(arrivals.gone[at : at + FEW])))
        if arrivals.new:
            came_us = to_us(received)
            # A statement of SQLAlchemy would look at each of a flood of rows once more.
            rows = [(*key, quality, came_us) for key, quality in arrivals.new.items()]
            unit.run_many(INSERT[unit.dialect], rows)
            meters = {key[0] for key in arrivals.new}
            subject = f"meter {meters.pop()}" if len(meters) == 1 else f"{len(meters)} meters"
            note(unit, access, Act.WRITE_READINGS, subject=subject, at=self._session.clock(), quarantined=len(rows))
        return Kept(len(arrivals.new), tuple(arrivals.let_go), tuple(arrivals.no_room))

    def _all_arrived(self, unit: Unit, part: Readings) -> Iterator[Arrived]:
        kind = self._names.make_type_key(unit, part.reading_type)
        meters = (part.points[point] for point in part.point.tolist())
        at_us = (part.at * 1_000_000).tolist()
        keys = zip(meters, at_us, repeat(part.interval_s), repeat(kind), part.value.tolist())
        return zip(keys, part.quality.tolist(), strict=False)

    def room(self, access: Access, limit: int | None = None) -> int:
        """Return how many more readings may wait, of LIMIT: names that nobody knows must not fill the disk."""
        access.require(Act.WRITE_READINGS)
        most = LIMIT if limit is None else limit
        with self._session.reading(settled=False) as unit:
            # Rows are numbered: mostly the last number tells enough, without a walk through them.
            kept = int(unit.connection.execute(select(func.max(table.c.id))).scalar() or 0)
            if kept >= most:
                waiting = select(func.count()).where(table.c.claimed_us.is_(None))
                kept = int(unit.connection.execute(waiting).scalar() or 0)
        return max(0, most - kept)

    def meters(self, access: Access, *, limit: int = 100, after: str = "") -> list[QuarantinedMeter]:
        """Return the unknown meters by name, those behind `after`; whoever sees a part of the town sees none."""
        _require_all(access, Act.READ)
        c = table.c
        query = (
            select(
                c.meter,
                func.count().label("readings"),
                func.min(c.at_us).label("first"),
                func.max(c.at_us).label("last"),
                func.max(c.received_us).label("received"),
            )
            .where(c.claimed_us.is_(None), c.meter > after)
            .group_by(c.meter)
            .order_by(c.meter)
            .limit(limit)
        )
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query).all()
        return [QuarantinedMeter(r.meter, r.readings, *_ends(r)) for r in rows]

    def readings(
        self, access: Access, meter: str, *, limit: int = 100_000, since: datetime | None = None, skip: int = 0
    ) -> list[QuarantinedReading]:
        """Return what waits of one meter, in order of time and arrival; from `since` on, less the first to `skip`."""
        _require_all(access, Act.READ)
        query = _waiting(meter) if since is None else _waiting(meter).where(table.c.at_us >= to_us(since))
        with self._session.reading(settled=False) as unit:
            return _to_readings(unit, unit.connection.execute(query.limit(limit).offset(skip)).all())

    def reaches(self, access: Access, meter: str) -> datetime | None:
        """Return until when the intervals reach that wait of one meter; None where none does."""
        _require_all(access, Act.READ)
        until = func.max(table.c.at_us + table.c.interval_s * 1_000_000)
        mine = (table.c.meter == meter, table.c.claimed_us.is_(None), table.c.interval_s > 0)
        with self._session.reading(settled=False) as unit:
            found = unit.connection.execute(select(until).where(*mine)).scalar()
        return None if found is None else from_us(int(found))

    def first_days(self, access: Access, meter: str, within: Interval, *, most: int) -> datetime | None:
        """Return until when the first whole UTC days are that hold `most` waiting readings of one meter, or more.

        None where no others wait behind those.
        """
        _require_all(access, Act.READ)
        c = table.c
        query = select(c.at_us).where(c.meter == meter, c.claimed_us.is_(None))
        query = query.where(c.at_us >= to_us(within.start), c.at_us < to_us(within.end)).order_by(c.at_us)
        with self._session.reading(settled=False) as unit:
            at_us = unit.connection.execute(query.offset(most).limit(1)).scalar()
            until_us = 0 if at_us is None else (int(at_us) // DAY_US + 1) * DAY_US
            behind = until_us and unit.connection.execute(query.where(c.at_us >= until_us).limit(1)).first()
        return from_us(until_us) if behind else None

    def waiting(self, access: Access, meter: str) -> int:
        """Return how many readings of one meter wait."""
        _require_all(access, Act.READ)
        query = select(func.count()).where(table.c.meter == meter, table.c.claimed_us.is_(None))
        with self._session.reading(settled=False) as unit:
            return int(unit.connection.execute(query).scalar() or 0)

    def meter(self, access: Access, meter: str, *, within: Interval | None = None) -> QuarantinedMeter | None:
        """Return how many readings of one meter wait, `within`: of that time only; None where none does."""
        _require_all(access, Act.READ)
        c = table.c
        ends = func.min(c.at_us).label("first"), func.max(c.at_us).label("last"), func.max(c.received_us).label("came")
        query = select(func.count().label("readings"), *ends).where(c.meter == meter, c.claimed_us.is_(None))
        if within is not None:
            query = query.where(c.at_us >= to_us(within.start), c.at_us < to_us(within.end))
        with self._session.reading(settled=False) as unit:
            row = unit.connection.execute(query).one()
        found = (from_us(row.first), from_us(row.last), from_us(row.came)) if row.readings else None
        return QuarantinedMeter(meter, row.readings, *found) if found else None

    def claimed(self, access: Access, meter: str, *, within: Interval | None = None) -> ClaimedBefore | None:
        """Return how many readings of one meter were claimed, `within`: of that time only; None where none was."""
        _require_all(access, Act.READ)
        c = table.c
        query = select(func.count(), func.max(c.claimed_us)).where(
            c.meter == meter, c.claimed_us.is_not(None), c.let_go == 0
        )
        if within is not None:
            query = query.where(c.at_us >= to_us(within.start), c.at_us < to_us(within.end))
        with self._session.reading(settled=False) as unit:
            readings, last = unit.connection.execute(query).one()
        return ClaimedBefore(readings, from_us(last)) if readings else None

    def claim(
        self, access: Access, meter: str, *, within: Interval | None = None, save: Saves | None = None
    ) -> list[QuarantinedReading]:
        """Take out what waits of one meter, in order of time and arrival; of two who claim at once one gets it.

        `within`: of that time only; the rest goes on waiting. `save` is given what waits and returns the places of what
        it did not take, which goes on waiting too.
        Call it inside `store.transaction()` and save the readings there: after an error they wait again.
        """
        _require_all(access, Act.WRITE_REGISTRY)
        with self._session.writing() as unit:
            query = _waiting(meter)
            if within is not None:
                query = query.where(table.c.at_us >= to_us(within.start), table.c.at_us < to_us(within.end))
            rows = unit.connection.execute(query.with_for_update()).all()
            found = _to_readings(unit, rows)
            left = save(found) if rows and save is not None else ()
            if left:
                kept = [place for place in range(len(rows)) if place not in left]
                rows, found = [rows[place] for place in kept], [found[place] for place in kept]
            if rows:
                at = self._session.clock()
                _mark(unit, [row.id for row in rows], to_us(at))
                note(unit, access, Act.WRITE_REGISTRY, subject=f"meter {meter}", at=at, claimed=len(rows))
            return found

    def drop(self, access: Access, meter: str, *, reason: str) -> int:
        """Let what waits of one meter go, and return how many readings; the same sent again does not come back.

        A meter of which nothing waits is NotFound, no reason an InputError.
        """
        _require_all(access, Act.WRITE_REGISTRY)
        if not reason.strip():
            raise InputError("letting readings go needs a reason", remedy="say why nobody will claim them")
        with self._session.writing(settled=False) as unit:
            rows = unit.connection.execute(_waiting(meter).with_for_update()).all()
            if not rows:
                remedy = "the list of the quarantine tells which do"
                raise NotFound(f"no readings of meter {meter!r} wait", remedy=remedy)
            at = self._session.clock()
            _mark(unit, [row.id for row in rows], to_us(at), let_go=1)
            why = reason.strip()
            note(unit, access, Act.WRITE_REGISTRY, subject=f"meter {meter}", at=at, dropped=len(rows), reason=why)
            return len(rows)

    def _arrived(self, unit: Unit, reading: QuarantinedReading) -> Arrived:
        kind = self._names.make_type_key(unit, reading.reading_type)
        return (reading.meter, to_us(reading.at), reading.interval_s, kind, float(reading.value)), reading.quality


def _ends(row: Row[Any]) -> tuple[datetime, datetime, datetime]:
    return from_us(row.first), from_us(row.last), from_us(row.received)


def _require_name(meter: str) -> None:
    if not meter or len(meter) > MAX_ID:
        raise InputError(f"meter {meter[:40]!r} must have 1 to {MAX_ID} characters")


def _require_kept(part: Readings) -> None:
    for point in np.unique(part.point).tolist():
        _require_name(part.points[point])
    wrong = np.flatnonzero(~np.isfinite(part.value))
    if wrong.size:
        row = int(wrong[0])
        raise InputError(f"{part.value[row]} is no value", where=f"meter {part.points[part.point[row]]}")


def _require_all(access: Access, act: Act) -> None:
    access.require(act)
    if access.points is not None:
        raise AccessDenied(f"{access.actor} may not see meters that nobody knows")


def _stored(unit: Unit, arrived: Sequence[Arrived]) -> Iterator[StoredRow]:
    """Yield what is there of the same meters on the same days: what waits, was claimed, or was let go."""
    for (first, last), meters in _reaches(arrived).items():
        for at in range(0, len(meters), FEW):
            part = meters[at : at + FEW]
            rows = unit.fetch(STORED.format(marks=marks(len(part))), (*part, first * DAY_US, (last + 1) * DAY_US - 1))
            for *key, number, quality, claimed, let_go in rows:
                yield StoredRow(
                    number, (key[0], key[1], key[2], key[3], key[4]), quality, claimed is None, bool(let_go)
                )


def _reaches(arrived: Sequence[Arrived]) -> dict[tuple[int, int], list[str]]:
    """Return the stretches of UTC days that something arrived of, each with its meters: a wrong clock reaches far."""
    first, last = min(key[1] for key, _ in arrived) // DAY_US, max(key[1] for key, _ in arrived) // DAY_US
    if last - first <= 1:  # as nearly always: one stretch for all of them
        return {(first, last): sorted({key[0] for key, _ in arrived})}
    days: dict[str, set[int]] = defaultdict(set)
    for (meter, at_us, *_), _ in arrived:
        days[meter].add(at_us // DAY_US)
    found: dict[tuple[int, int], list[str]] = defaultdict(list)
    for meter in sorted(days):
        mine = sorted(days[meter])
        breaks = [at for at in range(1, len(mine)) if mine[at] > mine[at - 1] + 1]
        for begin, end in pairwise([0, *breaks, len(mine)]):
            found[mine[begin], mine[end - 1]].append(meter)
    return found


def _waiting(meter: str) -> Select[Any]:
    columns = (table.c[name] for name in ("meter", "at_us", "value", "interval_s", "reading_type", "quality", "id"))
    query = select(*columns).where(table.c.meter == meter, table.c.claimed_us.is_(None))
    return query.order_by(table.c.at_us, table.c.id)


def _mark(unit: Unit, numbers: Sequence[int], at_us: int, *, let_go: int = 0) -> None:
    """Mark these very rows: one that came in since they were read goes on waiting."""
    for at in range(0, len(numbers), FEW):
        part = numbers[at : at + FEW]
        unit.run_many(MARK.format(marks=marks(len(part))), [(at_us, let_go, *part)])


def _to_readings(unit: Unit, rows: Sequence[Row[Any]]) -> list[QuarantinedReading]:
    kinds = every_type(unit) if rows else {}
    plain: Sequence[Sequence[Any]] = rows
    return [
        # By place: to look columns up by name takes longer than all the rest.
        QuarantinedReading(row[0], from_us(row[1]), row[2], row[3], kinds[row[4]], row[5])
        for row in plain
    ]
