"""Devices: the way to each, what the sessions with it brought, and what it reports by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, tuple_, update

from gridwright.domain.access import Access, Act
from gridwright.domain.device import DeviceLink, LinkState, ReadSession
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.field.event_places import judge, place, to_event, to_json
from gridwright.store.instant import from_us, from_us_if, to_us, to_us_if
from gridwright.store.names import FEW, Names, add_missing, within
from gridwright.store.schema.field import device_event, device_link, read_session
from gridwright.store.session import Session, Unit

Before = tuple[datetime, str, str]
Key = tuple[str, str, int]


class Devices:
    """Links, sessions and events of end devices."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    # --- links ------------------------------------------------------------------------------------------------------

    def save_link(self, access: Access, link: DeviceLink) -> bool:
        """Add or change the way to a device, its secret apart, and tell whether anything was new."""
        _require_all(access, Act.WRITE_REGISTRY)
        with self._session.writing() as unit:
            this = device_link.c.serial == link.serial
            found = unit.connection.execute(select(device_link).where(this).with_for_update()).first()
            if found is not None and _to_link(found) == link:
                return False
            if found is None:
                unit.connection.execute(insert(device_link).values(_link_row(link)))
            else:
                unit.connection.execute(update(device_link).where(this).values(_link_row(link)))
            at = self._session.clock()
            detail = {"state": str(link.state), "driver": link.driver, "problem": link.problem}
            note(unit, access, Act.WRITE_REGISTRY, subject=f"device {link.serial}", at=at, **detail)
            return True

    def link(self, access: Access, serial: str) -> DeviceLink:
        """Return the way to one device."""
        _require_all(access, Act.READ)
        with self._session.reading(settled=False) as unit:
            return _to_link(_find_link(unit, serial))

    def hold(self, access: Access, serial: str) -> DeviceLink:
        """Return the way to one device, which nobody else changes or holds until the surrounding transaction ends."""
        _require_all(access, Act.READ)
        this = device_link.c.serial == serial
        with self._session.writing(settled=False) as unit:
            unit.connection.execute(select(device_link.c.serial).where(this).with_for_update()).first()
            return _to_link(_find_link(unit, serial))

    def links(self, access: Access, state: LinkState | None = None) -> tuple[DeviceLink, ...]:
        """Return the ways to all devices, or to those in one state, by serial."""
        _require_all(access, Act.READ)
        query = select(device_link).order_by(device_link.c.serial)
        if state is not None:
            query = query.where(device_link.c.state == str(state))
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query).all()
        return tuple(_to_link(row) for row in rows)

    def set_secret(self, access: Access, serial: str, secret: bytes) -> None:
        """Keep what opens a device, as it is given: sealed by the caller, who has the key."""
        _require_all(access, Act.WRITE_REGISTRY)
        with self._session.writing(settled=False) as unit:
            if _find_link(unit, serial).secret == secret:
                return
            unit.connection.execute(update(device_link).where(device_link.c.serial == serial).values(secret=secret))
            at = self._session.clock()
            note(unit, access, Act.WRITE_REGISTRY, subject=f"device {serial}", at=at, what="secret set")

    def secret(self, access: Access, serial: str) -> bytes | None:
        """Return what was set, for whoever may speak to devices."""
        _require_all(access, Act.CONTROL)
        with self._session.reading(settled=False) as unit:
            found: bytes | None = _find_link(unit, serial).secret
            return None if found is None else bytes(found)

    # --- events -----------------------------------------------------------------------------------------------------

    def save_events(self, access: Access, events: Iterable[EndDeviceEvent]) -> int:
        """Keep events and return how many are new; of one device, type and instant there is one.

        One that waited and is told once more, now with a usage point, is that usage point's from now on, and new too.
        """
        access.require(Act.WRITE_READINGS)
        these = {(each.end_device, each.type, to_us(each.at)): each for each in events}
        for each in these.values():
            if access.points is not None:
                access.require(Act.WRITE_READINGS, each.usage_point)
        with self._session.writing() as unit:
            there = _stored(unit, list(these))
            new = {key: each for key, each in these.items() if key not in there}
            found = {there[key]: each for key, each in these.items() if each.usage_point and there.get(key)}
            told = [*new.values(), *found.values()]
            if told:
                named = sorted({each.usage_point for each in told if each.usage_point})
                keys = dict(zip(named, self._names.point_keys(unit, named), strict=True))
                if new:
                    rows = [_event_row(each, keys.get(each.usage_point)) for each in new.values()]
                    add_missing(unit, device_event, rows)
                for number, each in found.items():
                    place(unit, number, keys[each.usage_point], each.details)
                judge(unit, self._names, ((keys[one.usage_point], one) for one in told if one.usage_point))
                devices = {each.end_device for each in told}
                subject = f"device {devices.pop()}" if len(devices) == 1 else f"{len(devices)} devices"
                at = self._session.clock()
                note(unit, access, Act.WRITE_READINGS, subject=subject, at=at, events=len(told))
            return len(told)

    def events(
        self,
        access: Access,
        *,
        point: str | None = None,
        period: Interval | None = None,
        limit: int = 100,
        before: Before | None = None,
    ) -> list[EndDeviceEvent]:
        """Return events, the newest first; `before`: (at, end_device, type) of the last one seen."""
        access.require(Act.READ, point)
        c, code = device_event.c, schema.usage_point.c.code
        query = select(device_event, code.label("point")).outerjoin(
            schema.usage_point, schema.usage_point.c.id == c.usage_point
        )
        query = within(query, c.usage_point, access)
        if period is not None:
            query = query.where(c.at_us >= to_us(period.start), c.at_us < to_us(period.end))
        if before is not None:
            query = query.where(tuple_(c.at_us, c.end_device, c.type) < (to_us(before[0]), *before[1:]))
        query = query.order_by(c.at_us.desc(), c.end_device.desc(), c.type.desc()).limit(limit)
        with self._session.reading(settled=False) as unit:
            if point is not None:
                query = query.where(c.usage_point == self._names.point_keys(unit, [point])[0])
            rows = unit.connection.execute(query).all()
        return [to_event(row) for row in rows]

    # --- sessions ---------------------------------------------------------------------------------------------------

    def note_session(self, access: Access, session: ReadSession) -> None:
        """Keep what one session brought."""
        _require_all(access, Act.WRITE_READINGS)
        row = {
            "serial": session.serial,
            "began_us": to_us(session.began),
            "ended_us": to_us(session.ended),
            "readings": session.readings,
            "events": session.events,
            "attempt": session.attempt,
            "error": session.error,
            "clock_drift_s": session.clock_drift_s,
            "clock_set": session.clock_set,
        }
        with self._session.writing(settled=False) as unit:
            unit.connection.execute(insert(read_session).values(row))
            note(
                unit,
                access,
                Act.WRITE_READINGS,
                subject=f"device {session.serial}",
                at=session.ended,
                what="session",
                readings=session.readings,
                error=session.error,
            )

    def sessions(self, access: Access, serial: str | None = None, *, limit: int = 100) -> list[ReadSession]:
        """Return sessions with one device or with all, the newest first."""
        _require_all(access, Act.READ)
        c = read_session.c
        query = select(read_session).order_by(c.began_us.desc(), c.id.desc()).limit(limit)
        if serial is not None:
            query = query.where(c.serial == serial)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query).all()
        return [_to_session(row) for row in rows]


