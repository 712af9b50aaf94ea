"""A town's readings as batches in Arrow: its history week by week, then what comes late or is corrected."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity
from gridwright.simulate.delivery.entrance import ARROW, JSON
from gridwright.simulate.living.town import LivingTown
from gridwright.simulate.town import FaultKind

TOGETHER = timedelta(days=7)
UNIT = {Quantity.ENERGY: "Wh", Quantity.VOLTAGE: "V"}


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: what it is, how many readings it holds, and its body."""

    name: str
    readings: int
    body: bytes
    media_type: str = ARROW


def history(town: LivingTown, period: Interval, points: frozenset[str] | None = None) -> Iterator[Batch]:
    """Yield what the meters of `points` (None = all) and the master meters said in `period`, oldest first.

    Values that come late are left out, and those that are corrected later are still wrong: see `late_batches`.
    """
    at = period.start
    while at < period.end:
        span = Interval(at, min(at + TOGETHER, period.end))
        for panel in panels_of(town):
            part = only(panel, points).between(span)
            if part.slots and part.points and not part.missing.all():
                yield batch_of(part, f"{panel.reading_type} {span.start:%Y-%m-%d}")
        at = span.end


def panels_of(town: LivingTown) -> list[Panel]:
    """Return everything that is delivered in batches."""
    received = [town.town.received] if town.town.received is not None else []
    return [town.town.panel, *received, town.masters, town.masters_back, town.voltage]


def only(panel: Panel, points: frozenset[str] | None) -> Panel:
    """Return the rows of some usage points; a panel that holds none of them, such as the masters', stays whole."""
    if points is None or not points.intersection(panel.points):
        return panel
    return panel.rows([row for row, name in enumerate(panel.points) if name in points])


def late_batches(town: LivingTown, period: Interval, points: frozenset[str] | None = None) -> Iterator[Batch]:
    """Yield values that come after all others: late ones, repeated ones, and the right ones for wrong ones."""
    extra, panel = town.town.extra, town.town.panel
    if not extra.size:
        return
    start = epoch_s(panel.start) + extra.slot * panel.interval_s
    wanted = (start >= epoch_s(period.start)) & (start < epoch_s(period.end))
    if points is not None:
        wanted &= np.array([panel.points[row] in points for row in extra.row.tolist()], np.bool_)
    if wanted.any():
        names = [panel.points[row] for row in extra.row[wanted].tolist()]
        body = arrow(names, start[wanted], extra.value[wanted], panel)
        yield Batch("late and corrected", int(wanted.sum()), body)


def register_batches(town: LivingTown, period: Interval, points: frozenset[str] | None = None) -> Iterator[Batch]:
    """Yield the register reads after `period.start` up to its end, as JSON; an exchange brings its own two."""
    exchanged = {(f.usage_point, f.period.start) for f in town.town.faults if f.kind is FaultKind.EXCHANGE}
    records = [
        {
            "meter": read.end_device,
            "at": read.at.isoformat(),
            "register_kwh": read.value / 1000,
            "flow": read.reading_type.flow.value,
        }
        for read in town.town.registers
        if period.start < read.at <= period.end
        and (points is None or read.usage_point in points)
        and (read.usage_point, read.at) not in exchanged
    ]
    if records:
        yield Batch("registers", len(records), json.dumps(records).encode(), JSON)


def batch_of(panel: Panel, name: str) -> Batch:
    """Return the values of a panel, without the missing ones, as one batch."""
    there = ~panel.missing
    rows, slots = np.nonzero(there)
    names = [panel.points[row] for row in rows.tolist()]
    start = epoch_s(panel.start) + slots.astype(np.int64) * panel.interval_s
    return Batch(name, int(there.sum()), arrow(names, start, panel.values[there], panel))


def arrow(names: list[str], start_s: npt.NDArray[np.int64], values: npt.NDArray[np.float64], kind: Panel) -> bytes:
    """Return columns as an Arrow IPC stream, in the words of `POST /v1/readings`."""
    import pyarrow as pa

    of = kind.reading_type
    scale = of.resolution if of.quantity is Quantity.VOLTAGE else 1.0
    n = len(names)
    table = pa.table(
        {
            "usage_point": pa.array(names).dictionary_encode(),
            "start": pa.array(start_s * 1_000_000, pa.timestamp("us", "UTC")),
            "value": pa.array(np.round(values * scale, 1) if scale != 1.0 else values),
            "unit": pa.array([UNIT[of.quantity]] * n).dictionary_encode(),
            "flow": pa.array([of.flow.value] * n).dictionary_encode(),
            "interval_s": pa.array(np.full(n, kind.interval_s), pa.int32()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
