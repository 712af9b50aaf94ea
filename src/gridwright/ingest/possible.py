"""Refuse stamps that no reading can have: before there were such meters, and in the future."""

from __future__ import annotations

from gridwright.domain.interval import epoch_s, from_epoch_s
from gridwright.domain.readings import EARLIEST, Readings
from gridwright.ingest.collected import Tally
from gridwright.ingest.order import reject, take

FIRST_S = epoch_s(EARLIEST)
ANCIENT = f"stamp lies before the year {EARLIEST.year}"


def possible(readings: Readings, not_after: int | None) -> tuple[Readings, Tally]:
    """Return the readings from EARLIEST until `not_after` (epoch seconds), where given; the others are refused."""
    if readings.size == 0:
        return readings, Tally()
    tally = Tally()
    if int(readings.at.min()) < FIRST_S:
        old = readings.at < FIRST_S
        tally += reject(readings, old, ANCIENT, "check the device's clock and the date order")
        readings = take(readings, ~old)
    if not_after is None or readings.size == 0 or int(readings.at.max()) <= not_after:
        return readings, tally
    late = readings.at > not_after
    future = f"stamp lies in the future (after {from_epoch_s(not_after).isoformat()})"
    tally += reject(readings, late, future, "check the device's clock and the zone")
    return take(readings, ~late), tally
