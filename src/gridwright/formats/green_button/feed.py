"""What a feed says about its readings: usage points, clocks, meter readings and their types, joined by links."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from gridwright.domain.errors import NotFound
from gridwright.domain.reading_type import FLOW_QUANTITIES, Accumulation, ReadingType, from_code
from gridwright.domain.usage_point import SHOWN, id_fault
from gridwright.formats.cim_codes import Codes, Meaning, meaning_of
from gridwright.formats.green_button.clock import LocalTime
from gridwright.formats.green_button.entries import Entry, unquoted
from gridwright.formats.source import ReadOptions
from gridwright.formats.text import shortened

POINT = re.compile(r"(?:(?:^|.*/)RetailCustomer/(?P<customer>[^/]+)/)?(?:.*/)?UsagePoint/(?P<point>[^/]+)")
METER_READING = re.compile(r"(?:^|.*/)MeterReading/[^/]+")
ENDS_OPEN = ("MeterReading", "UsagePoint")  # what comes behind is one of them
COUNTED = re.compile(r"\d{1,4}")
SERIAL = re.compile(r"meter (\S.*)")
MOST_POWER = 15  # femto to peta
SUMMARIES = ("ElectricPowerUsageSummary", "UsageSummary", "ElectricPowerQualitySummary")


@dataclass(frozen=True, slots=True)
class Kind:
    """A reading type of the feed: its meaning or why it is not read, usual interval, default quality code."""

    meaning: Meaning | str
    interval_s: int = 0
    quality: int = 14


@dataclass(frozen=True, slots=True)
class Source:
    """Where the readings of a block come from: usage point, meter (registers), reading type."""

    point: str
    device: str
    kind: Kind


@dataclass(slots=True)
class Feed:
    """The entries of a feed that are not readings, by their addresses and in their order."""

    options: ReadOptions
    points: dict[str, str] = field(default_factory=dict)
    clocks: dict[str, LocalTime] = field(default_factory=dict)
    clock_of: dict[str, str] = field(default_factory=dict)
    kinds: dict[str, Kind] = field(default_factory=dict)
    readings: dict[str, Entry] = field(default_factory=dict)
    reading_links: dict[str, str] = field(default_factory=dict)
    point_links: dict[str, str] = field(default_factory=dict)
    point_places: list[tuple[int, str]] = field(default_factory=list)
    kind_places: list[tuple[int, str]] = field(default_factory=list)
    reading_places: list[tuple[int, str]] = field(default_factory=list)
    blocks: int = 0
    others: dict[str, int] = field(default_factory=dict)
    _sources: dict[str, Source | str] = field(default_factory=dict, compare=False)

    def add(self, entry: Entry, *, fine: bool) -> None:
        """Take note of one entry; `fine`: values need the digits below thousandths of their unit."""
        where = entry.own or f"entry at byte {entry.place}"
        match entry.content:
            case "IntervalBlock":
                self.blocks += 1
            case "UsagePoint":
                self._add_point(entry, where)
            case "LocalTimeParameters":
                if not entry.damaged:
                    self.clocks[where] = _local_time(entry.texts)
            case "MeterReading":
                self.readings[where] = entry
                self.reading_links.update(dict.fromkeys(entry.related(), where))
                self.reading_places.append((entry.place, where))
            case "ReadingType":
                read = (
                    Kind("the ReadingType is damaged") if entry.damaged else _kind(entry.texts, self.options, fine=fine)
                )
                self.kinds[where] = read
                self.kind_places.append((entry.place, where))
            case name:
                self.others[name] = self.others.get(name, 0) + 1

    def source_of(self, block: Entry) -> Source | str:
        """Return where the readings of an IntervalBlock's entry come from, or why nobody can tell."""
        collection, _, _ = block.own.rpartition("/")
        known = self._sources.get(collection)
        if known is None:
            known = self._source_of(block)
            if self._is_of_all(collection):
                self._sources[collection] = known
        return known

    def _is_of_all(self, collection: str) -> bool:
        """Tell whether all blocks of a collection come from there: its address alone tells usage point and reading."""
        match = METER_READING.match(collection)
        if collection.endswith(ENDS_OPEN) or match is None or POINT.match(collection) is None:
            return False
        reading = self.readings.get(match.group())
        return reading is not None and (len(self.kinds) == 1 or not self.kinds.keys().isdisjoint(reading.related()))

    def _source_of(self, block: Entry) -> Source | str:
        reading = self._reading_of(block)
        around = (block, reading) if reading is not None else (block,)
        point = self.options.point or self._point_of(around)
        if not point:
            return "no UsagePoint: neither a link nor the order of the feed tells it"
        if fault := id_fault(point):
            return f"UsagePoint {shortened(point, SHOWN)!r} {fault}"
        kind = self._kind_of(reading, block)
        if kind is None:
            return "no ReadingType: neither a link nor the order of the feed tells it"
        serial = SERIAL.fullmatch(reading.texts.get("title", "")) if reading is not None else None
        return Source(point, serial.group(1) if serial else "", kind)

    def clock(self, point: str) -> LocalTime | None:
        """Return the clock of a usage point: the one it links to, or the only one of the feed."""
        named = self.clock_of.get(point, "")
        if named in self.clocks:
            return self.clocks[named]
        return next(iter(self.clocks.values())) if len(self.clocks) == 1 else None

    def _add_point(self, entry: Entry, where: str) -> None:
        # The same usage point comes again for every day in some feeds.
        self.points[where] = point_id(where)
        self.point_places.append((entry.place, self.points[where]))
        for link in entry.related():
            if "LocalTimeParameters" in link:
                self.clock_of[self.points[where]] = link
            else:
                self.point_links[link] = self.points[where]

    def _reading_of(self, block: Entry) -> Entry | None:
        """Find the MeterReading of a block by its own address, by links to it, else by the order of the feed."""
        for own in (block.own, block.above):
            match = METER_READING.match(own)
            if match and match.group() in self.readings:
                return self.readings[match.group()]
            if own in self.reading_links:
                return self.readings[self.reading_links[own]]
        return self.readings.get(_before(self.reading_places, block.place))

    def _point_of(self, around: Sequence[Entry]) -> str:
        for entry in around:
            for own in (entry.own, entry.above):
                match = POINT.match(own)
                if match:
                    return self.points.get(match.group(), "") or point_id(own)
                if own in self.point_links:
                    return self.point_links[own]
        return _before(self.point_places, around[0].place)

    def _kind_of(self, reading: Entry | None, block: Entry) -> Kind | None:
        linked = next((link for link in reading.related() if link in self.kinds), "") if reading is not None else ""
        if linked:
            return self.kinds[linked]
        if len(self.kinds) == 1:
            return next(iter(self.kinds.values()))
        return self.kinds.get(_before(self.kind_places, block.place))


