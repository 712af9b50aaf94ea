"""A piece of a file to columns of readings: headers one by one, days by the thousand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.event import UNTIL, EndDeviceEvent
from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.told import ToldConfiguration
from gridwright.domain.verdict import Reject
from gridwright.formats.nem12.channels import Channel
from gridwright.formats.nem12.choosing import choose, note_versions
from gridwright.formats.nem12.days import SHOWN, Days, days_of
from gridwright.formats.nem12.events import reasons_of
from gridwright.formats.nem12.layout import UNKNOWN, Index
from gridwright.formats.nem12.piece import DAY, Meaning, Numbers, Piece, numbers_of, piece_of
from gridwright.formats.nem12.qualities import Ranges, day_above, numbered, ranges_of
from gridwright.formats.nem12.registers import IndexRead, accumulated_reads, columns, index_read, without_handovers
from gridwright.formats.nem12.settled import NOTHING, Settled
from gridwright.formats.nem12.versions import Fill
from gridwright.formats.source import Decoded
from gridwright.formats.spans import spans_of

ACCUMULATED, READ = 250, 500
ROW_BATCH = 1 << 17  # values decoded at a time: the working arrays stay within the processor's cache


def decode_text(data: bytes, first_line: int, meaning: Meaning, settled: Settled = NOTHING) -> Decoded:
    """Decode a piece of a file that begins with a 200 or 250 record, or at the file's beginning."""
    piece = piece_of(data, first_line, meaning)
    numbers = numbers_of(piece.channels)
    _leave_out_older(piece, numbers, settled)
    series, seen = _series(piece, numbers)
    reads = _reads(piece)
    _reject_unknown(piece)
    everything = (*series, *columns(reads))
    points = dict.fromkeys(point for part in everything for point in part.points)
    return Decoded(
        records=seen + len(reads),
        series=everything,
        rejects=tuple(sorted(piece.verdicts.kept, key=lambda reject: reject.line)),
        rejected=piece.verdicts.count,
        zones=dict.fromkeys(points, meaning.zone),
        events=tuple(piece.events),
        told=tuple(piece.told),
        notes=tuple(piece.notes),
    )


def _leave_out_older(piece: Piece, numbers: Numbers, settled: Settled) -> None:
    """Of several versions of a day leave out all but the one that was updated last, and say so."""
    lines, chosen = settled.apply(piece)
    here = choose(piece, numbers, lines)
    chosen.replaced = sorted(chosen.replaced + here.replaced)
    chosen.unread += here.unread
    chosen.fills |= here.fills
    piece.fills.update(chosen.fills)
    note_versions(piece, chosen)


