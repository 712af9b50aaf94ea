"""When each row happened: the stamps of a table turned into UTC instants, and why some cannot be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S
from gridwright.formats.layout import Batch, Layout
from gridwright.formats.stamps import (
    MONTH_STARTS,
    STANDARD,
    SUMMER,
    UNKNOWN,
    Stamps,
    blank_stamps,
    read_clocks,
    read_stamps,
)
from gridwright.formats.zones import change_lengths, second_passes, wall_to_utc

if TYPE_CHECKING:
    import pyarrow as pa

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


@dataclass(frozen=True, slots=True, eq=False)
class Instants:
    """UTC epoch seconds of n rows; `good`: the stamp could be read; `skipped`: its local time does not exist."""

    at: Ints
    good: Mask
    skipped: Mask
    repeated: Mask
    rounded: int = 0

    @property
    def usable(self) -> Mask:
        """Rows that have an instant."""
        return self.good & ~self.skipped


def stamps_of(array: pa.Array, order: str) -> Stamps:
    """Read a column of text, timestamps or dates."""
    import pyarrow.types as pt

    kind = array.type
    if pt.is_timestamp(kind) or pt.is_date(kind):
        return _typed_stamps(array)
    if pt.is_integer(kind):
        return _epochs(array)
    return read_stamps(as_binary(array), order)


def as_binary(array: pa.Array) -> pa.Array:
    """Return a column as text bytes with 32-bit offsets; null becomes empty."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if not (pt.is_binary(array.type) or pt.is_string(array.type)):
        array = pc.cast(pc.cast(array, pa.string()), pa.binary())
    return pc.fill_null(array, b"" if pt.is_binary(array.type) else "") if array.null_count else array


def _typed_stamps(array: pa.Array) -> Stamps:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.types as pt

    aware = pt.is_timestamp(array.type) and array.type.tz is not None
    unit = array.type.unit if pt.is_timestamp(array.type) else "s"
    typed = array if pt.is_timestamp(array.type) else pc.cast(array, pa.timestamp("s"))
    result = blank_stamps(len(array))
    count = pc.fill_null(pc.cast(typed, pa.int64()), 0).to_numpy(zero_copy_only=False)
    _from_epoch(result, count, PER_SECOND[unit], aware=aware)
    result.good[:] &= array.is_valid().to_numpy(zero_copy_only=False)
    result.dated[:] = pt.is_timestamp(array.type)
    return result


def _epochs(array: pa.Array) -> Stamps:
    """Read integers as seconds, ms, µs or ns since 1970, by their size."""
    import pyarrow as pa
    import pyarrow.compute as pc

    count = pc.fill_null(pc.cast(array, pa.int64(), safe=False), 0).to_numpy(zero_copy_only=False)
    result = blank_stamps(len(array))
    largest = int(np.abs(count).max(initial=0))
    per_second = next((scale for scale in PER_SECOND.values() if largest < 10**11 * scale), 10**9)
    _from_epoch(result, count, per_second, aware=True)
    result.good[:] &= array.is_valid().to_numpy(zero_copy_only=False) & (count > 10**8)
    result.dated[:] = True
    return result


def _from_epoch(result: Stamps, count: Ints, per_second: int, *, aware: bool) -> None:
    result.wall[:] = count // per_second + (count % per_second * 2 >= per_second if per_second > 1 else 0)
    result.rounded[:] = count % per_second != 0
    if aware:
        result.offset[:] = 0
    result.good[:] = (result.wall >= MONTH_STARTS[0] * DAY_S) & (result.wall < MONTH_STARTS[-1] * DAY_S)


def row_stamps(batch: Batch, layout: Layout) -> Stamps:
    """Read the stamp of each row, from one column or from a date and a clock column."""
    if layout.time is not None:
        return stamps_of(batch.columns[layout.time], layout.order)
    if layout.date is None:
        return blank_stamps(batch.rows)
    dates = stamps_of(batch.columns[layout.date], layout.order)
    if layout.clock_column is None:
        return dates
    seconds, good = clock_seconds(batch.columns[layout.clock_column], layout)
    day = dates.wall // DAY_S * DAY_S
    return Stamps(
        day + seconds,
        dates.offset,
        dates.season,
        dates.good & good,
        dates.rounded,
        good,
        seconds == DAY_S,
    )


def clock_seconds(array: pa.Array, layout: Layout) -> tuple[Ints, Mask]:
    """Read a clock column: times of day, or the number of the interval within the day."""
    import pyarrow.types as pt

    if pt.is_time(array.type):
        import pyarrow as pa
        import pyarrow.compute as pc

        micro = pc.cast(pc.cast(array, pa.time64("us"), safe=False), pa.int64())
        return (
            pc.fill_null(micro, 0).to_numpy(zero_copy_only=False) // 1_000_000,
            array.is_valid().to_numpy(zero_copy_only=False),
        )
    if layout.clock_unit_s:
        return _numbered(array, layout)
    return read_clocks(as_binary(array))


def _numbered(array: pa.Array, layout: Layout) -> tuple[Ints, Mask]:
    from gridwright.formats.numerals import Numerals, read_numbers

    values, bad = read_numbers(as_binary(array), Numerals())
    good = ~bad & np.isfinite(values) & (values == np.rint(values))
    last = DAY_S // layout.clock_unit_s + 4  # the long day of autumn has up to four more
    seconds = (np.where(good, values, 0).astype(np.int64) - layout.clock_first) * layout.clock_unit_s
    return seconds, good & (values >= layout.clock_first) & (values < layout.clock_first + last)


def to_instants(stamps: Stamps, points: npt.NDArray[np.int32], layout: Layout) -> Instants:
    """Turn stamps into UTC by their own offset, else by the file's clock; repeated hours by suffix or row order."""
    size = stamps.wall.size
    none = np.zeros(size, np.bool_)
    own = stamps.has_offset
    rounded = int(np.count_nonzero(stamps.rounded))
    if own.all() and size:
        return Instants(stamps.wall - stamps.offset, stamps.good, none, none, rounded)
    if layout.clock.fixed_s is not None:
        at = stamps.wall - np.where(own, stamps.offset, layout.clock.fixed_s)
        return Instants(at, stamps.good, none, none, rounded)
    # A bad stamp's wall clock is noise: keep it out of the search for clock changes.
    first = int(stamps.wall[stamps.good].min()) if stamps.good.any() else 0
    wall = np.where(stamps.good, stamps.wall, first)
    at, repeated, skipped = wall_to_utc(wall, layout.clock.zone)
    repeated, skipped = repeated & ~own & stamps.good, skipped & ~own & stamps.good
    at = np.where(own, stamps.wall - np.where(own, stamps.offset, 0), at)
    if repeated.any():
        second = _later_pass(stamps, points, at, repeated)
        at[second] += change_lengths(at[second], layout.clock.zone)
    return Instants(at, stamps.good, skipped, repeated, rounded)


def _later_pass(stamps: Stamps, points: npt.NDArray[np.int32], at: Ints, repeated: Mask) -> Mask:
    told = repeated & (stamps.season != UNKNOWN)
    # Where any row of the hour is marked DST, its unmarked neighbours are standard time.
    marked = bool((stamps.season == SUMMER).any())
    if marked:
        return np.asarray(repeated & (stamps.season != SUMMER))
    guessed = second_passes(points, at, repeated & ~told)
    return np.asarray(guessed | (told & (stamps.season == STANDARD)))
