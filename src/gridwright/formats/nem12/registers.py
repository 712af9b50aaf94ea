"""Cumulative reads: the index reads of 500 records, and the 250 records of NEM13 with their two reads each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import epoch_s
from gridwright.domain.reading_type import Flow, Quantity, ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.verdict import Reject
from gridwright.formats.nem12.channels import Channel, channel_in, field, meaning_of, nmi_fault, suffix_in
from gridwright.formats.nem12.numbers import one_number
from gridwright.formats.nem12.qualities import UNREADABLE, quality_byte, told_closer
from gridwright.formats.source import ReadOptions

DIRECTIONS = {"E": Flow.DELIVERED, "I": Flow.RECEIVED}
PREVIOUS, CURRENT = 8, 13  # fields of the two reads of a 250 record


@dataclass(frozen=True, slots=True)
class IndexRead:
    """One read of a cumulative register; `value` in counts of the reading type."""

    point: str
    device: str
    reading_type: ReadingType
    at: int
    value: float
    quality: int
    line: int
    opens: bool = False  # the previous read of a 250 record, which ends the record before it


def index_read(fields: list[str], channel: Channel, offset_s: int, line: int) -> IndexRead | Reject | None:
    """Return the register read of a 500 record; None where it carries none (most do not)."""
    text = field(fields, 4)
    if not text:
        return None
    at, value = instant(field(fields, 3), offset_s), one_number(text.encode(), channel.places)
    if at is None or value is None or np.isnan(value):
        what = "read date" if at is None else "index read"
        return Reject(
            line, f"{what} cannot be read", "correct the 500 record", field(fields, 3) if at is None else text
        )
    kind = channel.reading_type.register()
    return IndexRead(channel.point, channel.serial, kind, at, value, q.RAW, line)


def accumulated_reads(
    fields: list[str], options: ReadOptions, exponents: Mapping[Quantity, int], offset_s: int, line: int
) -> list[IndexRead | Reject]:
    """Return the previous and the current read of a 250 record (NEM13), or why they cannot be taken."""
    meaning = meaning_of(options.unit or field(fields, 19), (suffix_in(fields), channel_in(fields)), exponents, line)
    if isinstance(meaning, Reject):
        return [meaning]
    wrong = nmi_fault(field(fields, 1), line)
    if wrong is not None:
        return [wrong]
    kind, places = meaning
    flow = DIRECTIONS.get(field(fields, 7).upper(), kind.flow)
    register = ReadingType(kind.quantity, flow, kind.register().accumulation, kind.exponent, channel=kind.channel)
    reads: list[IndexRead | Reject] = []
    for at in (PREVIOUS, CURRENT):
        when, text = instant(field(fields, at + 1), offset_s), field(fields, at)
        value = one_number(text.encode(), places)
        quality = told_closer(quality_byte(field(fields, at + 2)), field(fields, at + 4))
        if when is None or value is None or np.isnan(value) or quality >= UNREADABLE:
            reads.append(Reject(line, f"register read in field {at + 1} cannot be taken", "correct it", text))
        else:
            device, opens = field(fields, 6), at == PREVIOUS
            reads.append(IndexRead(field(fields, 1), device, register, when, value, quality, line, opens))
    return reads


def without_handovers(reads: Sequence[IndexRead]) -> list[IndexRead]:
    """Return the reads without those told twice because they end one 250 record and begin the next."""
    ends = {_what(read) for read in reads if not read.opens}
    return [read for read in reads if not (read.opens and _what(read) in ends)]


def _what(read: IndexRead) -> tuple[object, ...]:
    return read.point, read.device, read.reading_type, read.at, read.value, read.quality


def instant(text: str, offset_s: int) -> int | None:
    """Read yyyymmdd[hhmm[ss]] in market time as epoch seconds; None when it is no time."""
    shape = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}.get(len(text))
    if shape is None or not (text.isascii() and text.isdigit()):
        return None
    try:
        return epoch_s(datetime.strptime(text, shape).replace(tzinfo=UTC)) - offset_s
    except ValueError:
        return None


def columns(reads: Sequence[IndexRead]) -> tuple[Readings, ...]:
    """Return the reads as columns, one set a reading type; the same point on another meter is another entry."""
    kinds = dict.fromkeys(read.reading_type for read in reads)
    return tuple(_columns([read for read in reads if read.reading_type == kind], kind) for kind in kinds)


def _columns(reads: Sequence[IndexRead], kind: ReadingType) -> Readings:
    pairs = {pair: at for at, pair in enumerate(dict.fromkeys((read.point, read.device) for read in reads))}
    return Readings(
        points=tuple(point for point, _ in pairs),
        point=np.array([pairs[read.point, read.device] for read in reads], np.int32),
        at=np.array([read.at for read in reads], np.int64),
        value=np.array([read.value for read in reads], np.float64),
        quality=np.array([read.quality for read in reads], np.uint8),
        line=np.array([read.line for read in reads], np.int64),
        reading_type=kind,
        devices=tuple(device for _, device in pairs),
    )