def _require_all(access: Access, act: Act) -> None:
    access.require(act)
    if access.points is not None:
        raise AccessDenied(f"{access.actor} may not see how devices are reached")


def _find_link(unit: Unit, serial: str) -> Row[Any]:
    query: Select[Any] = select(device_link).where(device_link.c.serial == serial)
    row: Row[Any] | None = unit.connection.execute(query).first()
    if row is None:
        raise NotFound(f"device {serial!r} has no link", remedy="commission it with `gridwright collect`")
    return row


def _link_row(link: DeviceLink) -> dict[str, Any]:
    return {
        "serial": link.serial,
        "driver": link.driver,
        "address": link.address,
        "state": str(link.state),
        "capabilities": to_json(link.capabilities),
        "clock_drift_s": link.clock_drift_s,
        "last_contact_us": to_us_if(link.last_contact),
        "failures": link.failures,
        "problem": link.problem,
    }


def _to_link(row: Row[Any]) -> DeviceLink:
    return DeviceLink(
        serial=row.serial,
        driver=row.driver,
        address=row.address,
        state=LinkState(row.state),
        capabilities=json.loads(row.capabilities),
        clock_drift_s=row.clock_drift_s,
        last_contact=from_us_if(row.last_contact_us),
        failures=row.failures,
        problem=row.problem,
    )


def _to_session(row: Row[Any]) -> ReadSession:
    return ReadSession(
        row.serial,
        from_us(row.began_us),
        from_us(row.ended_us),
        row.readings,
        row.events,
        row.attempt,
        row.error,
        row.clock_drift_s,
        bool(row.clock_set),
    )


def _stored(unit: Unit, wanted: Sequence[Key]) -> dict[Key, int]:
    """Return which events are there; with their number those that wait for a usage point, else 0."""
    c = device_event.c
    devices, instants = sorted({key[0] for key in wanted}), [key[2] for key in wanted]
    found: dict[Key, int] = {}
    for at in range(0, len(devices), FEW):
        query = select(c.end_device, c.type, c.at_us, c.id, c.usage_point)
        query = query.where(c.end_device.in_(devices[at : at + FEW]))
        rows = unit.connection.execute(query.where(c.at_us.between(min(instants), max(instants))))
        found.update(((one[0], one[1], one[2]), one[3] if one[4] is None else 0) for one in rows)
    return found


def _event_row(event: EndDeviceEvent, point: int | None) -> dict[str, Any]:
    return {
        "end_device": event.end_device,
        "type": event.type,
        "at_us": to_us(event.at),
        "known_at_us": to_us(event.known_at),
        "usage_point": point,
        "text": event.text,
        "details": to_json(event.details),
    }
