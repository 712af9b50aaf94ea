"""Events of devices that belong to no usage point yet: listed, claimed with the readings of their meter, let go."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, not_, or_, select

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import AccessDenied
from gridwright.domain.event import LET_GO, NAMED, EndDeviceEvent, WaitingEvents
from gridwright.domain.interval import Interval
from gridwright.store.audit import note
from gridwright.store.field.event_places import judge, place, to_event
from gridwright.store.instant import from_us, to_us
from gridwright.store.names import FEW, Names
from gridwright.store.schema.field import device_event as table
from gridwright.store.session import Session, Unit

MOST = 1_000_000  # events that may wait: names that nobody knows must not fill the disk
c = table.c
WAITS = and_(c.usage_point.is_(None), not_(c.details.contains(f'"{LET_GO}": ', autoescape=True)))


class WaitingEventsStore:
    """What devices reported of which nobody knows the place."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def room(self, access: Access, most: int = MOST) -> int:
        """Return how many more events may wait."""
        access.require(Act.WRITE_READINGS)
        with self._session.reading(settled=False) as unit:
            there = unit.connection.execute(select(func.count()).where(c.usage_point.is_(None))).scalar()
        return max(0, most - int(there or 0))

    def devices(self, access: Access, *, limit: int = 100, after: str = "") -> list[WaitingEvents]:
        """Return the devices whose events wait, by name, those behind `after`."""
        _require_all(access, Act.READ)
        query = _counted().where(c.end_device > after).group_by(c.end_device).order_by(c.end_device).limit(limit)
        with self._session.reading(settled=False) as unit:
            return [_to_waiting(row) for row in unit.connection.execute(query)]

    def of(
        self, access: Access, name: str, *, within: Interval | None = None, limit: int = 1000
    ) -> list[EndDeviceEvent]:
        """Return the events that wait under a name, a device's or a usage point's that nobody knows, by time."""
        _require_all(access, Act.READ)
        with self._session.reading(settled=False) as unit:
            return [event for _, event in _waiting(unit, name, within, limit)]

    def told(
        self, access: Access, devices: Sequence[str], period: Interval, types: Iterable[str]
    ) -> list[EndDeviceEvent]:
        """Return what of some types was told of devices within a period and has no place: it waits, or was let go."""
        _require_all(access, Act.READ)
        query = select(table, literal("").label("point")).where(c.usage_point.is_(None), c.type.in_(sorted(types)))
        query = query.where(c.at_us >= to_us(period.start), c.at_us < to_us(period.end)).order_by(c.at_us, c.id)
        wanted, names = set(devices), sorted(set(devices))
        parts = [names[at : at + FEW] for at in range(0, len(names), FEW)]
        with self._session.reading(settled=False) as unit:
            rows = [row for part in parts for row in unit.connection.execute(query.where(c.end_device.in_(part)))]
        return [event for event in map(to_event, rows) if event.end_device in wanted]

    def claim(self, access: Access, name: str, point: str, *, within: Interval | None = None) -> int:
        """Let what waits under a name be a usage point's, `within`: of that time only; returns how many do."""
        _require_all(access, Act.WRITE_REGISTRY)
        with self._session.writing() as unit:
            found = list(_waiting(unit, name, within))
            if found:
                key = self._names.point_keys(unit, [point])[0]
                for number, event in found:
                    place(unit, number, key, {what: said for what, said in event.details.items() if what != NAMED})
                judge(unit, self._names, ((key, event) for _, event in found))
                self._note(unit, access, name, claimed_events=len(found))
            return len(found)

    def drop(self, access: Access, name: str, *, reason: str) -> int:
        """Let what waits under a name go, and return how many events; they stay on record, and wait no more."""
        _require_all(access, Act.WRITE_REGISTRY)
        with self._session.writing(settled=False) as unit:
            found = list(_waiting(unit, name))
            for number, event in found:
                place(unit, number, None, {**event.details, LET_GO: reason})
            if found:
                self._note(unit, access, name, dropped_events=len(found), reason=reason)
            return len(found)

    def _note(self, unit: Unit, access: Access, name: str, **told: str | float) -> None:
        note(unit, access, Act.WRITE_REGISTRY, subject=f"meter {name}", at=self._session.clock(), **told)


def _counted() -> Select[Any]:
    ends = func.min(c.at_us).label("first"), func.max(c.at_us).label("last"), func.max(c.known_at_us).label("received")
    return select(c.end_device, func.count().label("events"), *ends).where(WAITS)


def _waiting(
    unit: Unit, name: str, within: Interval | None = None, limit: int | None = None
) -> Iterator[tuple[int, EndDeviceEvent]]:
    """Yield (number, event) of what waits under a name, by time."""
    query = select(table, literal("").label("point")).where(WAITS, _is_of(name)).order_by(c.at_us, c.id)
    if within is not None:
        query = query.where(c.at_us >= to_us(within.start), c.at_us < to_us(within.end))
    for row in unit.connection.execute(query.limit(limit)).all():
        event = to_event(row)
        if name in (event.end_device, event.details.get(NAMED)):  # a database may take no care of case
            yield row.id, event


def _is_of(name: str) -> ColumnElement[bool]:
    named = f'"{NAMED}": {json.dumps(name, ensure_ascii=False)}'
    return or_(c.end_device == name, c.details.contains(named, autoescape=True))


def _to_waiting(row: Row[Any]) -> WaitingEvents:
    first, last, received = map(from_us, (row.first, row.last, row.received))
    return WaitingEvents(row.end_device, row.events, first, last, received)


def _require_all(access: Access, act: Act) -> None:
    access.require(act)
    if access.points is not None:
        raise AccessDenied(f"{access.actor} may not see meters that nobody knows")
