"""Many meters and installations at once: a town is registered in a few statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, bindparam, insert, select, update

from gridwright.domain.errors import Conflict, NotFound
from gridwright.domain.usage_point import EndDevice, Installation, Meter
from gridwright.store import schema
from gridwright.store.days.blocks import lock_points
from gridwright.store.instant import to_period, to_seconds
from gridwright.store.names import FEW
from gridwright.store.session import Unit

UNTOLD = 0  # dials that nobody has told, and of devices without a register


def put_devices(unit: Unit, devices: Mapping[str, EndDevice]) -> list[str]:
    """Add or change end devices and return the serial numbers of those that were new or different."""
    table = schema.end_device
    old = {row.serial: to_device(row) for row in _rows_of(unit, list(devices))}
    new = [device for serial, device in devices.items() if serial not in old]
    changed = [device for serial, device in devices.items() if serial in old and old[serial] != device]
    if new:
        unit.connection.execute(insert(table), [device_row(device) for device in new])
    if changed:
        statement = update(table).where(table.c.serial == bindparam("which"))
        unit.connection.execute(statement, [{**device_row(each), "which": each.serial} for each in changed])
    return [device.serial for device in (*new, *changed)]


def put_installations(unit: Unit, keys: Mapping[str, int], these: Sequence[Installation]) -> list[Installation]:
    """Add installations and return the new ones; one that overlaps another at its usage point is a Conflict."""
    lock_points(unit, sorted(keys.values()))
    history = _history(unit, keys)
    new = []
    for each in these:
        mine = history.setdefault(each.usage_point, [])
        if each in mine:
            continue
        for old in mine:
            if old.period.overlaps(each.period):
                raise Conflict(
                    f"meter {each.end_device} at {each.usage_point} overlaps {old.end_device}",
                    remedy="use exchange_meter, or end the earlier installation first",
                )
        mine.append(each)
        new.append(each)
    if new:
        devices = device_keys(unit, [each.end_device for each in new])
        rows = [installation_row(each, keys[each.usage_point], devices[each.end_device]) for each in new]
        unit.connection.execute(insert(schema.installation), rows)
    return new


def _history(unit: Unit, keys: Mapping[str, int]) -> dict[str, list[Installation]]:
    table, device = schema.installation, schema.end_device
    codes = {key: code for code, key in keys.items()}
    query = select(table, device.c.serial).join(device, device.c.id == table.c.end_device)
    found: dict[str, list[Installation]] = {}
    numbers = sorted(codes)
    for at in range(0, len(numbers), FEW):
        for row in unit.connection.execute(query.where(table.c.usage_point.in_(numbers[at : at + FEW]))):
            code = codes[row.usage_point]
            found.setdefault(code, []).append(to_installation(row, code))
    return found


def to_installation(row: Row[Any], usage_point: str) -> Installation:
    """Return the installation of a row that holds the serial number too."""
    return Installation(usage_point, row.serial, to_period(row.start_s, row.end_s), Decimal(row.multiplier))


def installation_row(each: Installation, point: int, device: int) -> dict[str, Any]:
    """Return the columns of an installation."""
    return {
        "usage_point": point,
        "end_device": device,
        "start_s": to_seconds(each.period.start),
        "end_s": to_seconds(each.period.end),
        "multiplier": str(each.multiplier),
    }


def device_row(device: EndDevice) -> dict[str, Any]:
    """Return the columns of an end device."""
    meter = device if isinstance(device, Meter) else None
    return {
        "serial": device.serial,
        "kind": "meter" if meter else "device",
        "brand": device.brand,
        "model": device.model,
        "dials": (meter.dials or UNTOLD) if meter else UNTOLD,
        "lsb_wh": meter.lsb_wh if meter else 0,
    }


def to_device(row: Row[Any]) -> EndDevice:
    """Return the meter or other end device of a row."""
    if row.kind == "meter":
        return Meter(row.serial, row.brand, row.model, row.dials or None, row.lsb_wh)
    return EndDevice(row.serial, row.brand, row.model)


def device_keys(unit: Unit, serials: Iterable[str]) -> dict[str, int]:
    """Return the keys of end devices; an absent one is NotFound."""
    wanted = sorted(set(serials))
    found = {row.serial: int(row.id) for row in _rows_of(unit, wanted)}
    for serial in wanted:
        if serial not in found:
            raise NotFound(f"meter {serial!r} is not registered", remedy="save the meter before its installation")
    return found


def _rows_of(unit: Unit, serials: Sequence[str]) -> list[Row[Any]]:
    table = schema.end_device
    parts = (serials[at : at + FEW] for at in range(0, len(serials), FEW))
    return [row for part in parts for row in unit.connection.execute(select(table).where(table.c.serial.in_(part)))]