def point_id(own: str) -> str:
    """Return the usage point's name from its address; one that is only counted needs its customer before it."""
    match = POINT.match(own)
    if match is None:
        return unquoted(own.rpartition("/")[2])
    customer, point = (unquoted(part or "") for part in match.group("customer", "point"))
    return f"{customer}/{point}" if customer and COUNTED.fullmatch(point) else point


def _before(places: Sequence[tuple[int, str]], place: int) -> str:
    """Return the last name that stands before a place, else the first one."""
    at = bisect_right(places, (place, "\uffff")) - 1
    return places[max(at, 0)][1] if places else ""


def _local_time(texts: dict[str, str]) -> LocalTime:
    return LocalTime(
        _whole(texts.get("tzOffset", "")) or 0,
        _whole(texts.get("dstOffset", "")) or 0,
        _whole(texts.get("dstStartRule", ""), 16) or 0,
        _whole(texts.get("dstEndRule", ""), 16) or 0,
        texts.get("title", ""),
    )


def _kind(texts: dict[str, str], options: ReadOptions, *, fine: bool) -> Kind:
    numbers = {name: _whole(texts.get(name, "")) for name in FIELDS}
    unread = next((name for name, number in numbers.items() if number is None and texts.get(name)), "")
    if unread:
        return Kind(f"{unread} of the ReadingType is {texts[unread][:40]!r}, which is no number")
    told = {name: number or 0 for name, number in numbers.items()}
    if not told["uom"]:
        return Kind("the ReadingType names no uom")
    multiplier = told["powerOfTenMultiplier"]
    if abs(multiplier) > MOST_POWER:
        return Kind(f"powerOfTenMultiplier {multiplier} is impossible")
    codes = Codes(
        accumulation=told["accumulationBehaviour"],
        flow=told["flowDirection"],
        commodity=told["commodity"],
        tou=told["tou"],
        tier=told["consumptionTier"],
        phase=told["phase"],
        multiplier=multiplier,
        uom=told["uom"],
    )
    meaning = meaning_of(codes, kind=options.kind)
    if isinstance(meaning, Meaning):
        meaning = _exact(meaning, texts.get("title", ""), fine=fine)
    return Kind(meaning, told["intervalLength"], told["defaultQuality"] if texts.get("defaultQuality") else 14)


def _exact(meaning: Meaning, title: str, *, fine: bool) -> Meaning:
    """Take resolution and channel from a title that is a reading type's code of the same meaning, as we write it.

    Otherwise milliunits that are all whole units stay in the usual resolution.
    """
    kind = meaning.reading_type
    try:
        written = from_code(title)
    except NotFound:
        if fine or kind.exponent >= 0 or kind.quantity not in FLOW_QUANTITIES:
            return meaning
        return Meaning(kind.finer(kind.exponent + 3), meaning.places - 3)
    same = (written.quantity, written.accumulation) == (kind.quantity, kind.accumulation)
    same &= abs(written.exponent) <= MOST_POWER
    return Meaning(written, meaning.places + kind.exponent - written.exponent) if same else meaning


def _whole(text: str, base: int = 10) -> int | None:
    try:
        return int(text, base) if len(text) <= 20 else None  # noqa: PLR2004 - longer than any code
    except ValueError:
        return None


FIELDS = (
    "accumulationBehaviour",
    "commodity",
    "consumptionTier",
    "defaultQuality",
    "flowDirection",
    "intervalLength",
    "phase",
    "powerOfTenMultiplier",
    "tou",
    "uom",
)


def is_register(kind: ReadingType) -> bool:
    """Tell whether values are counter states."""
    return kind.accumulation is Accumulation.CUMULATIVE
