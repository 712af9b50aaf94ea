"""Writing NEM12: days of intervals in market time, index reads as 500 records; and NEM13: two reads a record."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby, pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import MISSING, nem12_code
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.compact import compact_stamps
from gridwright.formats.keeps import Keeps, always, no_gaps
from gridwright.formats.nem12.channels import FLOWLESS, FLOWS, OWN
from gridwright.formats.nem12.qualities import quality_byte
from gridwright.formats.writer import (
    WRITTEN_UNIT,
    pattern_of,
    phase_of,
    plain_id,
    quality_word,
    require,
    written_values,
)

CLOCK, MARKET_S = "Australia/Brisbane", 36_000  # market time is UTC+10 all year (MDFF 3.3)
SENDER, RECEIVER = "GRIDWRIGHT", "RECEIVER"
UNITS: dict[Quantity, str] = {
    quantity: unit
    for quantity, unit in WRITTEN_UNIT.items()
    if quantity not in {Quantity.FREQUENCY, Quantity.TEMPERATURE, Quantity.VOLUME, Quantity.STATE}
}
SUFFIX = re.compile(r"[A-Z1-9][1-9A-Z]")
# First letter of a suffix that tells the direction (AEMO NMI Procedure); X has none.
LETTERS = {Flow.DELIVERED: "E", Flow.RECEIVED: "B", Flow.NET: "N", Flow.NONE: "X"}
REACTIVE = {Flow.DELIVERED: "Q", Flow.RECEIVED: "K"}
# Second character of the suffix of a channel whose name is none: by the number it ends with, else by the name.
NUMBERED, NAMED = "ABCDEFGHI", "JKLMNOPQRSTUVWXYZ"
DIRECTIONS = {Flow.DELIVERED: "E", Flow.RECEIVED: "I"}
FORBIDDEN = ',"'
LONGEST_REGISTER = 10  # characters of a RegisterID (MDFF)


def _told(quality: int) -> str:
    """Return quality method, reason code and reason of a quality byte.

    MDFF asks for a reason of each substitute. Code 0 is free text: our own word, which tells what the method cannot.
    """
    if q.Status(quality & 0x0F) in q.GAPS:
        return "N,,"
    code = nem12_code(quality)
    plain = code[0] not in REASONED and quality_byte(code) == quality
    return f"{code},," if plain else f"{code},0,{quality_word(quality)}"


REASONED = "SF"
KNOWN = {q.pack(status, method) for status in q.Status for method in q.Method}
TOLD = [_told(byte) if byte in KNOWN else "N,," for byte in range(256)]


def suffix_of(kind: ReadingType, *, told: bool = False) -> str:
    """Return the NMI suffix of a series, by its own name alone, so that it is the same in every file.

    A channel that is a suffix of its direction is its own, no channel is the first one (E1). `told`: the direction is
    written beside it (NEM13), so that the suffix of a basic meter, such as 11, may stay.
    """
    own = kind.channel.upper()
    directed = told and kind.flow in DIRECTIONS
    directed |= kind.quantity in FLOWLESS or FLOWS.get(own[:1], Flow.NONE) is kind.flow
    if SUFFIX.fullmatch(own) and directed:
        return own
    letter = (REACTIVE if kind.quantity is Quantity.REACTIVE_ENERGY else {}).get(kind.flow, LETTERS[kind.flow])
    if not own:
        return f"{letter}1"
    number = int(own[-1]) if own[-1] in "123456789" else 0
    return letter + (NUMBERED[number - 1] if number else NAMED[crc32(own.encode()) % len(NAMED)])


@dataclass(slots=True)
class Suffixes:
    """Which NMI suffix each series of a usage point has: its own, but of two quantities that share one the first."""

    told: bool = False
    taken: dict[str, dict[ReadingType, str]] = field(default_factory=dict)

    def of(self, point: str, kind: ReadingType) -> str:
        """Return the suffix of a series; a register shares that of its intervals."""
        mine = self.taken.setdefault(point, {})
        key = kind.register().finer(0)
        if key not in mine:
            own, others = suffix_of(kind, told=self.told), set(mine.values())
            spare = (own[0] + last for last in reversed(NUMBERED + NAMED) if own[0] + last not in others)
            mine[key] = next(spare) if own in others else own
        return mine[key]

    def register(self, point: str, kind: ReadingType) -> str:
        """Return the RegisterID, which tells whoever reads it here the channel where that is not the suffix."""
        suffix, own = self.of(point, kind), f"{OWN}{kind.channel}"
        plain = own.isprintable() and own == own.strip() and not set(own) & set(FORBIDDEN)
        return own if kind.channel != suffix and plain and len(own) <= LONGEST_REGISTER else suffix


def kept_kind(kind: ReadingType, *, told: bool = False) -> ReadingType:
    """Return what a series is read as: under its own channel where the RegisterID has room for it."""
    register = Suffixes(told).register("", kind)
    return replace(kind, channel=register.removeprefix(OWN) if register.startswith(OWN) else register)


KEEPS = Keeps(kind=kept_kind, quality=no_gaps, read_quality=lambda _: q.RAW, zone=always(CLOCK), meters=True)


@dataclass(frozen=True, slots=True)
class Nem12Writer:
    """Writes NEM12 in market time; the header names no real participant: whoever sends it fills that in."""

    name: str = "nem12"
    suffix: str = ".csv"
    keeps: Keeps = KEEPS

    def written_channel(self, kind: ReadingType) -> str:
        """Return the suffix: energy without a channel and E1 are one series to whoever reads it."""
        return suffix_of(kind)

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Refuse units that MDFF lacks, and intervals that do not fill the market's day."""
        refusal = _no_unit(kind)
        if refusal or not interval_s:
            return refusal
        if interval_s % 60 or DAY_S % interval_s or (phase_s + MARKET_S) % interval_s:
            return f"intervals of {interval_s} s from second {phase_s} do not fill a day of market time (UTC+10)"
        return ""

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield 100, a 200 record and its days for each series, register reads as 500 records, 900."""
        del points
        suffixes, opened = Suffixes(), False
        for panel in panels:
            require(self.why_not(panel.reading_type, panel.interval_s, phase_of(panel)))
            if not opened:
                yield _header("NEM12", epoch_s(panel.end))
                opened = True
            yield from _panel(panel, suffixes)
        for (point, kind, device), group in groupby(registers, key=_register):
            require(self.why_not(kind, 0, 0))
            reads = list(group)
            if not opened:
                yield _header("NEM12", epoch_s(reads[-1].at))
                opened = True
            yield _head((point, device), suffixes, kind, 30)
            yield _index_reads(kind, reads)
        yield (b"" if opened else _header("NEM12", 0)) + b"900\n"


NEM13_KEEPS = Keeps(kind=partial(kept_kind, told=True), quality=no_gaps, zone=always(CLOCK), meters=True)


@dataclass(frozen=True, slots=True)
class Nem13Writer:
    """Writes NEM13: register reads in pairs of the previous and the current one."""

    name: str = "nem13"
    suffix: str = ".csv"
    keeps: Keeps = NEM13_KEEPS

    def written_channel(self, kind: ReadingType) -> str:
        """Return the suffix."""
        return suffix_of(kind, told=True)

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Refuse intervals, and units that MDFF lacks."""
        del phase_s
        if interval_s or kind.accumulation is not Accumulation.CUMULATIVE:
            return "NEM13 holds register reads only"
        return _no_unit(kind)

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield 100, a 250 record for each two consecutive reads of a register, 900."""
        del points
        for panel in panels:
            require(self.why_not(panel.reading_type, panel.interval_s, 0))
        suffixes, opened = Suffixes(told=True), False
        for (point, kind, device), group in groupby(registers, key=_register):
            require(self.why_not(kind, 0, 0))
            reads = list(group)
            if not opened:
                yield _header("NEM13", epoch_s(reads[-1].at))
                opened = True
            # A lone read has nothing before it: it stands for both.
            pairs = list(pairwise(reads)) or [(reads[0], reads[0])]
            suffix, register = suffixes.of(point, kind), suffixes.register(point, kind)
            head = f"250,{plain_id(point, FORBIDDEN, 'NEM13')},{suffix},{register},{suffix}", device
            yield "".join(_accumulated(head, kind, before, after) for before, after in pairs).encode()
        yield (b"" if opened else _header("NEM13", 0)) + b"900\n"


NEM12_WRITER, NEM13_WRITER = Nem12Writer(), Nem13Writer()


def _register(read: RegisterReading) -> tuple[str, ReadingType, str]:
    return read.usage_point, read.reading_type, read.end_device


def _no_unit(kind: ReadingType) -> str:
    if kind.quantity not in UNITS or kind.commodity != "electricity":
        return f"NEM12 has no unit for {kind}"
    return ""


def _header(version: str, moment: int) -> bytes:
    stamp = compact_stamps(np.array([moment + MARKET_S]))[0]
    return f"100,{version},{stamp},{SENDER},{RECEIVER}\n".encode()


def _head(whose: tuple[str, str], suffixes: Suffixes, kind: ReadingType, minutes: int) -> bytes:
    point, device = whose
    suffix, register = suffixes.of(point, kind), suffixes.register(point, kind)
    nmi = plain_id(point, FORBIDDEN, "NEM12")
    serial = plain_id(device, FORBIDDEN, "NEM12") if device else ""
    return f"200,{nmi},{suffix},{register},{suffix},,{serial},{UNITS[kind.quantity]},{minutes},\n".encode()


def _panel(panel: Panel, suffixes: Suffixes) -> Iterator[bytes]:
    """Yield the 200 record and the days of each usage point; days without any value are left out."""
    first = epoch_s(panel.start) + MARKET_S
    lead = first % DAY_S // panel.interval_s
    slots = panel.slots_per_day
    days = -(-(lead + panel.slots) // slots)
    dates = (first // DAY_S + np.arange(days)).astype("datetime64[D]")
    names = [text.replace("-", "") for text in np.datetime_as_string(dates).tolist()]
    pattern = ",".join([pattern_of(panel.reading_type)] * slots)
    for row, point in enumerate(panel.points):
        values = np.full(days * slots, np.nan)
        quality = np.full(days * slots, MISSING, np.uint8)
        values[lead : lead + panel.slots] = panel.values[row]
        quality[lead : lead + panel.slots] = np.where(np.isnan(panel.values[row]), MISSING, panel.quality[row])
        kind, minutes = panel.reading_type, panel.interval_s // 60
        whole, codes = values.reshape(days, slots), quality.reshape(days, slots)
        filled = np.flatnonzero(~np.isnan(whole).all(axis=1))
        alike = (codes == codes[:, :1]).all(axis=1)
        numbers = written_values(kind, np.nan_to_num(whole[filled])).tolist()
        texts = [
            f"300,{names[day]},{pattern % tuple(written)},"
            + (f"{TOLD[codes[day, 0]]},,\n" if alike[day] else f"V,,,,\n{_ranges(codes[day])}")
            for day, written in zip(filled.tolist(), numbers, strict=True)
        ]
        yield _head((point, ""), suffixes, kind, minutes) + "".join(texts).encode()


def _ranges(quality: npt.NDArray[np.uint8]) -> str:
    """Return the 400 records of a day that has several qualities."""
    cuts = np.flatnonzero(quality[1:] != quality[:-1]) + 1
    bounds = [0, *cuts.tolist(), quality.size]
    return "".join(f"400,{first + 1},{last},{TOLD[quality[first]]}\n" for first, last in pairwise(bounds))


def _index_reads(kind: ReadingType, reads: Sequence[RegisterReading]) -> bytes:
    values = written_values(kind, np.array([read.value for read in reads])).tolist()
    stamps = compact_stamps(np.array([epoch_s(read.at) + MARKET_S for read in reads]))
    seconds = [f"{epoch_s(read.at) % 60:02d}" for read in reads]
    pattern = f"500,,,%s%s,{pattern_of(kind)}\n"
    return "".join(pattern % part for part in zip(stamps, seconds, values, strict=True)).encode()


def _accumulated(head: tuple[str, str], kind: ReadingType, before: RegisterReading, after: RegisterReading) -> str:
    start, device = head
    pattern = pattern_of(kind)
    old, new, used = written_values(kind, np.array([before.value, after.value, after.value - before.value])).tolist()
    times = compact_stamps(np.array([epoch_s(before.at), epoch_s(after.at)]) + MARKET_S)
    seconds = [f"{epoch_s(read.at) % 60:02d}" for read in (before, after)]
    reads = [
        f"{pattern % value},{time}{second},{TOLD[read.quality]}"
        for value, time, second, read in zip((old, new), times, seconds, (before, after), strict=True)
    ]
    direction = DIRECTIONS.get(kind.flow, "")
    amount = pattern % used if before.epoch == after.epoch else ""
    return f"{start},,{device},{direction},{reads[0]},{reads[1]},{amount},{UNITS[kind.quantity]},,,\n"
