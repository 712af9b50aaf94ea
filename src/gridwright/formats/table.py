"""Rows of a table to readings: the part that CSV and Parquet share, once the layout is known."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.domain.quality import MISSING, RAW, STATUS_FROM_NEM12, of_nem12
from gridwright.domain.reading_type import DEFAULT_EXPONENT, LARGEST_EXACT, Accumulation
from gridwright.domain.readings import Readings
from gridwright.domain.units import WRITTEN
from gridwright.domain.usage_point import id_fault
from gridwright.formats.counts import to_counts
from gridwright.formats.far_dates import REMEDY, TOO_EARLY, TOO_LATE
from gridwright.formats.instants import Instants, as_binary, row_stamps, stamps_of, to_instants
from gridwright.formats.layout import Batch, Layout, Pass, ValueColumn
from gridwright.formats.meter_columns import told_by_columns
from gridwright.formats.numerals import by_the_other_mark, read_numbers
from gridwright.formats.roles import flow_of_register, known_unit, own_type, quality_letter, series_type
from gridwright.formats.row_verdicts import LONGEST_RECORD, Verdicts, word_of
from gridwright.formats.source import Decoded
from gridwright.formats.stamps import Stamps
from gridwright.formats.stretches import stretch_lengths
from gridwright.formats.text import shortened
from gridwright.formats.writer import QUALITY_OF_WORD
from gridwright.formats.zones import change_lengths, wall_to_utc

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

# Readings have a few interval lengths, bills many; more mean that the two stamp columns are something else.
MOST_LENGTHS, MOST_PERIODS = 8, 100
NEM12_METHOD = re.compile(r"([ESF])(\d{2})")


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """A text column as codes into its distinct words."""

    words: tuple[str, ...]
    code: Codes


@dataclass(frozen=True, slots=True, eq=False)
class Placed:
    """Rows that have a usage point and an instant: what the series of a table share. `length`: seconds of each."""

    points: tuple[str, ...]
    point: Codes
    at: Ints
    length: Ints | int
    quality: npt.NDArray[np.uint8]
    usable: Mask


def labels(array: pa.Array) -> Labels:
    """Read a text column as codes; blanks around words do not tell them apart."""
    import pyarrow as pa
    import pyarrow.types as pt

    coded = array if pt.is_dictionary(array.type) else as_binary(array).dictionary_encode()
    raw = [word_of(word) for word in coded.dictionary.to_pylist()]
    words = tuple(dict.fromkeys([*raw, ""] if coded.indices.null_count else raw))
    index = np.array([words.index(word) for word in raw] if len(words) != len(raw) else range(len(raw)), np.int32)
    code = coded.indices.fill_null(len(raw)) if coded.indices.null_count else coded.indices
    table = np.r_[index, np.int32(words.index(""))] if "" in words else index
    plain = pa.array(code).to_numpy(zero_copy_only=False).astype(np.int32)
    return Labels(words, table[plain].astype(np.int32) if table.size else plain)


def numbers_of(array: pa.Array, layout: Layout) -> tuple[Floats, Mask]:
    """Read a value column: (values, bad); NaN without bad = no value."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if pt.is_decimal(array.type) or pt.is_integer(array.type) or pt.is_float16(array.type):
        array = pc.cast(array, pa.float64(), safe=False)
    if pt.is_floating(array.type):
        values = array.to_numpy(zero_copy_only=False).astype(np.float64, copy=False)
        bad = np.isinf(values)
        return (np.where(bad, np.nan, values) if bad.any() else values), bad
    return read_numbers(as_binary(array), layout.numerals)


def decode_batch(batch: Batch, layout: Layout) -> Decoded:
    """Turn a batch into readings and rejects; rows read for context are left out of both."""
    verdicts = Verdicts(batch)
    placed = _place_days(batch, layout, verdicts) if layout.slots else _place_rows(batch, layout, verdicts)
    series = list(_wide(batch, layout, placed, verdicts) if layout.slots else _long(batch, layout, placed, verdicts))
    return Decoded(
        records=batch.rows - batch.lead + batch.rejected,
        series=tuple(one for one in series if one.size),
        rejects=tuple(sorted(verdicts.rejects, key=lambda reject: reject.line)),
        rejected=verdicts.rejected,
        zones=dict.fromkeys(placed.points, layout.clock.zone),
        told=tuple(told_by_columns(layout, batch, placed, _meter_columns(batch, layout), verdicts)),
        notes=tuple(dict.fromkeys(verdicts.notes)),
    )


