"""Registry: usage points, meters, and the dated installations that join them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from itertools import count
from typing import Any

from sqlalchemy import Float, Select, cast, delete, func, insert, select

from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import epoch_s
from gridwright.domain.usage_point import (
    EndDevice,
    Installation,
    UsagePoint,
    cancel_exchange,
    check_addressable,
    exchange,
)
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.days.blocks import lock_points
from gridwright.store.days.touching import touch_last_days, touch_totals
from gridwright.store.field.installing import (
    device_keys,
    installation_row,
    put_devices,
    put_installations,
    to_device,
    to_installation,
)
from gridwright.store.judging import Change, judged_otherwise
from gridwright.store.names import Names, add_missing, within
from gridwright.store.point_rows import (
    add_points,
    change_points,
    load_points,
    main_points,
    point_row,
    search_points,
    to_points,
)
from gridwright.store.sealing.sealing import Sealing
from gridwright.store.session import Session, Unit

PRIME = 1_000_003  # keeps sums of products within 64 bits


class Registry:
    """What is installed where."""

    def __init__(self, session: Session, names: Names, sealing: Sealing) -> None:
        self._session = session
        self._names = names
        self._sealing = sealing
        self._without_check: dict[str, str] = {}
        self._revisions = count(1)
        # Another number after each change that this process has committed: for whoever keeps a copy.
        self.revision = 0
        session.after_commit.append(self._count_change)

    def _count_change(self, unit: Unit) -> None:
        if unit.registers:
            self.revision = next(self._revisions)

    def save_points(self, access: Access, points: Iterable[UsagePoint]) -> int:
        """Add or change usage points and return how many were new or different; the same again changes nothing."""
        access.require(Act.WRITE_REGISTRY)
        wanted = {point.id: point for point in points}
        for code in wanted if access.points is not None else ():
            access.require(Act.WRITE_REGISTRY, code)
        with self._session.writing() as unit:
            there = self._names.find_points(unit, wanted)
            known = [code for code in wanted if code in there]
            old = {point.id: point for point in load_points(unit, self._sealing, known)}
            added = [point for code, point in wanted.items() if code not in old]
            for point in added:
                check_addressable(point.id)
            changes = [Change(old[code], point) for code, point in wanted.items() if code in old and old[code] != point]
            changed = [change.new for change in changes]
            if added:
                unit.registers = True
                self._names.will_give(unit)
            add_points(unit, self._sealing, added)
            change_points(unit, self._sealing, changed)
            if judged := judged_otherwise(unit, changes):
                touch_last_days(unit, self._names, self._names.point_keys(unit, judged))
            if elsewhere := [new.id for old, new in changes if old.zone != new.zone]:
                touch_totals(unit, self._names.point_keys(unit, elsewhere))
            for verb, these in (("added", added), ("changed", changed)):
                if these:
                    subject = these[0].id if len(these) == 1 else f"{len(these)} usage points"
                    note(unit, access, Act.WRITE_REGISTRY, subject=subject, at=self._session.clock(), what=verb)
            return len(added) + len(changed)

    def add_points(self, access: Access, points: Sequence[UsagePoint]) -> set[str]:
        """Add those usage points that nobody has added, and return the ids of the others, which stay as they are."""
        with self._session.writing():
            there = self.registered(access, [point.id for point in points])
            self.save_points(access, [point for point in points if point.id not in there])
        return there

    def registered(self, access: Access, ids: Collection[str]) -> set[str]:
        """Return those of some ids that are usage points."""
        access.require(Act.READ)
        for code in ids if access.points is not None else ():
            access.require(Act.READ, code)
        with self._session.reading(settled=False) as unit:
            there = self._names.find_points(unit, ids)
            return {code for code in ids if code in there}

    def points(self, access: Access, ids: Sequence[str] | None = None) -> tuple[UsagePoint, ...]:
        """Return usage points in the order asked (all that may be seen, sorted, when none is named)."""
        access.require(Act.READ)
        for code in ids or ():
            access.require(Act.READ, code)
        with self._session.reading(settled=False) as unit:
            wanted = self._names.every_point(unit, access) if ids is None else list(ids)
            found = {point.id: point for point in load_points(unit, self._sealing, wanted)}
            for code in wanted:
                if code not in found:
                    raise self._names.unknown_point(unit, code)
        return tuple(found[code] for code in wanted)

    def keys(self, access: Access) -> dict[str, int]:
        """Return the usage points that may be seen, each with its key in the rows that are many; it never changes."""
        access.require(Act.READ)
        point = schema.usage_point
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(within(select(point.c.code, point.c.id), point.c.id, access))
            return {code: int(key) for code, key in rows}

    def point(self, access: Access, code: str) -> UsagePoint:
        """Return one usage point; NotFound with near matches."""
        return self.points(access, [code])[0]

    def count(self, access: Access) -> int:
        """Return how many usage points may be seen."""
        access.require(Act.READ)
        query = within(select(func.count()).select_from(schema.usage_point), schema.usage_point.c.id, access)
        with self._session.reading(settled=False) as unit:
            return int(unit.connection.execute(query).scalar_one())

    def page(self, access: Access, *, search: str = "", limit: int = 100, after: str = "") -> list[UsagePoint]:
        """Return usage points by id, those behind `after`.

        `search`: a part of the id, of an attribute, or of the serial number of a meter that is or was there.
        """
        access.require(Act.READ)
        table = schema.usage_point
        query = within(select(table), table.c.id, access).where(table.c.code > after)
        with self._session.reading(settled=False) as unit:
            if search:
                rows = search_points(unit, self._sealing, query, search, limit=limit)
            else:
                rows = unit.connection.execute(query.order_by(table.c.code).limit(limit)).all()
            return to_points(unit, self._sealing, rows)

    def checked_by(self, access: Access, checks: Collection[str]) -> dict[str, str]:
        """Return the usage points that may be seen and have one of `checks` as their check meter, with its id."""
        access.require(Act.READ)
        table = schema.usage_point
        query = within(select(table.c.code, table.c.attributes), table.c.id, access)
        with self._session.reading() as unit:
            return main_points(unit, self._sealing, query, checks, self._without_check)

    def save_meter(self, access: Access, device: EndDevice) -> bool:
        """Add or change a meter or other end device; tell whether anything was new."""
        return bool(self.save_meters(access, [device]))

    def save_meters(self, access: Access, devices: Iterable[EndDevice]) -> int:
        """Add or change meters and other end devices at once, and return how many were new or different."""
        access.require(Act.WRITE_REGISTRY)
        with self._session.writing() as unit:
            saved = put_devices(unit, {device.serial: device for device in devices})
            if saved:
                subject = saved[0] if len(saved) == 1 else f"{len(saved)} meters"
                note(unit, access, Act.WRITE_REGISTRY, subject=subject, at=self._session.clock(), what="meter")
            return len(saved)

    def meter(self, access: Access, serial: str) -> EndDevice:
        """Return a meter or other end device by its serial number."""
        access.require(Act.READ)
        table = schema.end_device
        with self._session.reading(settled=False) as unit:
            found = unit.connection.execute(select(table).where(table.c.serial == serial)).first()
            if found is None:
                raise NotFound(f"meter {serial!r} is not registered", remedy="save it first")
            if access.points is not None:
                self._require_installed(unit, access, int(found.id), serial)
        return to_device(found)

    def meters(self, access: Access) -> tuple[EndDevice, ...]:
        """Return every meter and other end device by serial number; of a part of the town, those that were there."""
        access.require(Act.READ)
        table, there = schema.end_device, schema.installation
        query = select(table).order_by(table.c.serial)
        if access.points is not None:
            mine = within(select(there.c.end_device), there.c.usage_point, access)
            query = query.where(table.c.id.in_(mine))
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query).all()
        return tuple(to_device(row) for row in rows)

    def meter_points(self, access: Access, at: datetime) -> dict[str, str]:
        """Return which meter measures which usage point at an instant; also for whoever may only deliver readings."""
        if Act.WRITE_READINGS not in ALLOWED[access.role]:
            access.require(Act.READ)
        table, device, point = schema.installation, schema.end_device, schema.usage_point
        query: Select[Any] = select(device.c.serial, point.c.code).select_from(table)
        query = query.join(device, device.c.id == table.c.end_device).join(point, point.c.id == table.c.usage_point)
        query = within(query, table.c.usage_point, access)
        query = query.where(table.c.start_s <= epoch_s(at), table.c.end_s > epoch_s(at))
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query.order_by(device.c.serial)).all()
        return {row.serial: row.code for row in rows}

    def _require_installed(self, unit: Unit, access: Access, device: int, serial: str) -> None:
        point, installed = schema.usage_point, schema.installation
        query = select(point.c.code).join(installed, installed.c.usage_point == point.c.id)
        codes = unit.connection.execute(query.where(installed.c.end_device == device)).scalars().all()
        if not any(access.may_see(code) for code in codes):
            access.require(Act.READ, codes[0] if codes else f"of meter {serial}")

    def save_installation(self, access: Access, installation: Installation) -> bool:
        """Record an installation; an overlapping one at the same usage point is a Conflict, the same again nothing."""
        return bool(self.save_installations(access, [installation]))

    def save_installations(self, access: Access, installations: Iterable[Installation]) -> int:
        """Record installations at once and return how many were new; for each holds what `save_installation` says."""
        access.require(Act.WRITE_REGISTRY)
        these = list(installations)
        codes = sorted({each.usage_point for each in these})
        for code in codes:
            access.require(Act.WRITE_REGISTRY, code)
        with self._session.writing() as unit:
            keys = dict(zip(codes, self._names.point_keys(unit, codes), strict=True))
            new = put_installations(unit, keys, these)
            if new:
                unit.registers = True
                at, one = self._session.clock(), len(new) == 1
                subject, meters = (new[0].usage_point, new[0].end_device) if one else (f"{len(new)} meters", len(new))
                note(unit, access, Act.WRITE_REGISTRY, subject=subject, at=at, installed=meters)
            return len(new)

    def installations(self, access: Access, usage_point: str) -> tuple[Installation, ...]:
        """Return what was installed at a usage point, oldest first."""
        access.require(Act.READ, usage_point)
        with self._session.reading(settled=False) as unit:
            return self._history(unit, usage_point)

    def installed(self, access: Access) -> tuple[Installation, ...]:
        """Return every installation there is or was, by meter and time: which meter measured which usage point when."""
        access.require(Act.READ)
        table, device, point = schema.installation, schema.end_device, schema.usage_point
        query = select(table, device.c.serial, point.c.code).join(device, device.c.id == table.c.end_device)
        query = query.join(point, point.c.id == table.c.usage_point).order_by(device.c.serial, table.c.start_s)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query).all()
        return tuple(to_installation(row, row.code) for row in rows if access.may_see(row.code))

    def fingerprint(self, access: Access) -> str:
        """Return a text that is another one as soon as a usage point or an installation was added or changed.

        For whoever keeps a copy of the registry: one query, whatever its size, and no rows.
        """
        access.require(Act.READ)
        point, table = schema.usage_point, schema.installation
        mixed = (
            func.count(),
            func.sum(table.c.usage_point * table.c.end_device),
            func.sum(table.c.start_s % PRIME * table.c.end_device),
            func.sum(table.c.end_s % PRIME * table.c.usage_point),
            func.sum(cast(table.c.multiplier, Float) * table.c.end_device),
        )
        with self._session.reading(settled=False) as unit:
            points = unit.connection.execute(select(func.count(), func.max(point.c.id))).one()
            installed = unit.connection.execute(select(*mixed)).one()
        return " ".join(map(str, (*points, *installed)))

    def exchange_meter(self, access: Access, new: Installation) -> tuple[Installation, ...]:
        """End the open installation at the start of `new`, and begin `new`; return the whole history."""
        access.require(Act.WRITE_REGISTRY, new.usage_point)
        with self._session.writing() as unit:
            history = self._history(unit, new.usage_point)
            if new in history:
                return history
            after = exchange(history, new)
            self._replace(unit, access, new.usage_point, after)
            return after

    def cancel_exchange(
        self, access: Access, usage_point: str, at: datetime, *, reason: str
    ) -> tuple[Installation, ...]:
        """Let the newest exchange of a usage point never have been; return the whole history then."""
        access.require(Act.WRITE_REGISTRY, usage_point)
        with self._session.writing() as unit:
            lock_points(unit, self._names.point_keys(unit, [usage_point]))
            after, gone, _ = cancel_exchange(self._history(unit, usage_point), at)
            self._replace(
                unit, access, usage_point, after, cancelled=gone.end_device, since=at.isoformat(), reason=reason
            )
            return after

    def _history(self, unit: Unit, usage_point: str) -> tuple[Installation, ...]:
        key = self._names.point_keys(unit, [usage_point])[0]
        table, device = schema.installation, schema.end_device
        query = select(table, device.c.serial).join(device, device.c.id == table.c.end_device)
        rows = unit.connection.execute(query.where(table.c.usage_point == key).order_by(table.c.start_s)).all()
        return tuple(to_installation(row, usage_point) for row in rows)

    def _replace(
        self, unit: Unit, access: Access, usage_point: str, history: Sequence[Installation], **detail: str
    ) -> None:
        unit.registers = True
        key = self._names.point_keys(unit, [usage_point])[0]
        devices = device_keys(unit, [installation.end_device for installation in history])
        unit.connection.execute(delete(schema.installation).where(schema.installation.c.usage_point == key))
        rows = [installation_row(each, key, devices[each.end_device]) for each in history]
        if rows:
            unit.connection.execute(insert(schema.installation), rows)
        meters = ", ".join(each.end_device for each in history)
        at = self._session.clock()
        note(unit, access, Act.WRITE_REGISTRY, subject=usage_point, at=at, installed=meters, **detail)


def register_unknown(unit: Unit, names: Names, codes: Sequence[str]) -> list[str]:
    """Add usage points for the codes that are not registered, with every attribute left at its default."""
    known = names.find_points(unit, codes)
    # In order, so that two writers who add the same ones wait for each other instead of deadlocking.
    new = sorted({code for code in codes if code not in known})
    if new:
        names.will_give(unit)
        add_missing(unit, schema.usage_point, [point_row(UsagePoint(code)) for code in new])
    return new
