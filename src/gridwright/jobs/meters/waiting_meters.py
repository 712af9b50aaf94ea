"""Meters nobody knows, of which readings or events wait."""

from __future__ import annotations

from dataclasses import replace

from gridwright.domain.access import Access
from gridwright.domain.errors import NotFound
from gridwright.domain.interval import Interval
from gridwright.domain.quarantine import QuarantinedMeter
from gridwright.store import Store


def waiting_meters(store: Store, access: Access, *, limit: int = 100, after: str = "") -> list[QuarantinedMeter]:
    """Return the unknown meters by name, those behind `after`, with how many of their readings and events wait."""
    found = {each.meter: each for each in store.quarantine.meters(access, limit=limit, after=after)}
    for each in store.waiting_events.devices(access, limit=limit, after=after):
        known = found.get(each.end_device)
        alone = QuarantinedMeter(each.end_device, 0, each.first, each.last, each.received)
        found[each.end_device] = replace(known or alone, events=each.events)
    return [found[name] for name in sorted(found)][:limit]


def waiting_meter(
    store: Store, access: Access, meter: str, *, within: Interval | None = None
) -> QuarantinedMeter | None:
    """Return what waits under one name, `within`: of that time only; None where nothing does."""
    known = store.quarantine.meter(access, meter, within=within)
    events = store.waiting_events.of(access, meter, within=within)
    if not events:
        return known
    received = max(each.known_at for each in events)
    alone = QuarantinedMeter(meter, 0, events[0].at, events[-1].at, received)
    return replace(known or alone, events=len(events))


def drop_waiting(store: Store, access: Access, meter: str, *, reason: str) -> tuple[int, int]:
    """Let what waits of a meter go for a reason; return how many readings and events. NotFound where nothing waits."""
    with store.transaction(settled=False):
        events = store.waiting_events.drop(access, meter, reason=reason.strip())
        try:
            return store.quarantine.drop(access, meter, reason=reason), events
        except NotFound:
            if not events:
                raise
            return 0, events