def _series(piece: Piece, numbers: Numbers) -> tuple[list[Readings], int]:
    """Decode every day, grouped by its number of slots; returns the series and how many values there were."""
    whole, lines = piece.whole, piece.whole.lines(DAY)
    slots_of_line = numbers.slots[piece.owner[lines]]
    for line in lines[slots_of_line == 0].tolist():
        piece.verdicts.add(_homeless(piece, line))
    ranges, homeless = ranges_of(whole, day_above(whole, lines))
    for line in homeless.tolist():
        record = whole.record(line)
        piece.verdicts.add(Reject(int(whole.number[line]), "no 300 record above the 400 record", "", "", record), 0)
    series: list[Readings] = []
    for count in np.unique(slots_of_line[slots_of_line > 0]).tolist():
        batch = max(1, ROW_BATCH // count)
        group = np.flatnonzero(slots_of_line == count)
        for at in range(0, group.size, batch):
            rows = group[at : at + batch]
            series += _one_length(piece, numbers, lines[rows], numbered(ranges, rows, lines.size), slots=count)
    filled = sum(fill.slots.size for fill in piece.fills.values())
    return series, int(slots_of_line.sum()) + int((slots_of_line == 0).sum()) + filled


def _one_length(piece: Piece, numbers: Numbers, lines: Index, ranges: Ranges, *, slots: int) -> list[Readings]:
    """Decode days of one number of slots into a series for each reading type."""
    places = numbers.places[piece.owner[lines]]
    days = days_of(piece.whole, lines, slots, places=places, ranges=ranges, verdicts=piece.verdicts)
    _fill_in(days, piece.fills)
    _note_meters(piece, days)
    _note_events(piece, days, slots, ranges.at(np.isin(lines[ranges.row], days.line), _places(lines, days)[ranges.row]))
    kind = numbers.kind[piece.owner[days.line]]
    series = (
        _readings(piece, _of(days, kind == number), (numbers.points, numbers.point), reading_type)
        for number, reading_type in enumerate(numbers.kinds)
        if (kind == number).any()
    )
    return [part for part in series if part.size]


def _fill_in(days: Days, fills: Mapping[int, Fill]) -> None:
    """Put the values of earlier versions where those of a day cannot be read."""
    for row in np.flatnonzero(np.isin(days.line, list(fills))).tolist() if fills else ():
        fill = fills[int(days.line[row])]
        days.values[row, fill.slots] = fill.values
        days.quality[row, fill.slots] = fill.quality


def _places(lines: Index, days: Days) -> Index:
    """Return for each line its place among the days, -1 where it could not be read."""
    place = np.full(lines.size, -1, np.int64)
    place[np.searchsorted(lines, days.line)] = np.arange(days.line.size)
    return place


def _note_events(piece: Piece, days: Days, slots: int, ranges: Ranges) -> None:
    """Keep what the reasons of the days tell of their meters."""
    midnights = days.day_s - piece.meaning.offset_s
    for told in reasons_of(piece.whole, days.line, midnights, slots, ranges):
        channel = piece.channel(told.line)
        if isinstance(channel, Channel):
            device, details = channel.serial or channel.point, {UNTIL: told.until.isoformat()}
            text = "told by the reason code of its readings"
            piece.events.append(EndDeviceEvent(device, told.type, told.since, told.since, channel.point, text, details))


def _note_meters(piece: Piece, days: Days) -> None:
    """Keep which meter each channel names, over its days."""
    owner = piece.owner[days.line]
    begin = days.day_s - piece.meaning.offset_s
    for number, first, last in spans_of(owner, begin, begin + DAY_S):
        channel = piece.channels[number]
        if isinstance(channel, Channel) and channel.serial:
            piece.told[ToldConfiguration(channel.point, first, last, channel.serial)] = None


def _of(days: Days, which: npt.NDArray[np.bool_]) -> Days:
    if which.all():
        return days
    return Days(days.line[which], days.day_s[which], days.values[which], days.quality[which], days.wrong[which])


def _readings(piece: Piece, days: Days, points: tuple[tuple[str, ...], Index], kind: ReadingType) -> Readings:
    """Lay days out as columns; only points that occur are named."""
    names, point_of_channel = points
    count, slots = days.values.shape
    used, point = np.unique(point_of_channel[piece.owner[days.line]], return_inverse=True)
    interval_s = DAY_S // slots
    at = (days.day_s - piece.meaning.offset_s)[:, None] + interval_s * np.arange(slots)
    return Readings(
        points=tuple(names[number] for number in used),
        point=np.repeat(point.astype(np.int32), slots),
        at=at.reshape(count * slots),
        value=days.values.reshape(-1),
        quality=days.quality.reshape(-1),
        line=np.repeat(piece.whole.number[days.line], slots),
        interval_s=interval_s,
        reading_type=kind,
    )


def _reads(piece: Piece) -> list[IndexRead]:
    """Collect the register reads of 500 and 250 records."""
    whole, meaning = piece.whole, piece.meaning
    reads: list[IndexRead] = []
    for line in np.flatnonzero((whole.kind == READ) | (whole.kind == ACCUMULATED)).tolist():
        fields, number = whole.record(line).split(","), int(whole.number[line])
        if whole.kind[line] == ACCUMULATED:
            found = accumulated_reads(fields, meaning.options, meaning.exponents, meaning.offset_s, number)
        else:
            channel = piece.channel(line)
            read = index_read(fields, channel, meaning.offset_s, number) if isinstance(channel, Channel) else None
            found = [read] if read is not None else []
        for item in found:
            if isinstance(item, Reject):
                piece.verdicts.add(replace(item, record=whole.record(line)[:SHOWN]))
            else:
                reads.append(item)
    return without_handovers(reads)


def _homeless(piece: Piece, line: int) -> Reject:
    """Return the verdict on a day whose 200 record is missing or cannot be used."""
    number, head = int(piece.whole.number[line]), piece.channel(line)
    reason = head.reason if isinstance(head, Reject) else ""
    place = f" (line {head.line})" if isinstance(head, Reject) and head.line else ""
    remedy = head.remedy if isinstance(head, Reject) else ""
    return Reject(number, reason + place, remedy, "", piece.whole.record(line)[:SHOWN])


def _reject_unknown(piece: Piece) -> None:
    for line in piece.whole.lines(UNKNOWN).tolist():
        record = piece.whole.record(line)[:SHOWN]
        indicator = record.partition(",")[0]
        remedy = "records begin with 100, 200, 300, 400, 500 or 900"
        piece.verdicts.add(Reject(int(piece.whole.number[line]), "no record indicator", remedy, indicator, record))
