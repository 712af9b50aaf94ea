"""An outage that people tell, as a control room or a head-end knows it; and one that is taken back.

Each usage point has a verdict of its own; of one that nobody knows it waits, as what a file says of a device does.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import InputError
from gridwright.domain.event import LET_GO, OFF, ON, POWER, POWER_CANCELLED, POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.interval import Interval
from gridwright.grid import interruptions
from gridwright.store import Store

# What began before an outage may reach into it, and is looked for so far back.
BEFORE = timedelta(days=7)
MOMENT = timedelta(microseconds=1)
AHEAD = timedelta(minutes=5)  # as far as a clock of theirs may be ahead of ours
TOLD_BY = "told_by"
Outcome = Literal["kept", "waits", "refused"]
Why = tuple[str, str]
UNKNOWN = (
    "no usage point has this name; the outage is kept, and waits",
    "register it, then claim it: gridwright quarantine claim {0} {0}; a slip is let go: gridwright quarantine drop {0}",
)
FOREIGN = "your key does not reach this usage point", "use the key of its owner"
FULL = "no usage point has this name, and the quarantine is full", "register it, or claim or drop what waits"
REGISTER = "register the usage point, and tell it again"
LISTED = (
    "GET /v1/grid/outages or gridwright outage list lists them, and GET /v1/usage-points/ID/end-device-events what was "
    "reported"
)


@dataclass(frozen=True, slots=True)
class OutageTold:
    """Usage points without power from `start` on, up to `end`, where it is back; `text`: what is to be remembered."""

    usage_points: Sequence[str]
    start: datetime
    end: datetime | None = None
    text: str = ""


@dataclass(frozen=True, slots=True)
class PointTold:
    """What became of an outage at one usage point, and why where it is not kept there."""

    usage_point: str
    outcome: Outcome = "kept"
    reason: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class OutageDone:
    """How many reports are new, what became of each usage point, and where it had been taken back before."""

    events: int
    points: tuple[PointTold, ...] = ()
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


def tell_outage(store: Store, access: Access, told: OutageTold, *, now: datetime) -> OutageDone:
    """Keep an outage as reports of power off and on, with a verdict on each usage point; its days are judged again.

    An end that people told before, and that lies within it, is taken back: it would end it. One that was taken back is
    refused, for what is told of that instant counts no more. At a usage point that nobody knows it waits for a claim.
    """
    access.require(Act.WRITE_READINGS)
    with store.transaction(settled=False):
        places = _places(store, access, told.usage_points)
        moments = [(POWER_OFF, told.start), *([(POWER_ON, told.end)] if told.end else [])]
        over = Interval(told.start, (told.end or told.start) + MOMENT)
        reported = _reported(store, access, places, over)
        refused = dict.fromkeys(places.foreign, FOREIGN) | _taken_back(reported, moments)
        reports = _reports(access, told, now)
        events = {one: [reports(one, kind, at) for kind, at in moments] for one in places.within if one not in refused}
        for one, at in _earlier_ends(reported, told):
            events.get(one, []).append(reports(one, POWER_CANCELLED, at))
        refused |= _without_room(store, access, places, events, reported)
        kept = [each for one, own in events.items() if one not in refused for each in own]
        return OutageDone(_save(store, access, places, kept), places.verdicts(refused))


def cancel_outage(store: Store, access: Access, told: OutageTold, *, now: datetime) -> OutageDone:
    """Take back the outages that began just at `start` at usage points, whoever told them; refused where one has none.

    The reports stay on record, and beside each that it is taken back; the days are judged again. One that was taken
    back before stays so.
    """
    access.require(Act.WRITE_READINGS)
    with store.transaction(settled=False):
        places = _places(store, access, told.usage_points)
        around = Interval(told.start - BEFORE, max(now, told.start) + MOMENT)
        reported = [each for each in _reported(store, access, places, around) if LET_GO not in each.details]
        here = {one.usage_point: one for one in interruptions(reported, around) if one.period.start == told.start}
        gone = _gone_before(reported, told.start) - set(here)
        lacking = [one for one in places.within if one not in here and one not in gone]
        refused = {one: (f"no outage of {one} begins at {told.start.isoformat()}", LISTED) for one in lacking}
        moments = [(each.usage_point, at) for each in here.values() for at in (each.period.start, each.period.end)]
        reports = _reports(access, told, now)
        events = [reports(one, POWER_CANCELLED, at) for one, at in moments if at < around.end]
        already = tuple(one for one in places.within if one in gone)
        verdicts = places.verdicts(refused | dict.fromkeys(places.foreign, FOREIGN))
        return OutageDone(_save(store, access, places, events), verdicts, already)


@dataclass(frozen=True, slots=True)
class _Places:
    """The usage points of an outage, each once: those of which there are such, and those out of reach."""

    named: tuple[str, ...]
    known: frozenset[str]
    foreign: frozenset[str] = frozenset()

    @property
    def within(self) -> tuple[str, ...]:
        return tuple(one for one in self.named if one not in self.foreign)

    def verdicts(self, refused: Mapping[str, Why]) -> tuple[PointTold, ...]:
        return tuple(self._verdict(one, refused.get(one)) for one in self.named)

    def _verdict(self, one: str, why: Why | None) -> PointTold:
        if why is not None:
            return PointTold(one, "refused", *why)
        if one in self.known:
            return PointTold(one)
        return PointTold(one, "waits", UNKNOWN[0], UNKNOWN[1].format(one))


def _places(store: Store, access: Access, named: Iterable[str]) -> _Places:
    each = tuple(dict.fromkeys(named))
    foreign = frozenset(one for one in each if not access.may_see(one))
    return _Places(
        each, frozenset(store.registry.registered(access, [one for one in each if one not in foreign])), foreign
    )


def _reported(store: Store, access: Access, places: _Places, period: Interval) -> list[EndDeviceEvent]:
    """Return what is on record of power at usage points, and what waits under their names, by time."""
    found = store.field.events(access, [one for one in places.within if one in places.known], period, POWER)
    if access.points is None:
        waits = store.waiting_events.told(access, places.within, period, POWER)
        found += [replace(each, usage_point=each.end_device) for each in waits]
    return sorted(found, key=lambda each: each.at)


def _taken_back(reported: Iterable[EndDeviceEvent], moments: Iterable[tuple[str, datetime]]) -> dict[str, Why]:
    """Return where it was taken back before that power went, or came, at one of these moments."""
    what = {at: "off" if kind == POWER_OFF else "on" for kind, at in moments}
    return {
        each.usage_point: (
            f"that power went {what[each.at]} at {each.usage_point} at {each.at.isoformat()} was taken back",
            "tell it of a second later or earlier",
        )
        for each in reported
        if each.type == POWER_CANCELLED and each.at in what and LET_GO not in each.details
    }


def _earlier_ends(reported: Iterable[EndDeviceEvent], told: OutageTold) -> Iterator[tuple[str, datetime]]:
    """Yield where and when people told that power was back within an outage; what a meter reported stays."""
    for each in reported:
        if told.end is not None and told.start < each.at < told.end and each.type in ON and TOLD_BY in each.details:
            yield each.usage_point, each.at


def _without_room(
    store: Store,
    access: Access,
    places: _Places,
    events: Mapping[str, Sequence[EndDeviceEvent]],
    reported: Iterable[EndDeviceEvent],
) -> dict[str, Why]:
    """Return the usage points nobody knows of which nothing more may wait: it is full, or somebody let it go."""
    unknown = {one: own for one, own in events.items() if one not in places.known}
    if not unknown:
        return {}
    room, refused = store.waiting_events.room(access), dict[str, Why]()
    there = {(each.usage_point, each.type, each.at): each for each in reported}
    for one, own in unknown.items():
        before = [there.get((one, each.type, each.at)) for each in own]
        gone = next((each for each in before if each is not None and LET_GO in each.details), None)
        need = before.count(None)
        if gone is not None:
            refused[one] = f"it waited, and was let go: {gone.details[LET_GO]}", REGISTER
        elif need > room:
            refused[one] = FULL
        else:
            room -= need
    return refused


@dataclass(frozen=True, slots=True)
class _Reports:
    """Makes the reports of an outage."""

    details: Mapping[str, str]
    text: str
    now: datetime

    def __call__(self, one: str, kind: str, at: datetime) -> EndDeviceEvent:
        return EndDeviceEvent(one, kind, at, self.now, one, self.text, self.details)


def _reports(access: Access, told: OutageTold, now: datetime) -> _Reports:
    return _Reports({TOLD_BY: access.actor}, told.text, now)


def _save(store: Store, access: Access, places: _Places, events: Iterable[EndDeviceEvent]) -> int:
    these = [each if each.usage_point in places.known else replace(each, usage_point="") for each in events]
    return store.devices.save_events(access, these) if these else 0


def _gone_before(reported: Sequence[EndDeviceEvent], start: datetime) -> set[str]:
    """Return where an outage that began at an instant was taken back; an end of one may have been, just then."""
    then: dict[str, set[str]] = {}
    for each in reported:
        if each.at == start:
            then.setdefault(each.usage_point, set()).add(each.type)
    return {one for one, types in then.items() if POWER_CANCELLED in types and (types & OFF or not types & ON)}