def _meter_columns(batch: Batch, layout: Layout) -> dict[str, Labels]:
    """Return the columns that say how the meter counts, by role."""
    roles = {"multiplier": layout.multiplier, "dials": layout.dials}
    return {role: labels(batch.columns[index]) for role, index in roles.items() if index is not None}


def _points(batch: Batch, layout: Layout, verdicts: Verdicts) -> tuple[Labels, Mask]:
    """Return usage points and which rows name one."""
    if layout.point is None:
        return Labels((layout.default_point,), np.zeros(batch.rows, np.int32)), np.ones(batch.rows, np.bool_)
    found = labels(batch.columns[layout.point])
    faults = np.array([id_fault(word) for word in found.words] or [""])
    named = faults == ""
    if named.all():
        return found, np.ones(batch.rows, np.bool_)
    for fault in np.unique(faults[~named]).tolist():
        remedy = "fill in the id of the usage point" if fault == id_fault("") else "correct the id of the usage point"
        verdicts.refuse((faults == fault)[found.code], f"{{value}} {fault}", remedy, layout.point)
    return found, named[found.code]


def _refuse_far(stamps: Stamps, rows: Mask, what: str, column: int | None, verdicts: Verdicts) -> Mask:
    """Reject those of some rows whose date exists, and that no reading can have; returns which these are."""
    far = rows & stamps.beyond
    if far.any():
        early = stamps.wall < 0
        verdicts.refuse(far & early, f"{what} {TOO_EARLY}", REMEDY, column)
        verdicts.refuse(far & ~early, f"{what} {TOO_LATE}", REMEDY, column)
    return np.asarray(far)


def _instants(batch: Batch, layout: Layout, points: Codes, verdicts: Verdicts, good: Mask) -> Instants:
    """Read the stamps of all rows and reject those of the `good` ones that have none."""
    stamps = row_stamps(batch, layout)
    instants = to_instants(stamps, points, layout)
    column = layout.time if layout.time is not None else layout.date
    if not instants.good.all():
        unread = good & ~instants.good & ~_refuse_far(stamps, good, "{value}", column, verdicts)
        reason = "{value} is no date or time of this file"
        verdicts.refuse(unread, reason, "write it like its neighbours, such as 2025-03-01 00:30", column)
    if instants.skipped.any():
        reason = f"{{value}} does not exist in {layout.clock.zone}: the clock skips it"
        remedy = "if the meter keeps standard time, say so with --zone, such as --zone Etc/GMT-10"
        verdicts.refuse(good & instants.skipped, reason, remedy, column)
    if instants.rounded:
        verdicts.note(f"{instants.rounded} stamps had a fraction of a second and were taken as the nearest second")
    return instants


def _series_codes(batch: Batch, layout: Layout, found: Labels) -> Codes:
    """Return a code for each usage point, or each of its registers where a column tells them: whose rows follow."""
    if layout.register is None:
        return found.code
    registers = labels(batch.columns[layout.register])
    return np.asarray(found.code * np.int32(len(registers.words)) + registers.code)


def _place_rows(batch: Batch, layout: Layout, verdicts: Verdicts) -> Placed:
    found, named = _points(batch, layout, verdicts)
    series = _series_codes(batch, layout, found)
    instants = _instants(batch, layout, series, verdicts, named)
    usable = named & instants.usable
    at: Ints = instants.at
    length: Ints | int = 0 if layout.periods else layout.interval_s
    if layout.end is not None:
        end_stamps = stamps_of(batch.columns[layout.end], layout.order)
        ends = to_instants(end_stamps, series, layout)
        length = ends.at - at
        unread = usable & ~ends.usable
        far = _refuse_far(end_stamps, usable, "its end {value}", layout.end, verdicts)
        verdicts.refuse(unread & ~far, "its end {value} is no date or time of this file", "correct its end", layout.end)
        wrong = usable & ends.usable & ((length < 0) | ((length == 0) & ~_read_at_once(batch, layout)))
        verdicts.refuse(wrong, "the interval ends at {value}, not after its start", "correct its end", layout.end)
        wrong |= unread
        usable &= ~wrong
    elif layout.lengths:
        length = stretch_lengths(found.code, at, usable, layout.lengths, closing=layout.stamp_end)
        at = at - length if layout.stamp_end else at
        unclear = usable & (length == 0) & ~_read_at_once(batch, layout)
        column = layout.time if layout.time is not None else layout.date
        verdicts.refuse(unclear, _either(layout.lengths), "give the row a start and an end", column)
        usable &= ~unclear
    elif layout.stamp_end and not layout.periods:
        at = at - layout.interval_s
    return Placed(found.words, found.code, at, length, _qualities(batch, layout, verdicts), usable)


