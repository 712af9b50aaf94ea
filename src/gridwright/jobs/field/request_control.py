"""Ask for a control: the consequence in numbers, the guard, and the request on record for a second person."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from gridwright.control import Consequence, ControlPolicy, refusals, require_free
from gridwright.control.guard import CRITICAL, NOT_CRITICAL, Situation
from gridwright.domain.access import Access, Act
from gridwright.domain.control import Command, EndDeviceControl
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow, Quantity
from gridwright.jobs.field.control_situation import place_of, situation_of
from gridwright.jobs.new_id import new_id
from gridwright.store import Store

DAY = timedelta(days=1)
PREVIEW = "preview"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants done: the command, why, and until when it may be carried out."""

    command: Command
    reason: str
    expires: datetime


def request_control(  # noqa: PLR0913 - each is something that only whoever asks can say
    store: Store,
    access: Access,
    *,
    command: Command,
    reason: str,
    expires: datetime,
    now: datetime,
    usage_point: str = "",
    device: str = "",
    policy: ControlPolicy | None = None,
) -> EndDeviceControl:
    """Put a control on record as requested, if no rule of the guard refuses it; nothing is sent.

    Without a reason, or with a rule against it, ControlRefused names every reason and what helps.
    """
    access.require(Act.CONTROL)
    rules = policy or ControlPolicy()
    control = _drafted(store, access, Wish(command, reason, expires), (device, usage_point), now)
    with store.transaction():
        with suppress(NotFound):  # the guard tells it
            store.devices.hold(access, control.end_device)  # two requests for one device go one after the other
        require_free(control, situation_of(store, access, control, now=now, policy=rules), rules)
        store.controls.add(access, control)
    return control


def preview_control(
    store: Store,
    access: Access,
    *,
    command: Command,
    now: datetime,
    usage_point: str = "",
    device: str = "",
    policy: ControlPolicy | None = None,
) -> Consequence:
    """Return what a control would do, in numbers, with every rule that would refuse it; nothing is recorded."""
    access.require(Act.CONTROL)
    rules = policy or ControlPolicy()
    wish = Wish(command, PREVIEW, now + timedelta(hours=1))
    control = _drafted(store, access, wish, (device, usage_point), now)
    seen = situation_of(store, access, control, now=now, policy=rules)
    latest = _latest(store, access, control.usage_point) if control.usage_point else None
    return Consequence(
        command=command,
        usage_point=control.usage_point,
        end_device=control.end_device,
        customer_class=seen.point.customer_class if seen.point else "unknown",
        critical=is_critical(seen),
        at=now,
        load_kw=latest[0] if latest else None,
        day_kwh=latest[1] if latest else None,
        reading_at=latest[2] if latest else None,
        relay=seen.relay,
        last_contact=seen.link.last_contact if seen.link else None,
        disconnects_in_window=seen.disconnects,
        refusals=tuple(refusals(control, seen, rules)),
    )


def is_critical(seen: Situation) -> bool:
    """Tell whether the customer's attributes call supply critical."""
    attributes = seen.point.attributes if seen.point else {}
    return any(attributes.get(name, "").strip().lower() not in NOT_CRITICAL for name in CRITICAL)


def _drafted(store: Store, access: Access, wish: Wish, named: tuple[str, str], now: datetime) -> EndDeviceControl:
    device, point = place_of(store, access, device=named[0], usage_point=named[1], now=now)
    access.require(Act.CONTROL, point or None)
    return EndDeviceControl(
        id=new_id("C", now),
        end_device=device,
        command=wish.command,
        reason=wish.reason,
        requested_by=access.actor,
        expires=wish.expires,
        usage_point=point,
        requested=now,
    )


def _latest(store: Store, access: Access, point: str) -> tuple[float, float, datetime] | None:
    """Return (net kW of the newest interval, kWh delivered in the day up to it, its end); None without readings."""
    series = [one for one in store.readings.series(access, point) if one.reading_type.quantity is Quantity.ENERGY]
    delivered = [one for one in series if one.reading_type.flow is Flow.DELIVERED]
    if not delivered:
        return None
    newest = max(delivered, key=lambda one: one.last)
    day = Interval(newest.last - DAY, newest.last)
    panel = store.readings.load(access, point, day, reading_type=newest.reading_type, interval=newest.interval)
    kw, kwh = _last_kw(panel), float(panel.total_kwh()[0])
    back = next((one for one in series if one.reading_type.flow is Flow.RECEIVED and one.last == newest.last), None)
    if back is not None:
        kw -= _last_kw(store.readings.load(access, point, day, reading_type=back.reading_type, interval=back.interval))
    return kw, kwh, newest.last


def _last_kw(panel: Panel) -> float:
    there = np.flatnonzero(~panel.missing[0])
    return float(panel.kw[0, there[-1]]) if there.size else 0.0
