"""Events of devices as rows, where they belong, and which days are judged again by them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Row, update

from gridwright.domain.event import ENDS, MARKING, POWER, EndDeviceEvent
from gridwright.domain.interval import epoch_s
from gridwright.store.days.touching import touch_days
from gridwright.store.instant import from_us
from gridwright.store.names import Names
from gridwright.store.schema.field import device_event
from gridwright.store.session import Unit

MATTERS = POWER | MARKING | ENDS.keys()


def to_event(row: Row[Any]) -> EndDeviceEvent:
    """Return the event of a row that holds its usage point too."""
    return EndDeviceEvent(
        end_device=row.end_device,
        type=row.type,
        at=from_us(row.at_us),
        known_at=from_us(row.known_at_us),
        usage_point=row.point or "",
        text=row.text,
        details=json.loads(row.details),
    )


def to_json(content: object) -> str:
    """Return details as they are stored."""
    return json.dumps(content, ensure_ascii=False, sort_keys=True, default=dict)


def place(unit: Unit, number: int, point: int | None, details: Mapping[str, str]) -> None:
    """Let an event that waits be a usage point's, or with None go on without one, with these details."""
    row = {"usage_point": point, "details": to_json(details)}
    unit.connection.execute(update(device_event).where(device_event.c.id == number).values(row))


def judge(unit: Unit, names: Names, told: Iterable[tuple[int, EndDeviceEvent]]) -> None:
    """Have the days of usage points judged again for which some of these events matter."""
    touch_days(unit, names, ((point, epoch_s(each.at)) for point, each in told if each.type in MATTERS))
