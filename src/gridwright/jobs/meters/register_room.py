"""Whether a register can show a read at all: one with more digits than it has was misread, or is another register's."""

from __future__ import annotations

from decimal import Decimal

from gridwright.domain.access import Access
from gridwright.domain.errors import InputError, NotFound
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.usage_point import Meter
from gridwright.store import Store


def known_meter(store: Store, access: Access, serial: str) -> Meter | None:
    """Return a meter as it is registered, None where it is not."""
    try:
        found = store.registry.meter(access, serial)
    except NotFound:
        return None
    return found if isinstance(found, Meter) else None


def require_room(meter: Meter, kind: ReadingType, kwh: Decimal | None, word: str, remedy: str) -> None:
    """Refuse a read in kWh that the registers of a meter cannot show; where nobody told its dials they show any."""
    if kwh is None or kwh * 1000 < meter.range_wh:
        return
    size = f"{meter.dials} digits of {meter.lsb_wh} Wh, which turn over at {meter.range_wh / 1000:,.0f} kWh"
    raise InputError(
        f"the {word} read of the {kind.flow} register is {kwh} kWh, but meter {meter.serial} has {size}", remedy=remedy
    )
