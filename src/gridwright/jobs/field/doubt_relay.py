"""Doubt a relay: a meter that says it has disconnected and goes on counting has not."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.control import Command, ControlState
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.reading_type import Flow, Quantity
from gridwright.store import Store

FAILED_TYPE = "3.31.0.85"  # CIM: remote connect/disconnect switch, failed


def relay_doubts(
    store: Store, access: Access, serial: str, panels: Iterable[Panel], *, now: datetime
) -> list[EndDeviceEvent]:
    """Return an event where energy was delivered after a disconnect that the meter itself had confirmed."""
    energy = [
        panel
        for panel in panels
        if panel.reading_type.quantity is Quantity.ENERGY and panel.reading_type.flow is Flow.DELIVERED
    ]
    since = _disconnected_since(store, access, serial) if energy else None
    if since is None:
        return []
    found = (_of_panel(panel, serial, since, now) for panel in energy)
    return [event for event in found if event is not None]


def _disconnected_since(store: Store, access: Access, serial: str) -> datetime | None:
    """Return when the newest control of the device was confirmed, if it was a disconnect."""
    newest = store.controls.find(access, device=serial, limit=1)
    if not newest or newest[0].command is not Command.DISCONNECT or newest[0].state is not ControlState.CONFIRMED:
        return None
    return store.controls.steps(access, newest[0].id)[-1].at


def _of_panel(panel: Panel, serial: str, since: datetime, now: datetime) -> EndDeviceEvent | None:
    begins = epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots, dtype=np.int64)
    after = (begins >= epoch_s(since)) & (np.nan_to_num(panel.values[0]) > 0)
    if not after.any():
        return None
    kwh = float(panel.kwh[0, after].sum())
    text = (
        f"{kwh:.3f} kWh were delivered after the relay was read back as disconnected at {since.isoformat()}: "
        "it did not open, or the supply passes it by"
    )
    first = slot_time(panel, int(np.flatnonzero(after)[0]))
    return EndDeviceEvent(serial, FAILED_TYPE, first, now, panel.points[0], text)
