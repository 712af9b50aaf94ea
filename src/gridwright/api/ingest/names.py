"""Whose a reading is: the meter's in force at its instant, or the usage point's; unknown names wait in quarantine."""

from __future__ import annotations

import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.few import Few
from gridwright.api.ingest.places import NOBODY, NOWHERE, Places, dense
from gridwright.api.ingest.strays import Strays
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.verdicts import Fault, Status
from gridwright.domain.access import Access
from gridwright.domain.errors import StoreError
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s
from gridwright.domain.quality import STATUS, has_status
from gridwright.domain.quality import Status as Quality
from gridwright.domain.reading_type import Accumulation
from gridwright.domain.readings import Readings
from gridwright.domain.twins import twin_note, twins_in
from gridwright.domain.usage_point import Installation
from gridwright.ingest.order import take
from gridwright.store.forgotten import REMEDY as FORGOTTEN_HELPS
from gridwright.store.forgotten import reason

if TYPE_CHECKING:
    from gridwright.api.ingest.known import Numbered
    from gridwright.app import Platform

MOST_NOTES = 20
FRESH_S = 1.0  # after this it is looked for what another process has changed in the registry
KEPT_S = 60.0  # so long the capacities of connections are kept that another process may have changed
STALE_S = 5.0  # and after this nothing is looked up before that was done
UNKNOWN = Fault("meter", "no meter or usage point has this name; the reading is kept", "register it, then claim it")
NOT_THERE = Fault("meter", "the meter was installed nowhere at that time; the reading is kept", "correct its dates")
EDITED = Fault(
    "quality",
    "only an administrator brings in what a person has edited elsewhere",
    "send it as it was measured, and put an edit on record: gridwright edit propose, or POST /v1/edits",
)
FOREIGN = Fault("usage_point", "your key does not reach this usage point", "use the key of its owner")


@dataclass(frozen=True, slots=True)
class Place:
    """A meter at a usage point from `start_s` to before `end_s`; differences of its register times `multiplier`."""

    point: str
    meter: str
    start_s: int
    end_s: int
    multiplier: float = 1.0


@dataclass(frozen=True, slots=True)
class Directory:
    """The registry as it was at `taken`: the usage points, and where each meter hangs or hung, by time.

    `twins`: names of usage points that are also those of meters, which hung elsewhere; the usage point is meant.
    """

    points: Mapping[str, int] = field(default_factory=dict)  # with the store's key of each
    meters: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    at_point: dict[str, tuple[Place, ...]] = field(default_factory=dict)
    taken: float = float("-inf")
    limits: dict[str, float] = field(default_factory=dict)  # what connections carry in kW, as far as it was asked
    learned: float = float("-inf")  # since when these are kept
    twins: Mapping[str, str] = field(default_factory=dict)
    kept_from_s: int = 0  # interval readings from before were forgotten

    def knows(self, name: str) -> bool:
        """Tell whether it is a meter that was ever installed, or a usage point."""
        return name in self.meters or name in self.points

    def meter_at(self, point: str, at_s: int) -> str:
        """Return the meter that hung at a usage point, empty when there was none."""
        return next((one.meter for one in self.at_point.get(point, ()) if one.start_s <= at_s < one.end_s), "")

    def place_of(self, name: str, at_s: int, *, register: bool) -> tuple[str, str] | None:
        """Return the usage point and the meter that a name means at an instant; None where it means nothing.

        A register read of the instant at which its meter was taken down is its last one there.
        """
        if name in self.meters:
            for place in self.meters[name]:
                if place.start_s <= at_s < place.end_s:
                    return place.point, name
            ended = (place.point for place in self.meters[name] if register and place.end_s == at_s)
            return next(((point, name) for point in ended), None)
        return (name, self.meter_at(name, at_s)) if name in self.points else None

    def seen_again(self, taken: float, *, same: bool) -> Directory:
        """Return it as it still was at `taken`; `same`: this process changed nothing since, capacities neither."""
        if same and taken < self.learned + KEPT_S:
            return replace(self, taken=taken)
        return replace(self, taken=taken, limits={}, learned=taken)

    def multiplier(self, point: str, meter: str, at_s: int) -> float:
        """Return the factor of a meter's register differences; NaN, so no energy, where another hung, or none did."""
        here = self.at_point.get(point, ())
        for place in here:
            if place.meter == meter and place.start_s <= at_s < place.end_s:
                return place.multiplier
        return math.nan if here and meter else 1.0


def directory_of(points: Mapping[str, int], installed: Sequence[Installation], taken: float) -> Directory:
    """Return the directory of usage points and installations."""
    meters: dict[str, list[Place]] = defaultdict(list)
    at_point: dict[str, list[Place]] = defaultdict(list)
    for one in installed:
        start_s, end_s = epoch_s(one.period.start), epoch_s(one.period.end)
        place = Place(one.usage_point, one.end_device, start_s, end_s, float(one.multiplier))
        meters[one.end_device].append(place)
        at_point[one.usage_point].append(place)
    twins = twins_in(((one.end_device, one.usage_point) for one in installed), points)
    by_meter = {name: tuple(places) for name, places in meters.items() if name not in twins}
    by_point = {name: tuple(places) for name, places in at_point.items()}
    return Directory(points, by_meter, by_point, taken, twins=twins)


