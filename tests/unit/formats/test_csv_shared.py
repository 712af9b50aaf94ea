"""Real files beside the repository: the figures their provenance names come out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.errors import UnreadableFile
from gridwright.domain.reading_type import Flow
from gridwright.formats.registry import find_reader
from gridwright.formats.source import Decoded, ReadOptions


def decoded(path: Path) -> list[Decoded]:
    data = memoryview(path.read_bytes())
    reader = find_reader(bytes(data[:65_536]), path.name, ReadOptions())
    dialect = reader.inspect(data, path.name, ReadOptions())
    return [reader.decode(data, chunk, dialect) for chunk in reader.chunks(data, dialect)]


@pytest.mark.parametrize(
    ("home", "size"), [(2, 14_592), (3, 14_590), (4, 14_591), (5, 14_591), (7, 14_591), (9, 14_583)]
)
def test_london_homes(shared_data: Path, home: int, size: int) -> None:
    (piece,) = decoded(shared_data / "lcl_london" / "raw" / f"MAC{home:06d}.csv")
    assert (piece.series[0].size, piece.rejected) == (size, 0)
    assert piece.series[0].reading_type.exponent == 0


def test_the_london_home_with_defects(shared_data: Path) -> None:
    (piece,) = decoded(shared_data / "lcl_london" / "raw" / "MAC000002_2012_2013_with_defects.csv")
    assert (piece.records, piece.series[0].size, piece.rejected) == (18_442, 18_441, 1)
    assert piece.rejects[0].line == 3242


@pytest.mark.parametrize(
    ("place", "size", "kwh"),
    [("lcl_london/lcl_hh_2013.parquet", 978_648, 214_787), ("sgsc_australia/sgsc_hh.parquet", 1_496_532, 340_826)],
)
def test_parquet_sums(shared_data: Path, place: str, size: int, kwh: int) -> None:
    main = [piece.series[0] for piece in decoded(shared_data / place)]
    assert sum(series.size for series in main) == size
    assert sum(float(series.value.sum()) for series in main) / 1000 == pytest.approx(kwh, abs=1)


def test_registers_of_konstanz(shared_data: Path) -> None:
    (piece,) = decoded(shared_data / "opsd_household" / "household_data_60min_singleindex.csv")
    last = {(one.reading_type.flow, one.reading_type.channel): float(one.value[-1]) for one in piece.series}
    assert last[Flow.DELIVERED, ""] == 6_321_393
    assert last[Flow.RECEIVED, ""] == 9_563_098
    assert last[Flow.NONE, "pv"] == 12_336_971
    assert set(piece.zones.values()) == {"Europe/Berlin"}
    assert np.all(np.diff(piece.series[0].at) > 0)


def test_hours_without_dates_are_refused(shared_data: Path) -> None:
    with pytest.raises(UnreadableFile, match="no column tells the date"):
        decoded(shared_data / "citylearn_2022" / "Building_1.csv")
