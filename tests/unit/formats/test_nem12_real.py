"""The public NEM12 and NEM13 sets: every valid file is read without a reject, every invalid one is told why."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.formats.container import unwrap
from gridwright.formats.nem12 import NEM12
from gridwright.formats.source import Decoded, ReadOptions

SET = Path("interchange") / "nem12_nem13"


def decoded(path: Path) -> Decoded:
    (content,) = unwrap(memoryview(path.read_bytes()), path.name)
    dialect = NEM12.inspect(content.data, content.name, ReadOptions())
    (chunk,) = NEM12.chunks(content.data, dialect)
    return NEM12.decode(content.data, chunk, dialect)


def plain_values(path: Path) -> list[float]:
    """Read the 300 records the slow and obvious way: numbers between the date and the quality method."""
    raw = (
        zipfile.ZipFile(path).read(zipfile.ZipFile(path).namelist()[0]) if path.suffix != ".csv" else path.read_bytes()
    )
    lines = [line for line in raw.decode("latin-1").splitlines() if line.strip()]
    values: list[float] = []
    for at, line in enumerate(lines):
        if not line.startswith("300,"):
            continue
        record, following = line, at + 1
        while following < len(lines) and lines[following].split(",")[0] not in {"200", "300", "400", "500", "900"}:
            record, following = record + lines[following], following + 1
        for text in record.split(",")[2:]:
            if text[:1].isalpha():
                break
            values.append(float(text))
    return values


def test_all_66_market_files_are_read(shared_data: Path) -> None:
    files = sorted((shared_data / SET / "nem12").iterdir())
    assert len(files) == 66
    for path in files:
        result = decoded(path)
        assert result.rejects == (), path.name
        intervals = [series for series in result.series if series.interval_s]
        assert sum(series.size for series in intervals) == len(plain_values(path)), path.name


def test_the_energy_of_a_whole_file_is_exact(shared_data: Path) -> None:
    path = shared_data / SET / "unzipped" / "Example_NEM12_month_solar.csv"
    counts = sum(float(np.nansum(series.value)) for series in decoded(path).series)
    assert counts == round(sum(plain_values(path)) * 1000)


def test_all_nem13_files_give_register_reads(shared_data: Path) -> None:
    files = sorted((shared_data / SET / "nem13").iterdir())
    assert len(files) == 30
    results = [decoded(path) for path in files]
    assert [result.rejects for result in results] == [()] * 30
    handovers = 6  # reads that end one of the 44 records and begin another
    assert sum(result.records for result in results) == 2 * 44 - handovers


def test_all_unzipped_examples_are_read(shared_data: Path) -> None:
    for path in sorted((shared_data / SET / "unzipped").iterdir()):
        assert decoded(path).rejects == (), path.name


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Example_NEM12_15min_200_30min_300.csv", "48 values where 96 are due"),
        ("Example_NEM12_15min_200_30min_400.csv", "quality V, but the 400 records do not fit its intervals"),
        ("Example_NEM12_30min_200_15min_300.csv", "96 values where 48 are due"),
        ("Example_NEM12_30min_200_15min_400.csv", "96 values where 48 are due"),
        ("Example_NEM12_incomplete_interval.csv", "0 values where 48 are due"),
    ],
)
def test_invalid_days_are_refused_with_a_reason(shared_data: Path, name: str, reason: str) -> None:
    rejects = decoded(shared_data / SET / "invalid" / name).rejects
    assert [(reject.line, reject.reason) for reject in rejects] == [(3, reason)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [("Example_NEM12_empty.csv", "no 200 or 250 record"), ("Example_empty_file.csv", "empty")],
)
def test_files_without_data_are_refused(shared_data: Path, name: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        decoded(shared_data / SET / "invalid" / name)


@pytest.mark.parametrize(
    "name",
    ["Example_NEM12_powercor.csv", "Example_NEM12_powercor.csv.zip", "Example_NEM12_powercor_missing_fields.csv"],
)
def test_a_day_twice_is_kept_for_ingest_to_settle(shared_data: Path, name: str) -> None:
    result = decoded(shared_data / SET / "invalid" / name)
    assert result.rejects == ()
    assert {series.reading_type.channel: series.size for series in result.series} == {"E1": 96, "Q1": 96}


def test_case_c14_several_qualities_in_a_day(shared_data: Path) -> None:
    """Worked case C14 of the catalogue: 400 records 1-20 F14, 21-24 A, 25-48 S14."""
    (series,) = decoded(shared_data / SET / "unzipped" / "Example_NEM12_multiple_quality.csv").series
    energy = {
        quality: float(series.value[series.quality == quality].sum()) for quality in np.unique(series.quality).tolist()
    }
    final = q.pack(q.Status.ESTIMATED_FINAL, q.Method.LIKE_DAY)
    substitute = q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)
    assert energy == {final: 400_522.0, q.ACTUAL: 74_112.0, substitute: 422_356.0}
    assert series.value.sum() == 896_990.0
