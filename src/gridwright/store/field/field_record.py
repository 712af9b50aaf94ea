"""What the field told of some usage points: events, clock checks, switches and installations, each in one query."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, ScalarSelect, Select, and_, or_, select

from gridwright.domain.access import Access, Act
from gridwright.domain.control import Command, ControlState
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Installation, Meter
from gridwright.store import schema
from gridwright.store.field.event_places import to_event
from gridwright.store.field.installing import to_device, to_installation
from gridwright.store.instant import from_us, to_period, to_us
from gridwright.store.names import FEW, Names
from gridwright.store.schema.field import control_step, device_event, end_device_control, read_session
from gridwright.store.session import Session, Unit

# Clocks that are off by less are of no interest to any rule.
SMALL_S = 10.0
SWITCHES = (str(Command.DISCONNECT), str(Command.RECONNECT))


@dataclass(frozen=True, slots=True)
class Drift:
    """The clock of the device at a usage point was `seconds` ahead at an instant; `was_set`: and was set then.

    `installed`: from when to when that device hung there.
    """

    usage_point: str
    at: datetime
    seconds: float
    was_set: bool
    installed: Interval


@dataclass(frozen=True, slots=True)
class Switch:
    """A usage point was confirmed to be connected, or not, from an instant on."""

    usage_point: str
    at: datetime
    connected: bool


class FieldRecord:
    """What is on record of devices where they hang, for many usage points at once."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def events(
        self, access: Access, points: Sequence[str], period: Interval, types: Iterable[str]
    ) -> list[EndDeviceEvent]:
        """Return the events of some types at usage points within a period, by time."""
        c, point = device_event.c, schema.usage_point
        query = select(device_event, point.c.code.label("point")).join(point, point.c.id == c.usage_point)
        query = query.where(c.at_us >= to_us(period.start), c.at_us < to_us(period.end), c.type.in_(sorted(types)))
        with self._session.reading(settled=False) as unit:
            rows = self._of(unit, access, query, c.usage_point, points)
        return sorted((to_event(row) for row in rows), key=lambda event: event.at)

    def installations(self, access: Access, points: Sequence[str]) -> tuple[Installation, ...]:
        """Return what is or was installed at usage points, by usage point and time."""
        table, device, point = schema.installation, schema.end_device, schema.usage_point
        query = select(table, device.c.serial, point.c.code).join(device, device.c.id == table.c.end_device)
        query = query.join(point, point.c.id == table.c.usage_point)
        with self._session.reading(settled=False) as unit:
            rows = self._of(unit, access, query, table.c.usage_point, points)
        return tuple(to_installation(row, row.code) for row in sorted(rows, key=lambda row: (row.code, row.start_s)))

    def knows_meters(self, access: Access) -> bool:
        """Tell who brings readings whether anything was ever installed anywhere."""
        access.require(Act.WRITE_READINGS)
        with self._session.reading(settled=False) as unit:
            return unit.connection.execute(select(schema.installation.c.usage_point).limit(1)).first() is not None

    def meters(self, access: Access, points: Sequence[str]) -> dict[str, Meter]:
        """Return the meters that hang or hung at usage points, by serial number."""
        table, device = schema.installation, schema.end_device
        query = select(device, table.c.usage_point.label("point")).join(table, device.c.id == table.c.end_device)
        with self._session.reading(settled=False) as unit:
            devices = [to_device(row) for row in self._of(unit, access, query, table.c.usage_point, points)]
        return {each.serial: each for each in devices if isinstance(each, Meter)}

    def drifts(self, access: Access, points: Sequence[str], period: Interval) -> list[Drift]:
        """Return the clock checks of devices that were off, the exact ones between them included, by time.

        They are those within a period, and of each device the last one before it and the first one after it, however
        far away: a check speaks for the time since the one before it, and until the next.
        """
        table, c = schema.installation, read_session.c
        point, device = schema.usage_point, schema.end_device
        wanted = [c.id, point.c.code, c.began_us, c.clock_drift_s, c.clock_set, table.c.start_s, table.c.end_s]
        query = select(*wanted).select_from(table).join(device, device.c.id == table.c.end_device)
        query = query.join(point, point.c.id == table.c.usage_point)
        there = and_(c.began_us >= table.c.start_s * 1_000_000, c.began_us < table.c.end_s * 1_000_000)
        known = query.join(read_session, and_(c.serial == device.c.serial, there)).where(c.clock_drift_s.is_not(None))
        within = known.where(c.began_us >= to_us(period.start), c.began_us < to_us(period.end))
        off = or_(c.clock_drift_s > SMALL_S, c.clock_drift_s < -SMALL_S)
        same = c.serial == device.c.serial
        nearest = [query.join(read_session, and_(same, c.id == which)) for which in _checks_beside(period)]
        with self._session.reading(settled=False) as unit:
            beside = [row for each in nearest for row in self._of(unit, access, each, table.c.usage_point, points)]
            wrong = {row.code for row in self._of(unit, access, within.where(off), table.c.usage_point, points)}
            wrong |= {row.code for row in beside if abs(row.clock_drift_s) > SMALL_S}
            rows = self._of(unit, access, within, table.c.usage_point, sorted(wrong))
        rows += [row for row in beside if row.code in wrong]
        rows.sort(key=lambda row: (row.code, row.began_us, row.id))
        return [
            Drift(
                row.code,
                from_us(row.began_us),
                row.clock_drift_s,
                bool(row.clock_set),
                to_period(row.start_s, row.end_s),
            )
            for row in rows
        ]

    def switches(self, access: Access, points: Sequence[str]) -> dict[str, list[Switch]]:
        """Return when usage points were confirmed to be disconnected and connected again, in order of time."""
        table, step, point = end_device_control, control_step, schema.usage_point
        query = select(point.c.code, table.c.command, step.c.at_us).join(step, step.c.control == table.c.id)
        query = query.join(point, point.c.id == table.c.usage_point)
        confirmed = str(ControlState.CONFIRMED)
        query = query.where(table.c.command.in_(SWITCHES), step.c.state == confirmed, table.c.state == confirmed)
        with self._session.reading(settled=False) as unit:
            rows = self._of(unit, access, query, table.c.usage_point, points)
        found: dict[str, list[Switch]] = defaultdict(list)
        for row in sorted(rows, key=lambda row: row.at_us):
            found[row.code].append(Switch(row.code, from_us(row.at_us), row.command == str(Command.RECONNECT)))
        return found

    def _of(
        self, unit: Unit, access: Access, query: Select[Any], column: ColumnElement[Any], points: Sequence[str]
    ) -> list[Row[Any]]:
        """Return a query's rows of some usage points, which must be within reach."""
        access.require(Act.READ)
        for name in points if access.points is not None else ():
            access.require(Act.READ, name)
        keys = self._names.point_keys(unit, list(points))
        return [row for part in _parts(keys) for row in unit.connection.execute(query.where(column.in_(part)))]


def _checks_beside(period: Interval) -> Iterator[ScalarSelect[Any]]:
    """Yield which session last looked at a device's clock before a period where it hung, and which first after it."""
    table, device, near = schema.installation, schema.end_device, read_session.alias()
    start_us, end_us = table.c.start_s * 1_000_000, table.c.end_s * 1_000_000
    asked = select(near.c.id).where(near.c.serial == device.c.serial, near.c.clock_drift_s.is_not(None))
    asked = asked.where(near.c.began_us >= start_us, near.c.began_us < end_us).correlate(table, device).limit(1)
    newest, oldest = (near.c.began_us.desc(), near.c.id.desc()), (near.c.began_us, near.c.id)
    yield asked.where(near.c.began_us < to_us(period.start)).order_by(*newest).scalar_subquery()
    yield asked.where(near.c.began_us >= to_us(period.end)).order_by(*oldest).scalar_subquery()


def _parts(keys: Sequence[int]) -> Iterator[Sequence[int]]:
    yield from (keys[at : at + FEW] for at in range(0, len(keys), FEW))
