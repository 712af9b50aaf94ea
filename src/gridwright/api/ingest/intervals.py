"""Lists in a column: the values of consecutive intervals, laid out as rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridwright.api.body import too_many
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.rows_by import RowsBy
from gridwright.api.ingest.table import Floats, Mask, Table
from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.interval import DAY_S, MICRO

if TYPE_CHECKING:
    import pyarrow as pa

Rows = npt.NDArray[np.intp]
Refuse = Callable[[Rows, Fault, Callable[[int], object]], None]
MAX_INTERVALS = 1_000_000  # of one request
NO_VALUES = Fault("kwh", "the list has no value", "leave out what has none")
EMPTY, NULLS = "an empty list", "only null"


def is_list(kind: pa.DataType) -> bool:
    """Tell whether a column of this type holds lists of numbers."""
    import pyarrow.types as of

    if not (of.is_list(kind) or of.is_large_list(kind) or of.is_fixed_size_list(kind)):
        return False
    item = kind.value_type
    return bool(of.is_integer(item) or of.is_floating(item) or of.is_decimal(item))


def step_us(said: Said) -> int:
    """Return the length of a record's intervals; Wrong where nothing tells it."""
    if not 0 < said.interval_s <= DAY_S:
        raise Wrong(Fault("interval_s", "nothing tells how long the intervals are", "give it, such as 900"))
    return said.interval_s * MICRO


def unrolled(
    table: Table, column: npt.NDArray[np.int32], lists: Mapping[int, Any], kept: Mask, refuse: Refuse
) -> Table:
    """Return the rows, each list in several: one an interval. `column`: where a row's value stands."""
    steps = np.zeros(table.index.size, np.int64)
    blocks, rows_by = np.isin(column, list(lists)), RowsBy(table.which, len(table.said))
    for at, said in enumerate(table.said):
        rows = rows_by[at]
        rows = rows[blocks[rows]]
        try:
            steps[rows] = step_us(said) if rows.size else 0
        except Wrong as wrong:
            refuse(rows, wrong.fault, partial(_same, wrong.value))
    taken = {at: np.flatnonzero(kept & (column == at)) for at in lists}
    lengths = {at: lengths_of(lists[at])[rows] for at, rows in taken.items()}
    singles = np.flatnonzero(kept & ~blocks)
    if singles.size + sum(int(length.sum()) for length in lengths.values()) > MAX_INTERVALS:
        raise too_many(MAX_INTERVALS, "intervals")
    parts = [(singles, np.zeros(singles.size, np.int64), table.value[singles])]
    parts += [_laid_out(lists[at], rows, lengths[at]) for at, rows in taken.items()]
    for (at, rows), (found, *_) in zip(taken.items(), parts[1:], strict=True):
        empty = np.bincount(found, minlength=table.index.size)[rows] == 0
        if empty.any():
            refuse(rows[empty & (lengths[at] > 0)], NO_VALUES, partial(_same, NULLS))
            refuse(rows[empty & (lengths[at] == 0)], NO_VALUES, partial(_same, EMPTY))
    row, place, value = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.argsort(row, kind="stable")
    row = row[order]
    return replace(
        table,
        name=table.name[row],
        at_us=table.at_us[row] + place[order] * steps[row],
        value=value[order],
        which=table.which[row],
        index=table.index[row],
    )


def lengths_of(column: Any) -> npt.NDArray[np.int64]:  # noqa: ANN401 - an Arrow array
    """Return how many values each list of a column has; none is 0."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found: npt.NDArray[np.int64] = pc.fill_null(pc.list_value_length(column).cast(pa.int64()), 0).to_numpy()
    return found


def _laid_out(column: Any, rows: Rows, lengths: npt.NDArray[np.int64]) -> tuple[Rows, npt.NDArray[np.int64], Floats]:  # noqa: ANN401
    """Return of each value its row, its place in the list and itself; null is no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flat = pc.list_flatten(column if rows.size == len(column) else column.take(pa.array(rows, pa.int64())))
    place = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    row, value = np.repeat(rows, lengths), flat.cast(pa.float64()).to_numpy(zero_copy_only=False)
    if flat.null_count:
        there = flat.is_valid().to_numpy(zero_copy_only=False)
        return row[there], place[there], value[there]
    return row, place, value


def _same(value: object, row: int) -> object:
    del row
    return value