def _either(lengths: Sequence[int]) -> str:
    told = " or ".join(f"{length / 60:g}" for length in sorted(lengths))
    return f"{{value}} stands between two stretches: its interval may be of {told} minutes"


def _read_at_once(batch: Batch, layout: Layout) -> Mask:
    """Tell which rows are register reads by their own code: those begin and end at the same instant."""
    if layout.register is None:
        return np.zeros(batch.rows, np.bool_)
    found = labels(batch.columns[layout.register])
    own = [own_type(word) for word in found.words]
    cumulative = [kind is not None and kind.accumulation is Accumulation.CUMULATIVE for kind in own]
    return np.array(cumulative or [False])[found.code]


def _qualities(batch: Batch, layout: Layout, verdicts: Verdicts) -> npt.NDArray[np.uint8]:
    """Read the quality column; RAW where it tells nothing."""
    if layout.quality is None:
        return np.full(batch.rows, RAW, np.uint8)
    found = labels(batch.columns[layout.quality])
    bytes_of = [_quality(word, layout.names[layout.quality]) for word in found.words]
    unknown = [word for word, quality in zip(found.words, bytes_of, strict=True) if quality is None]
    if unknown:
        shown = ", ".join(repr(shortened(word, 40)) for word in unknown[:5])
        verdicts.note(f"quality words not known and taken as unmarked: {shown}")
    return np.array([RAW if quality is None else quality for quality in bytes_of] or [RAW], np.uint8)[found.code]


def _quality(word: str, column: str) -> int | None:
    """Return the quality byte of a word: one of ours (`estimated:linear`), or what senders write; None if unknown."""
    # The entrances of HTTP write `estimated_final`, our own files `estimated-final`.
    own = QUALITY_OF_WORD.get(word.strip().lower().replace("_", "-").replace(" ", "-"))
    if own is not None:
        return own
    code = NEM12_METHOD.fullmatch(word.strip().upper())
    if code is not None:
        return of_nem12(*code.groups())
    letter = quality_letter(word, column)
    return int(STATUS_FROM_NEM12[letter]) if letter else (RAW if letter == "" else None)


def _long(batch: Batch, layout: Layout, placed: Placed, verdicts: Verdicts) -> Iterator[Readings]:
    """One row a reading: a series for each value column, register, unit and interval length."""
    for column in layout.values:
        values, bad = numbers_of(batch.columns[column.index], layout)
        if bad.any():
            _refuse_numbers(batch, layout, (column.index, column.name, bad & placed.usable), "", verdicts)
        rows = placed.usable & ~bad
        rows[: batch.lead] = False
        for meaning, mask in _meanings(batch, layout, column, rows, verdicts):
            yield from _series(batch, layout, placed, (meaning, values, mask), verdicts)


def _refuse_numbers(batch: Batch, layout: Layout, cells: tuple[int, str, Mask], kept: str, verdicts: Verdicts) -> None:
    """Refuse cells (column, its name, rows) that are no numbers, or numbers of another decimal mark than the file's."""
    column, name, bad = cells
    array = batch.columns[column]
    other = np.zeros(batch.rows, np.bool_) if is_typed(array) else by_the_other_mark(as_binary(array), layout.numerals)
    mark = layout.numerals.decimal
    reason = f"{{value}} in {_column(name)} does not fit the decimal mark of the file, `{mark}`{kept}"
    remedy = "write it like its neighbours, or say with --decimal which mark begins a fraction"
    verdicts.refuse(bad & other, reason, remedy, column)
    reason = f"{{value}} in {_column(name)} is no finite number{kept}"
    verdicts.refuse(bad & ~other, reason, "correct the number or leave it empty", column)


