"""What the store knows around the readings of some usage points: one query for each kind of thing, none a point."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial

from gridwright.domain.access import Access
from gridwright.domain.errors import GridMismatch, NotFound
from gridwright.domain.event import ENDS, MARKING, POWER, UNTIL, EndDeviceEvent
from gridwright.domain.interval import Interval, local_midnight, parse_instant, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import FOREVER, Installation, UsagePoint
from gridwright.grid import interruptions
from gridwright.jobs.cascade.around import (
    EVER,
    LONGEST_MIN,
    Around,
    Mark,
    Meant,
    installed_as,
    same_serials,
)
from gridwright.jobs.load.load_told import load_told
from gridwright.store import Store
from gridwright.store.field.field_record import Drift, Switch
from gridwright.vee.circumstances import CONDITION_OF_EVENT, Circumstances, ClockCheck, Condition

# An interruption that began before the period, or a clock check that speaks for its first days, lies so far back.
BEFORE = timedelta(days=7)
# A session, from its beginning to the setting of the clock, takes so long at most.
SESSION = timedelta(minutes=15)
YES = frozenset({"true", "yes", "1"})
NONE = frozenset({"none", "no"})


def load_around(
    store: Store,
    access: Access,
    known: Mapping[str, UsagePoint],
    panels: Sequence[Panel],
    *,
    as_of: datetime | None = None,
) -> Around:
    """Return everything on record around the readings of usage points; nothing where none is named.

    `as_of`: of what people accepted, what they had accepted by then.
    """
    names = list(known)
    if not names or not panels:
        return Around()
    period = Interval(min(panel.start for panel in panels), max(panel.end for panel in panels))
    around = Interval(period.start - BEFORE, period.end)
    there = store.field.installations(access, names)
    drifts = store.field.drifts(access, names, around)
    events = store.field.events(access, names, around, POWER | MARKING | ENDS.keys())
    switches = store.field.switches(access, names)
    meters = store.field.meters(access, names)
    installed = installed_as(there, meters)
    return Around(
        Circumstances(
            clock=clock_checks(drifts),
            installed=installed,
            told=same_serials(load_told(store, access, names), installed),
            inactive=inactive_periods(known, there, switches),
            outages=outages_of(events, period),
            generation=registered_generation(known),
            accepted=store.findings.accepted(access, names, period, as_of=as_of),
        ),
        marks_of(events, drifts),
        tuple(_checks(store, access, known, panels)),
        meant_of(known),
        there,
        meters,
    )


def outages_of(events: Sequence[EndDeviceEvent], period: Interval) -> dict[str, list[Interval]]:
    """Return the interruptions that are over, by usage point; one that nobody has seen end proves nothing."""
    found: dict[str, list[Interval]] = defaultdict(list)
    for cut in interruptions([event for event in events if event.type in POWER], period):
        if cut.over:
            found[cut.usage_point].append(cut.period)
    return found


def marks_of(events: Sequence[EndDeviceEvent], drifts: Sequence[Drift]) -> dict[str, list[Mark]]:
    """Return what devices said of themselves, by usage point; outages are known as such.

    That a clock was set is left out where we set it: how far it was off is known then, and V01 judges it.
    """
    ours: dict[str, list[Drift]] = defaultdict(list)
    for drift in drifts:
        if drift.was_set:
            ours[drift.usage_point].append(drift)
    found: dict[str, list[Mark]] = defaultdict(list)
    for event in events:
        condition = CONDITION_OF_EVENT[event.type] if event.type in MARKING else None
        if condition is Condition.CLOCK_SET and any(map(partial(_is_ours, event), ours.get(event.usage_point, ()))):
            continue
        if condition is not None:
            found[event.usage_point].append(Mark(event.at, condition, _until(event, events)))
    return found


def _until(event: EndDeviceEvent, events: Sequence[EndDeviceEvent]) -> datetime | None:
    """Return until when what an event tells held: as it says itself, or the event that ends it; None: a moment."""
    told = event.details.get(UNTIL)
    if told:
        return parse_instant(told, zone_of("UTC"))
    ends = [kind for kind, begun in ENDS.items() if begun == event.type]
    later = [each.at for each in events if ends and each.type in ends and each.at > event.at and _of_one(each, event)]
    return min(later, default=None)


def _of_one(one: EndDeviceEvent, other: EndDeviceEvent) -> bool:
    return (one.end_device, one.usage_point) == (other.end_device, other.usage_point)


def _is_ours(event: EndDeviceEvent, drift: Drift) -> bool:
    """Tell whether a device reports the setting of its clock in a session, dated by the old clock or by the new."""
    return abs(event.at - drift.at) <= SESSION + timedelta(seconds=abs(drift.seconds))


def clock_checks(drifts: Sequence[Drift]) -> dict[str, list[ClockCheck]]:
    """Return clock checks by usage point; a clock that was set is right from then on."""
    found: dict[str, list[ClockCheck]] = defaultdict(list)
    for each in sorted(drifts, key=lambda drift: drift.at):
        there = (each.installed.start, each.installed.end)
        found[each.usage_point].append(ClockCheck(each.at, each.seconds, *there))
        if each.was_set:
            found[each.usage_point].append(ClockCheck(each.at, 0.0, *there))
    return found


def registered_generation(known: Mapping[str, UsagePoint]) -> dict[str, frozenset[str]] | None:
    """Return what generates at usage points, as the attribute `generation` says; None where none says anything."""
    found = {}
    for name, point in known.items():
        told = point.attributes.get("generation", "").strip().lower()
        if told:
            kinds = frozenset(filter(None, re.split(r"[\s,;+]+", told))) - NONE
            battery = {"battery"} if kinds and _number(point, "battery_kwh") > 0 else set[str]()
            found[name] = kinds | battery
    return found or None


def meant_of(known: Mapping[str, UsagePoint]) -> dict[str, Meant]:
    """Return how usage points are meant to be read: attributes `interval_min`, `channels` and `units`."""
    found = {}
    for name, point in known.items():
        minutes = _number(point, "interval_min")
        interval = timedelta(minutes=minutes) if 0 < minutes <= LONGEST_MIN else None
        channels, units = (frozenset(point.attributes.get(word, "").split()) for word in ("channels", "units"))
        if interval or channels or units:
            found[name] = Meant(interval, channels, units)
    return found


def inactive_periods(
    known: Mapping[str, UsagePoint],
    installations: Sequence[Installation],
    switches: Mapping[str, Sequence[Switch]],
) -> dict[str, list[Interval]]:
    """Return when usage points were vacant, disconnected, or between two meters."""
    hung: dict[str, list[Installation]] = defaultdict(list)
    for each in installations:
        hung[each.usage_point].append(each)
    found = {}
    for name, point in known.items():
        periods = [*_vacant(point), *_off(switches.get(name, ())), *_without_meter(hung.get(name, ()))]
        if periods:
            found[name] = periods
    return found


def _vacant(point: UsagePoint) -> Iterator[Interval]:
    """Yield the attribute `vacant`: true, or local days as in 2025-01-01/2025-03-31, an end left out is open."""
    told = point.attributes.get("vacant", "").strip().lower()
    if told in YES:
        yield EVER
    for part in told.split() if "/" in told else ():
        first, _, last = part.partition("/")
        try:
            start = local_midnight(date.fromisoformat(first), point.tz)
            end = local_midnight(date.fromisoformat(last) + timedelta(days=1), point.tz) if last else FOREVER
        except ValueError:
            continue
        if start < end:
            yield Interval(start, end)


def _off(switches: Sequence[Switch]) -> Iterator[Interval]:
    since: datetime | None = None
    for switch in switches:
        if not switch.connected:
            since = since or switch.at
        elif since is not None:
            yield Interval(since, switch.at)
            since = None
    if since is not None:
        yield Interval(since, FOREVER)


def _without_meter(installations: Sequence[Installation]) -> Iterator[Interval]:
    """Yield the gaps between installations, and the time after the last one that ended; before the first is history."""
    ordered = sorted(installations, key=lambda each: each.period.start)
    begins = [*(each.period.start for each in ordered), FOREVER]
    for each, begin in zip(ordered, begins[1:], strict=True):
        if each.period.end < begin:
            yield Interval(each.period.end, begin)


def _checks(store: Store, access: Access, known: Mapping[str, UsagePoint], panels: Sequence[Panel]) -> Iterator[Panel]:
    """Yield the readings of the check meters that the attribute `checked_by` names, under the ids of the main ones."""
    pairs = {name: point.attributes.get("checked_by", "").strip() for name, point in known.items()}
    pairs = {main: check for main, check in pairs.items() if check and check != main and access.may_see(check)}
    for panel in panels if pairs else ():
        for main in panel.points:
            found = _check(store, access, pairs[main], panel) if main in pairs else None
            if found is not None:
                yield replace(found, points=(main,))


def _check(store: Store, access: Access, check: str, panel: Panel) -> Panel | None:
    """Return the readings of a check meter; one that is not registered, or has other intervals, checks nothing."""
    kind, step = panel.reading_type, panel.interval
    try:
        return store.readings.load(access, [check], panel.period, reading_type=kind, interval=step)
    except (GridMismatch, NotFound):
        return None


def _number(point: UsagePoint, name: str) -> float:
    try:
        value = float(point.attributes.get(name, ""))
    except ValueError:
        return 0.0
    return value if math.isfinite(value) else 0.0
