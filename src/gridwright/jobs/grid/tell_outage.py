"""An outage that people tell, as a control room or a head-end knows it; and one that is taken back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.event import OFF, ON, POWER, POWER_CANCELLED, POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.grid import interruptions
from gridwright.store import Store

# What began before an outage may reach into it, and is looked for so far back.
BEFORE = timedelta(days=7)
MOMENT = timedelta(microseconds=1)
AHEAD = timedelta(minutes=5)  # as far as a clock of theirs may be ahead of ours
TOLD_BY = "told_by"


@dataclass(frozen=True, slots=True)
class OutageTold:
    """Usage points without power from `start` on, up to `end`, where it is back; `text`: what is to be remembered."""

    usage_points: Sequence[str]
    start: datetime
    end: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class OutageGone:
    """How many reports of power off and on count no more, and where the outage had been taken back before."""

    events: int
    already: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Unlikely:
    """What cannot be of an outage, by the member of a message that says it."""

    member: str
    reason: str
    at: datetime


def unlikely_in(told: OutageTold, now: datetime) -> Unlikely | None:
    """Return what is wrong with the time of an outage: it ends before it begins, or has not happened yet."""
    latest = max(told.start, told.end or told.start)
    if told.end is not None and told.end <= told.start:
        return Unlikely("to", "the end lies not after the beginning", told.end)
    return Unlikely("from", "it lies in the future", latest) if latest > now + AHEAD else None


def require_likely(told: OutageTold, now: datetime) -> None:
    """Raise InputError where the time of an outage cannot be."""
    wrong = unlikely_in(told, now)
    if wrong is not None:
        raise InputError(
            f"{wrong.reason}: {wrong.at.isoformat()}", where=wrong.member, remedy="tell when power went, and was back"
        )


def tell_outage(store: Store, access: Access, told: OutageTold, *, now: datetime) -> int:
    """Keep an outage as reports of power off and on, and return how many are new; its days are judged again.

    An end that people told before, and that lies within it, is taken back: it would end it. An outage that was taken
    back is a Conflict: what is told of that instant counts no more.
    """
    with store.transaction():
        return _told(store, access, told, now)


def _told(store: Store, access: Access, told: OutageTold, now: datetime) -> int:
    moments = [(POWER_OFF, told.start), *([(POWER_ON, told.end)] if told.end else [])]
    points = _known(store, access, told.usage_points)
    for kind, at in moments:
        gone = store.field.events(access, points, Interval(at, at + MOMENT), [POWER_CANCELLED])
        if gone:
            what = "off" if kind == POWER_OFF else "on"
            raise Conflict(
                f"that power went {what} at {gone[0].usage_point} at {at.isoformat()} was taken back",
                remedy="tell it of a second later or earlier",
            )
    events = [(one, kind, at) for one in points for kind, at in moments]
    events += [(one, POWER_CANCELLED, at) for one, at in _earlier_ends(store, access, points, told)]
    details = {TOLD_BY: access.actor}
    return store.devices.save_events(
        access, [EndDeviceEvent(one, kind, at, now, one, told.text, details) for one, kind, at in events]
    )


def _earlier_ends(
    store: Store, access: Access, points: Sequence[str], told: OutageTold
) -> Iterator[tuple[str, datetime]]:
    """Yield where and when people told that power was back within an outage; what a meter reported stays."""
    if told.end is not None and told.end > told.start + MOMENT:
        within = Interval(told.start + MOMENT, told.end)
        for each in store.field.events(access, points, within, ON):
            if TOLD_BY in each.details:
                yield each.usage_point, each.at


def cancel_outage(store: Store, access: Access, told: OutageTold, *, now: datetime) -> OutageGone:
    """Take back the outages that began just at `start` at usage points, whoever told them; NotFound where one has none.

    The reports stay on record, and beside each that it is taken back; the days are judged again. One that was taken
    back before stays so.
    """
    points = _known(store, access, told.usage_points)
    around = Interval(told.start - BEFORE, max(now, told.start) + MOMENT)
    reported = store.field.events(access, points, around, POWER)
    here = {one.usage_point: one for one in interruptions(reported, around) if one.period.start == told.start}
    gone_before = _gone_before(reported, told.start) - set(here)
    lacking = next((one for one in points if one not in here and one not in gone_before), None)
    if lacking is not None:
        raise NotFound(
            f"no outage of {lacking} begins at {told.start.isoformat()}",
            remedy="GET /v1/grid/outages or gridwright outage list lists them, and GET "
            "/v1/usage-points/ID/end-device-events what was reported",
        )
    moments = [(each.usage_point, at) for each in here.values() for at in (each.period.start, each.period.end)]
    gone = [(one, at) for one, at in moments if at < around.end]
    details = {TOLD_BY: access.actor}
    events = [EndDeviceEvent(one, POWER_CANCELLED, at, now, one, told.text, details) for one, at in gone]
    return OutageGone(store.devices.save_events(access, events), tuple(one for one in points if one in gone_before))


def _gone_before(reported: Sequence[EndDeviceEvent], start: datetime) -> set[str]:
    """Return where an outage that began at an instant was taken back; an end of one may have been, just then."""
    then: dict[str, set[str]] = {}
    for each in reported:
        if each.at == start:
            then.setdefault(each.usage_point, set()).add(each.type)
    return {one for one, types in then.items() if POWER_CANCELLED in types and (types & OFF or not types & ON)}


def _known(store: Store, access: Access, points: Sequence[str]) -> list[str]:
    """Return usage points, each once; NotFound names one that is not registered."""
    access.require(Act.WRITE_READINGS)
    return [each.id for each in store.registry.points(access, list(dict.fromkeys(points)))]