def is_typed(array: pa.Array) -> bool:
    """Tell whether a column of values came as numbers rather than text."""
    import pyarrow.types as pt

    return bool(pt.is_decimal(array.type) or pt.is_integer(array.type) or pt.is_floating(array.type))


def _column(name: str) -> str:
    """Name a column; those without a name of their own are called `column 3` already."""
    return name if name.startswith("column ") else f"column {name}"


def _meanings(
    batch: Batch, layout: Layout, column: ValueColumn, rows: Mask, verdicts: Verdicts
) -> Iterator[tuple[ValueColumn, Mask]]:
    """Split rows by what their unit and register columns say about the value."""
    parts: list[tuple[ValueColumn, Mask]] = [(column, rows)]
    if column.fixed:
        yield from parts if rows.any() else ()
        return
    if layout.unit is not None:
        found = labels(batch.columns[layout.unit])
        strange = np.array([not known_unit(word) for word in found.words] or [False])[found.code]
        verdicts.refuse(rows & strange, "{value} is no unit we read", f"use one of {WRITTEN}", layout.unit)
        parts = [
            (_in_unit(column, word), mask & (found.code == code))
            for code, word in enumerate(found.words)
            if known_unit(word)
            for column, mask in parts
        ]
    if layout.register is not None:
        found = labels(batch.columns[layout.register])
        parts = [
            (_of_register(column, word, layout.names[layout.register]), mask & (found.code == code))
            for code, word in enumerate(found.words)
            for column, mask in parts
        ]
    yield from ((meaning, mask) for meaning, mask in parts if mask.any())


def _in_unit(column: ValueColumn, unit: str) -> ValueColumn:
    """Return the column as it is meant in rows of `unit`, at the resolution of the whole series."""
    kind, shift = series_type(
        unit,
        column.flow,
        cumulative=column.reading_type.accumulation is Accumulation.CUMULATIVE,
        channel=column.reading_type.channel,
    )
    found = column.reading_type
    # Volts are counted in tenths as a rule, which tells nothing about energy; finer than a rule is the whole column.
    usual = found.quantity is not kind.quantity and found.exponent == DEFAULT_EXPONENT.get(found.quantity, 0)
    exponent = kind.exponent if usual else min(kind.exponent, found.exponent)
    return replace(column, reading_type=kind.finer(exponent), shift=shift)


def _of_register(column: ValueColumn, code: str, name: str) -> ValueColumn:
    own = own_type(code)
    if own is not None:
        return replace(column, reading_type=own)
    flow = flow_of_register(code, name)
    kind = column.reading_type
    # Directions the code tells are the series of the usage point; other registers stay channels of their own.
    told = replace(kind, flow=flow, channel="") if flow is not None else replace(kind, channel=code)
    return replace(column, reading_type=told if code else kind)


Part = tuple[ValueColumn, Floats, Mask]


def _series(batch: Batch, layout: Layout, placed: Placed, part: Part, verdicts: Verdicts) -> Iterator[Readings]:
    """Make readings of one meaning: registers at their instant, intervals at their start, one series a length."""
    column, values, rows = part
    if column.reading_type.accumulation is Accumulation.CUMULATIVE:
        yield from _registers(batch, layout, placed, part, verdicts)
        return
    if isinstance(placed.length, int):
        yield _readings(batch, placed, (column, values, _on_grid(layout, placed, part, verdicts)), verdicts)
        return
    lengths, counts = np.unique(placed.length[rows], return_counts=True)
    by_count = lengths[np.argsort(-counts, kind="stable")]
    kept = np.r_[by_count[by_count <= DAY_S][:MOST_LENGTHS], by_count[by_count > DAY_S][:MOST_PERIODS]]
    other = rows & ~np.isin(placed.length, kept)
    verdicts.refuse(other, "its interval is as long as no other's", "give intervals of equal length", layout.end)
    for length in kept.tolist():
        same = replace(placed, length=int(length))
        yield _readings(batch, same, (column, values, rows & (placed.length == length)), verdicts)