class Directories:
    """Keeps the directory fresh: read again when it is old, or when a name is asked for that it does not have."""

    def __init__(self, platform: Platform, ticks: Callable[[], float] = time.monotonic) -> None:
        self._platform, self._ticks = platform, ticks
        self._reading = threading.Lock()
        self._fingerprint, self._looked, self._revision = "", float("-inf"), 0
        self.now = Directory()

    def is_stale(self, asked: float) -> bool:
        """Tell whether it is too old for a request that came at `asked`, or what this process has changed is not in it.

        A meter that was just exchanged hangs where it hangs now for whoever was told so.
        """
        return self.now.taken < asked - STALE_S or self._platform.store.registry.revision != self._revision

    def must_read_for(self, names: Iterable[str], asked: float) -> bool:
        """Tell whether it must be read before these names are looked up by a request that came at `asked`."""
        directory = self.now
        if self.is_stale(asked):
            return True
        return directory.taken < asked and not all(map(directory.knows, names))

    def must_read_before(self, decoded: Decoded, asked: float) -> bool:
        """Tell the same of the names of a whole request."""
        directory, numbered = self.now, decoded.numbered
        if numbered is None or decoded.few:
            names = {name for readings in decoded.series for name in readings.points}
            return self.must_read_for(names.union(one.name for one in decoded.few), asked)
        if self.is_stale(asked):
            return True
        places = numbered.names.places(directory, register=False)
        return directory.taken < asked and bool(
            (places.always(numbered.number, numbered.names.all) == NOBODY).any() if decoded.series else False
        )

    def should_read(self, asked: float) -> bool:
        """Tell one request, and no other in the same time, that it is time to look for changes beside it."""
        if self.now.taken >= asked - FRESH_S or self._looked >= asked - FRESH_S:
            return False
        self._looked = asked
        return True

    def look(self, asked: float) -> None:
        """Read it beside the requests; a database that is away is their matter, once they need it."""
        with suppress(StoreError):
            self.read(asked)

    def read(self, asked: float) -> None:
        """Read the registry where it has changed, unless somebody did since `asked`; blocks."""
        with self._reading:
            registry, access = self._platform.store.registry, self._platform.access
            if self.now.taken >= asked and registry.revision == self._revision:
                return
            taken, revision = self._ticks(), registry.revision
            fingerprint = registry.fingerprint(access)
            if fingerprint == self._fingerprint:
                now = self.now.seen_again(taken, same=revision == self._revision)
            else:
                now = directory_of(registry.keys(access), registry.installed(access), taken)
                self._fingerprint = fingerprint
            self.now = replace(now, kept_from_s=DAY_S * self._platform.store.retention.kept_from(access))
            self._revision = revision


@dataclass(slots=True, eq=False)
class Resolved:
    """A request's readings by usage point, intervals apart from registers, and those that go into quarantine."""

    intervals: list[Readings] = field(default_factory=list)
    registers: list[Readings] = field(default_factory=list)
    few: list[Few] = field(default_factory=list)
    quarantined: Strays = field(default_factory=Strays)


def resolve(decoded: Decoded, directory: Directory, access: Access) -> Resolved:
    """Find the usage points of a request; what is not within reach is refused, what nobody knows is quarantined."""
    resolved = Resolved()
    _without_forgotten(decoded, directory)
    for one in decoded.few:
        _resolve_one(one, decoded, resolved, directory, access)
    for readings in decoded.series:
        found = _Lookup(readings, directory, decoded.numbered)
        limited = access.points is not None
        _turned_away(readings, found, decoded, resolved, limited=limited)
        known = found.code >= 0
        if limited:
            within = found.within(access)
            _refuse(readings, known & ~within, decoded, FOREIGN)
            known = within
        if not access.may_say_edited:
            edited = known & has_status(readings.quality, (Quality.EDITED,))
            _refuse(readings, edited, decoded, EDITED)
            known = known & ~edited
        if known.any():
            kept = found.renamed(known)
            register = readings.reading_type.accumulation is Accumulation.CUMULATIVE
            (resolved.registers if register else resolved.intervals).append(kept)
    if directory.twins:
        _note_twins(decoded, directory, access)
    return resolved


def _without_forgotten(decoded: Decoded, directory: Directory) -> None:
    """Refuse intervals of a time whose readings were forgotten; register reads of any time are kept."""
    first_s = directory.kept_from_s
    if not first_s:
        return
    fault = Fault("start", reason(from_epoch_s(first_s).date()), FORGOTTEN_HELPS)
    kept, series = [], []
    for one in decoded.few:
        if one.meaning.is_register or one.at_s >= first_s:
            kept.append(one)
            continue
        decoded.verdicts.accepted -= 1
        decoded.verdicts.reject(decoded.places.of(one.index), fault, from_epoch_s(one.at_s).isoformat())
    for readings in decoded.series:
        old = readings.at < first_s
        if readings.reading_type.accumulation is Accumulation.CUMULATIVE or not old.any():
            series.append(readings)
            continue
        _refuse(readings, old, decoded, fault)
        if not old.all():
            series.append(take(readings, ~old))
    decoded.few, decoded.series = kept, series


