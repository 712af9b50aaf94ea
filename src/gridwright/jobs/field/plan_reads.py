"""Plan the readings of devices from what the store holds: where each is installed, which intervals it still lacks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from gridwright.collect import Known, ReadOrder, ReadPolicy, channels_of, holes, is_due, order_of, spans
from gridwright.collect.plan import interval_of
from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.device import DeviceLink, LinkState, ReadSession
from gridwright.domain.errors import Conflict, GridMismatch
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import Quantity, ReadingType, from_code
from gridwright.domain.usage_point import Installation
from gridwright.jobs.field.device_line import zones_of
from gridwright.jobs.meters.on_its_grid import load_day
from gridwright.store import Store
from gridwright.store.archive.reading import leaving_out

ABSENT = "absent-intervals"
REMEMBERED = 50  # sessions looked through for the last one that brought everything


@dataclass(frozen=True, slots=True)
class Planned:
    """One device with what to ask it for, where it was installed when, its zone, and which attempt this is.

    `lacking`: the holes themselves; a question may reach over what lies between two of them.
    """

    link: DeviceLink
    order: ReadOrder
    installed: Sequence[Installation]
    zone: str = "UTC"
    lacking: Mapping[ReadingType, Sequence[Interval]] = field(default_factory=dict)
    absent: Mapping[ReadingType, Sequence[Interval]] = field(default_factory=dict)
    attempt: int = 1


def plan_reads(
    store: Store, access: Access, now: datetime, policy: ReadPolicy, serials: Sequence[str] = ()
) -> list[Planned]:
    """Return what is due now; named devices are due whether it is their turn or not."""
    links = [store.devices.link(access, serial) for serial in dict.fromkeys(serials)] or list(
        store.devices.links(access, LinkState.IN_SERVICE)
    )
    for link in links:
        if link.state is not LinkState.IN_SERVICE:
            raise Conflict(
                f"device {link.serial} is {link.state}, not in service",
                remedy=f"gridwright collect commission {link.serial} finishes it",
            )
    wanted = links if serials else _due(store, access, links, now, policy)
    places = _places(store, access)
    when = (now, policy, zones_of(store, access))
    planned = [_plan(store, access, link, places.get(link.serial, []), when) for link in wanted]
    return [each for each in planned if not each.order.is_empty]


def _due(
    store: Store, access: Access, links: Sequence[DeviceLink], now: datetime, policy: ReadPolicy
) -> list[DeviceLink]:
    """Return the links whose turn it is; the newest sessions come in one query, older ones one by one."""
    newest: dict[str, ReadSession | None] = {}
    for session in store.devices.sessions(access, limit=2 * len(links) + 100):
        newest.setdefault(session.serial, session)
    for link in links:
        if link.serial not in newest:
            newest[link.serial] = next(iter(store.devices.sessions(access, link.serial, limit=1)), None)
    return [link for link in links if is_due(link, newest[link.serial], now, policy)]


def _places(store: Store, access: Access) -> dict[str, list[Installation]]:
    found: dict[str, list[Installation]] = {}
    for installation in store.registry.installed(access):
        found.setdefault(installation.end_device, []).append(installation)
    return found


def _plan(
    store: Store,
    access: Access,
    link: DeviceLink,
    installed: Sequence[Installation],
    when: tuple[datetime, ReadPolicy, Callable[[str], str]],
) -> Planned:
    now, policy, zone_of = when
    sessions = store.devices.sessions(access, link.serial, limit=REMEMBERED)
    good = next((session.began for session in sessions if session.succeeded), None)
    absent = absent_intervals(store, access, link.serial)
    window = Interval(now - policy.look_back, now)
    lacking = {kind: _lacking(store, access, link, installed, (kind, window)) for kind in channels_of(link)}
    known = Known(lacking, absent, good)
    order = order_of(link, known, now, policy)
    return Planned(link, order, installed, zone_of(link.serial), lacking, absent, link.failures + 1)


def _lacking(
    store: Store,
    access: Access,
    link: DeviceLink,
    installed: Sequence[Installation],
    asked: tuple[ReadingType, Interval],
) -> list[Interval]:
    """Return the periods of the window in which the device was installed and no value is stored.

    A device that was never installed is read all the same: its readings wait in quarantine.
    """
    kind, window = asked
    interval = interval_of(link)
    if interval is None:
        return []
    window = _on_grid(window, interval)
    if not installed:
        return _beyond_quarantine(store, access, link.serial, window)
    found: list[Interval] = []
    for place in installed:
        during = place.period.intersection(window)
        if during is not None:
            found += _stored_holes(store, access, place, (scaled(kind, place), _inside(during, interval), interval))
    return spans(found)


def _stored_holes(
    store: Store, access: Access, place: Installation, asked: tuple[ReadingType, Interval, timedelta]
) -> list[Interval]:
    """Return the holes of a period; days that are stored in another interval are left alone.

    What lies between register reads nobody sent: the device is asked for it.
    """
    kind, period, interval = asked
    try:
        with leaving_out():  # a month whose file is lost may be read from the meter again
            panel = store.readings.load(access, place.usage_point, period, reading_type=kind, interval=interval)
    except GridMismatch:
        days = _days(period)
        if len(days) == 1:
            return [period] if _is_told(store, access, place.usage_point, (kind, period)) else []
        return [hole for day in days for hole in _stored_holes(store, access, place, (kind, day, interval))]
    sent = panel.with_values(np.where(q.of_register(panel.quality), np.nan, panel.values))
    return [*holes(sent), *_around(panel.period, period)]


def _is_told(store: Store, access: Access, point: str, what: tuple[ReadingType, Interval]) -> bool:
    """Tell whether register reads alone tell a day on another grid: it makes way for the device's own intervals."""
    kind, period = what
    panel = load_day(store, access, [point], epoch_s(period.start) // DAY_S, kind)
    return panel is not None and bool((panel.missing | q.of_register(panel.quality)).all())


def _days(period: Interval) -> list[Interval]:
    """Cut a period at each UTC midnight, as the store's blocks are."""
    first, last = epoch_s(period.start) // DAY_S, -(-epoch_s(period.end) // DAY_S)
    days = (Interval(from_epoch_s(day * DAY_S), from_epoch_s((day + 1) * DAY_S)) for day in range(first, last))
    return [part for day in days if (part := day.intersection(period)) is not None]


def _around(inner: Interval, outer: Interval) -> list[Interval]:
    if inner.start >= inner.end:
        return [outer]
    ends = ((outer.start, inner.start), (inner.end, outer.end))
    return [Interval(start, end) for start, end in ends if start < end]


def _beyond_quarantine(store: Store, access: Access, serial: str, window: Interval) -> list[Interval]:
    start = max(window.start, store.quarantine.reaches(access, serial) or window.start)
    return [Interval(start, window.end)] if start < window.end else []


def _on_grid(period: Interval, interval: timedelta) -> Interval:
    length = int(interval.total_seconds())
    return Interval(from_epoch_s(epoch_s(period.start) // length * length), period.end)


def _inside(period: Interval, interval: timedelta) -> Interval:
    """Return the whole intervals within a period: one during which the meter was exchanged belongs to neither."""
    length = int(interval.total_seconds())
    start, end = -(-epoch_s(period.start) // length) * length, epoch_s(period.end) // length * length
    return Interval(from_epoch_s(start), from_epoch_s(max(start, end)))


def scaled(kind: ReadingType, place: Installation) -> ReadingType:
    """Return the reading type in which a meter's values times its transformer factor are whole counts."""
    if kind.quantity not in (Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY):
        return kind
    fraction = place.multiplier.normalize().as_tuple().exponent
    return kind.finer(kind.exponent + fraction) if isinstance(fraction, int) and fraction < 0 else kind


def absent_intervals(store: Store, access: Access, serial: str) -> dict[ReadingType, list[Interval]]:
    """Return the intervals that the meter itself has not got, so that they are not asked for forever."""
    kept = store.outlooks.latest(access, ABSENT, serial)
    if kept is None:
        return {}
    return {from_code(code): [_period(pair) for pair in pairs] for code, pairs in kept.body.items()}


def _period(pair: Iterable[int]) -> Interval:
    start, end = pair
    return Interval(from_epoch_s(start), from_epoch_s(end))