def _on_grid(layout: Layout, placed: Placed, part: Part, verdicts: Verdicts) -> Mask:
    """Refuse rows that have neither a value nor a stamp on the grid; a row that has one of them is kept."""
    _, values, rows = part
    # Days and months follow the local clock, so their starts have no common phase in UTC.
    if layout.periods or not 0 < layout.interval_s < DAY_S:
        return rows
    empty = rows & np.isnan(values)
    if not empty.any():
        return rows
    phase = placed.at % layout.interval_s
    usual = int(np.bincount(phase[rows].astype(np.int64)).argmax())
    stray = empty & (phase != usual)
    if stray.any():
        column = layout.time if layout.time is not None else layout.date
        minutes = layout.interval_s / 60
        reason = f"no value, and {{value}} is off the {minutes:g}-minute grid"
        verdicts.refuse(stray, reason, "nothing to do: such rows carry no reading", column)
    return np.asarray(rows & ~stray)


def _registers(batch: Batch, layout: Layout, placed: Placed, part: Part, verdicts: Verdicts) -> Iterator[Readings]:
    """Register reads stand at the instant they were read; an empty one tells nothing and is left out."""
    column, values, rows = part
    empty = rows & np.isnan(values)
    if empty.any():
        verdicts.note(f"column {column.name}: {np.count_nonzero(empty)} empty register readings left out")
    closing = layout.end is not None or layout.stamp_end
    instant = replace(placed, at=placed.at + placed.length) if closing else placed
    yield _readings(batch, replace(instant, length=0), (column, values, rows & ~empty), verdicts)


def _readings(batch: Batch, placed: Placed, part: Part, verdicts: Verdicts) -> Readings:
    column, values, rows = part
    counted = to_counts(values if rows.all() else values[rows], column.power)
    giant = np.abs(counted.value) > LARGEST_EXACT
    if giant.any():
        return _readings(batch, placed, (column, values, _without(batch, part, giant, verdicts)), verdicts)
    whole = bool(rows.all())
    _tell_rounding(counted.finer, counted.noisy, column, verdicts)
    quality = placed.quality if whole else placed.quality[rows]
    missing = np.isnan(counted.value) | (quality == MISSING)
    if missing.any():
        quality = np.where(missing, np.uint8(MISSING), quality)
    return Readings(
        points=placed.points,
        point=placed.point if whole else placed.point[rows],
        at=placed.at if whole else placed.at[rows],
        value=np.where(missing, np.nan, counted.value) if missing.any() else counted.value,
        quality=quality,
        line=batch.line if whole else batch.line[rows],
        interval_s=int(placed.length) if isinstance(placed.length, int) else 0,
        reading_type=column.reading_type,
    )


def _without(batch: Batch, part: Part, giant: Mask, verdicts: Verdicts) -> Mask:
    """Refuse the values of a part that no store could hold, and return the rows that are left."""
    column, values, rows = part
    at = np.flatnonzero(rows)[giant]
    for row in at.tolist():
        reason = f"{values[row]:.15g} in {_column(column.name)} is impossibly large"
        record = shortened(batch.record(row), LONGEST_RECORD)
        verdicts.add(int(batch.line[row]), reason, "correct the number", f"{values[row]:.15g}", record)
    left = rows.copy()
    left[at] = False
    return left


def _tell_rounding(finer: Mask, noisy: int, column: ValueColumn, verdicts: Verdicts) -> None:
    kind = column.reading_type
    if noisy:
        verdicts.note(
            f"column {column.name}: {noisy} values carry single-precision noise (such as 1.9220001) "
            "and were taken as the number they stand for"
        )
    if finer.any():
        verdicts.note(
            f"column {column.name}: {np.count_nonzero(finer)} values are finer than the resolution of the series, "
            f"10^{kind.exponent} {kind.unit}, and were rounded to it"
        )


def _place_days(batch: Batch, layout: Layout, verdicts: Verdicts) -> Placed:
    """Place the rows of a wide table: `at` is the wall clock's midnight, not yet an instant."""
    found, named = _points(batch, layout, verdicts)
    stamps = row_stamps(batch, layout)
    column = layout.time if layout.time is not None else layout.date
    if not stamps.good.all():
        reason = "{value} is no date of this file"
        far = _refuse_far(stamps, named, "{value}", column, verdicts)
        verdicts.refuse(named & ~stamps.good & ~far, reason, "write it like its neighbours, such as 2025-03-01", column)
    usable = named & stamps.good
    usable[: batch.lead] = False
    wall = np.where(stamps.good, stamps.wall, 0)
    quality = _qualities(batch, layout, verdicts)
    return Placed(found.words, found.code, wall, layout.interval_s, quality, usable)