def _note_twins(decoded: Decoded, directory: Directory, access: Access) -> None:
    """Say of names which of the two that bear it is meant; where the other one is, to whom may see it alone."""
    named = {one.name for one in decoded.few}.union(*(readings.points for readings in decoded.series))
    twins = directory.twins
    seen = (name for name in sorted(named & twins.keys()) if access.may_see(name) and access.may_see(twins[name]))
    decoded.verdicts.notes += [twin_note(name, twins[name]) for name in islice(seen, MOST_NOTES)]


def _resolve_one(few: Few, decoded: Decoded, resolved: Resolved, directory: Directory, access: Access) -> None:
    """Find the usage point of one reading; the same rules as for many."""
    place = directory.place_of(few.name, few.at_s, register=few.meaning.is_register)
    limited = access.points is not None
    where = decoded.places.of(few.index)
    if limited and (place is None or not access.may_see(place[0])):
        decoded.verdicts.accepted -= 1
        decoded.verdicts.reject(where, FOREIGN, few.name)
    elif place is not None and few.meaning.quality & STATUS == Quality.EDITED and not access.may_say_edited:
        decoded.verdicts.accepted -= 1
        decoded.verdicts.reject(where, EDITED, few.name)
    elif place is None:
        decoded.verdicts.accepted -= 1
        decoded.verdicts.quarantine(where, NOT_THERE if few.name in directory.meters else UNKNOWN, few.name)
        resolved.quarantined.few.append(few)
    else:
        point, meter = place
        presumed = few.name not in directory.meters
        resolved.few.append(Few(point, few.at_s, few.counts, few.meaning, few.index, meter, presumed=presumed))


class _Lookup:
    """Where each reading of a series belongs: `code` into `pairs` of usage point and meter; below 0: nowhere."""

    def __init__(self, readings: Readings, directory: Directory, numbered: Numbered | None) -> None:
        self.readings = readings
        self.register = readings.reading_type.accumulation is Accumulation.CUMULATIVE
        names: Sequence[str] = readings.points
        number = np.arange(len(names))
        self.places = Places(directory, register=self.register)
        if numbered is not None:
            number, names = numbered.number, numbered.names.all
            self.places = numbered.names.places(directory, register=self.register)
        self.code = self.places.of(readings, number, names)
        self._presumed = self.places.always(number, names) != NOWHERE if self.register else None

    def within(self, access: Access) -> npt.NDArray[np.bool_]:
        """Tell which readings belong to points that somebody may see; none that belong nowhere."""
        known = self.code >= 0
        used, place = dense(self.code[known], len(self.places.pairs))
        reach = np.array([access.may_see(self.places.pairs[at][0]) for at in used.tolist()] or [False])
        known[known] = reach[place]
        return known

    def renamed(self, which: npt.NDArray[np.bool_]) -> Readings:
        """Return the readings at `which` under their usage points; registers keep the meter or get one."""
        whole = bool(which.all())
        kept = self.readings if whole else take(self.readings, which)
        used, place = dense(self.code if whole else self.code[which], len(self.places.pairs))
        points, devices = self.places.some(used)
        presumed = None if self._presumed is None else self._presumed[kept.point]
        return replace(kept, points=points, point=place, devices=devices if self.register else (), presumed=presumed)


def _turned_away(readings: Readings, found: _Lookup, decoded: Decoded, resolved: Resolved, *, limited: bool) -> None:
    """Quarantine what has no usage point; for a key that reaches few points it is simply not theirs."""
    for code, fault in ((NOBODY, UNKNOWN), (NOWHERE, NOT_THERE)):
        which = found.code == code
        if not which.any():
            continue
        if limited:
            _refuse(readings, which, decoded, FOREIGN)
            continue
        _tell(readings, np.flatnonzero(which), decoded, Status.QUARANTINED, fault)
        resolved.quarantined.series.append(readings if which.all() else take(readings, which))


def _refuse(readings: Readings, which: npt.NDArray[np.bool_], decoded: Decoded, fault: Fault) -> None:
    if which.any():
        _tell(readings, np.flatnonzero(which), decoded, Status.REJECTED, fault)


def _tell(readings: Readings, rows: npt.NDArray[np.intp], decoded: Decoded, status: Status, fault: Fault) -> None:
    """Give a verdict to readings that were sound until now."""
    verdicts = decoded.verdicts
    verdicts.accepted -= rows.size
    listed = rows[: verdicts.room].tolist()
    places = [decoded.places.of(int(readings.line[row])) for row in listed]
    values = [readings.points[readings.point[row]] for row in listed]
    verdicts.several(status, places, fault, values, unlisted=rows.size - len(listed))
