"""Real homes at half hours, split by lot into those on which limits may be tuned and those that only judge."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel, Values
from gridwright.domain.usage_point import UsagePoint

SHARED = Path(os.environ.get("GRIDWRIGHT_SHARED_DATA") or Path(__file__).resolve().parents[3] / "shared" / "data")
SEED = 20_251_129
HALF_HOUR = timedelta(minutes=30)
PER_DAY = 48
FUSE_KW = 24.0


@dataclass(frozen=True, slots=True)
class Source:
    """A data set: its file, the columns with home, stamp and kWh, and the first day of its grid."""

    name: str
    file: str
    columns: tuple[str, str, str]
    start: datetime


SOURCES = (
    Source(
        "sgsc_australia",
        "sgsc_australia/sgsc_hh.parquet",
        ("customer_id", "reading_datetime", "general_supply_kwh"),
        datetime(2011, 12, 2, tzinfo=UTC),
    ),
    Source("lcl_london", "lcl_london/lcl_hh_2013.parquet", ("LCLid", "tstp", "kwh"), datetime(2013, 1, 1, tzinfo=UTC)),
)


def available(shared: Path = SHARED) -> bool:
    """Tell whether the data sets are there."""
    return all((shared / source.file).is_file() for source in SOURCES)


def homes(source: Source, shared: Path = SHARED) -> Panel:
    """Return all homes of a data set, whole Wh, on the wall clock of their stamps (48 half hours every day).

    Of two readings with one stamp the first is taken; what is missing is NaN and MISSING.
    """
    table = pq.read_table(shared / source.file, columns=list(source.columns))
    stamps = pc.cast(table[source.columns[1]], "timestamp[s]").to_numpy().astype(np.int64)
    slot = (stamps - int(source.start.timestamp())) // 1800
    names, row = np.unique(table[source.columns[0]].to_numpy(zero_copy_only=False), return_inverse=True)
    slots = -(-(int(slot.max()) + 1) // PER_DAY) * PER_DAY
    values = np.full((names.size, slots), np.nan)
    counts = np.rint(table[source.columns[2]].to_numpy().astype(np.float64) * 1000)
    values[row[::-1], slot[::-1]] = counts[::-1]
    return graded(Panel(tuple(f"{source.name}-{name}" for name in names), source.start, HALF_HOUR, values))


def graded(panel: Panel, values: Values | None = None) -> Panel:
    """Return the panel (with other values), ACTUAL where there is a value and MISSING elsewhere."""
    some = panel.values if values is None else values
    return panel.with_values(some, np.where(np.isnan(some), q.MISSING, q.ACTUAL).astype(np.uint8))


def split(panel: Panel, seed: int = SEED) -> tuple[Panel, Panel]:
    """Return the homes to tune on and the homes to judge by, half of them each, drawn by lot."""
    order = np.random.default_rng(seed).permutation(len(panel.points))
    half = order.size // 2
    return panel.rows(np.sort(order[:half])), panel.rows(np.sort(order[half:]))


def members(panel: Panel) -> list[UsagePoint]:
    """Return the homes as usage points with the fuse of an ordinary house."""
    return [UsagePoint(point, capacity_kw=FUSE_KW) for point in panel.points]