def _wide(batch: Batch, layout: Layout, placed: Placed, verdicts: Verdicts) -> Iterator[Readings]:
    """One row a day: a row by columns matrix, laid out as readings in the order of the rows."""
    columns = [numbers_of(batch.columns[slot.index], layout) for slot in layout.slots]
    bad = np.zeros(batch.rows, np.bool_)
    for slot, (_, wrong) in zip(layout.slots, columns, strict=True):
        if wrong.any():
            kept = "; the other intervals of the row are kept"
            _refuse_numbers(batch, layout, (slot.index, slot.name, wrong & placed.usable), kept, verdicts)
            bad |= wrong
    matrix = np.column_stack([values for values, _ in columns])
    refused = np.column_stack([wrong for _, wrong in columns]) if bad.any() else None
    for meaning, rows in _meanings(batch, layout, layout.values[0], placed.usable, verdicts):
        yield _days(batch, layout, placed, (meaning, matrix, rows), refused, verdicts=verdicts)


def _days(
    batch: Batch,
    layout: Layout,
    placed: Placed,
    part: Part,
    refused: npt.NDArray[np.bool_] | None,
    *,
    verdicts: Verdicts,
) -> Readings:
    meaning, matrix, rows = part
    offsets = np.array([slot.offset_s for slot in layout.slots], np.int64)
    at, exists = _slot_instants(placed.at[rows], offsets, layout)
    values = matrix[rows]
    _tell_skipped(values, exists, layout, batch.line[rows], verdicts)
    taken = exists if refused is None else exists & ~refused[rows]
    days = np.count_nonzero(rows)
    grid = np.repeat(np.arange(days), offsets.size)
    kept = taken.ravel()
    spread = replace(
        placed,
        point=placed.point[rows][grid],
        at=at.ravel(),
        quality=placed.quality[rows][grid],
        usable=kept,
    )
    row_of = np.flatnonzero(rows)[grid]
    lines = replace(batch, line=batch.line[row_of], record=lambda row: batch.record(int(row_of[row])))
    return _readings(lines, spread, (meaning, values.ravel(), kept), verdicts)


def _slot_instants(midnight: Ints, offsets: Ints, layout: Layout) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Return the instant of each slot of each day, and which of them exist."""
    exists = np.ones((midnight.size, offsets.size), np.bool_)
    extra = np.array([slot.extra is not Pass.NONE for slot in layout.slots])
    if layout.clock.fixed_s is not None:
        return midnight[:, None] - layout.clock.fixed_s + offsets, exists & ~extra
    if layout.elapsed:
        start, _, _ = wall_to_utc(midnight, layout.clock.zone)
        after, _, _ = wall_to_utc(midnight + DAY_S, layout.clock.zone)
        at = start[:, None] + offsets
        return at, at < after[:, None]
    wall = midnight[:, None] + offsets
    at, repeated, skipped = wall_to_utc(wall.ravel(), layout.clock.zone)
    again = repeated.reshape(wall.shape)
    if extra.any():
        later = (again & _second_pass(layout)).ravel()
        at[later] += change_lengths(at[later], layout.clock.zone)
    return at.reshape(wall.shape), ~skipped.reshape(wall.shape) & (again | ~extra)


def _second_pass(layout: Layout) -> Mask:
    """Tell which columns hold the second pass of a repeated hour, where a column of its own holds the first."""
    first = {slot.offset_s for slot in layout.slots if slot.extra is Pass.FIRST}
    return np.array(
        [slot.extra is Pass.SECOND or (slot.extra is Pass.NONE and slot.offset_s in first) for slot in layout.slots]
    )


def _tell_skipped(values: Floats, exists: Mask, layout: Layout, line: Ints, verdicts: Verdicts) -> None:
    """Refuse the values of columns that a short day does not have; empty ones are as they should be."""
    surplus = ~exists & np.isfinite(values) & (values != 0)
    if not surplus.any():
        return
    rows, columns = np.nonzero(surplus)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        name, zone = layout.slots[column].name, layout.clock.zone
        repeats = layout.slots[column].extra is not Pass.NONE
        why = f"{zone} repeats no such time on that day" if repeats else f"{zone} skips that time"
        verdicts.add(
            int(line[row]),
            f"column {name} has the value {values[row, column]:g}, but {why}",
            "if the meter keeps standard time, say so with --zone, such as --zone Etc/GMT-10",
            f"{values[row, column]:g}",
        )
