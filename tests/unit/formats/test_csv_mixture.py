"""Several meters in one file: the column that tells them apart is found, or the file is refused; never mixed."""

from pathlib import Path

import pytest

from gridwright.domain.errors import AmbiguousInput
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.read_file import read_file

HOURS = [f"2025-03-{day:02d} {hour:02d}:00" for day in range(1, 31) for hour in range(24)]


def a_file(folder: Path, header: str, *, by_meter: bool, encoding: str = "utf-8") -> Path:
    pairs = [(name, at) for name in ("A 1", "B 2") for at in HOURS]
    rows = pairs if by_meter else sorted(pairs, key=lambda pair: pair[1])
    lines = [f"{name},{at},{1.5 if name == 'A 1' else 2.5}" for name, at in rows]
    path = folder / "meters.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding=encoding)
    return path


@pytest.mark.parametrize("header", ["Kunde,Zeitstempel,Wert kWh", "Kennung X,Zeitstempel,Wert kWh", "Blob,time,kWh"])
def test_the_column_that_tells_meters_apart_is_found(tmp_path: Path, header: str) -> None:
    collected = read_file(a_file(tmp_path, header, by_meter=False))
    (panel,) = collected.panels
    assert panel.points == ("A 1", "B 2")
    assert panel.total_kwh().tolist() == [1.5 * len(HOURS), 2.5 * len(HOURS)]
    assert collected.intake.conflicting == 0


def test_a_chinese_file_too(tmp_path: Path) -> None:
    collected = read_file(a_file(tmp_path, "用户,时间,电量(千瓦时)", by_meter=True, encoding="gbk"))
    assert collected.panels[0].points == ("A 1", "B 2")


def test_meters_one_after_the_other_under_an_unknown_name_are_refused_not_mixed(tmp_path: Path) -> None:
    path = a_file(tmp_path, "Blob,time,kWh", by_meter=True)
    with pytest.raises(AmbiguousInput, match=r"several usage points.*ignored: Blob.*--column point=NAME"):
        read_file(path)
    named = read_file(path, ReadOptions(columns={"point": "Blob"}))
    assert named.panels[0].points == ("A 1", "B 2")
