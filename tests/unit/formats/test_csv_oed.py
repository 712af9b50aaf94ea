"""The upload tests of Open Energy Dashboard (MPL-2.0): 45 inputs, 40 expected outputs, as far as we mean the same.

OED knows options that we do not have, because we settle the same question another way:
* reset windows (5, 6, 8, 10, 12, 52): OED believes a fall of a counter at the hour it is told; we refuse a read that
  falls below or jumps above its neighbours, and begin a new epoch without energy where a fall stays.
* all or nothing (22, 26, 27, 29, 30, 33): one bad record costs OED the whole upload; we list it and keep the others.
* the first of end-only stamps (23, 24): OED does not know when it began and drops it; we know the interval's length.
* gaps between counters (31, 32): OED drops the difference across a gap of minutes; we set reads that are a few minutes
  off upon the grid. Spans (35): OED stretches an interval back to the stamp before it; ours have the length they say.
* second uploads (50, 51, 52): the store keeps days of at most hourly readings, and these are daily; 60 is tested with
  the reads that were known before.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gridwright.domain.interval import from_epoch_s
from gridwright.domain.register import RegisterReading
from gridwright.formats.source import ReadOptions
from gridwright.ingest import Collected, grid_registers
from gridwright.jobs.files.read_file import read_file

FOLDER = Path("interchange") / "oed_csv_pipeline"
CUMULATIVE = {*range(3, 14), 20, 21, 22, 25, 29, 31, 32, 33, 40, 60}
END_ONLY = {25}
# Read as OED reads them.
ALIKE = (1, 2, 3, 4, 14, 15, 16, 17, 18, 19, 20, 21, 25, 28, 34, 40)
# Refused by OED as a whole; here the line that is wrong, and what is said of it.
ONE_BAD_LINE = {
    26: (2, "'2021-06-02 00:00:00 x' is no date or time of this file"),
    27: (2, "its end '2021-06-32 00:00:00' is no date or time of this file"),
    29: (4, "'240.x' in column 1 is no finite number"),
    30: (4, "'9a' in column 1 is no finite number"),
}
# The counter falls in it and comes back: all is stored, and the read is set aside.
FALLS = (7, 9, 11, 13, 33)

Row = tuple[float, str, str]


def read(folder: Path, number: int) -> Collected:
    name = f"pipe{number}Input.csv" + (".gz" if number == 40 else "")
    options = ReadOptions(unit="kWh", kind="cumulative" if number in CUMULATIVE else "interval", zone="UTC")
    options = replace(options, stamp="end" if number in END_ONLY else "", date_order="mdy" if number == 28 else "")
    return read_file(folder / name, options)


def rows_of(found: Collected) -> list[Row]:
    rows: list[Row] = []
    for panel in found.panels:
        for slot, value in enumerate(panel.kwh[0].tolist()):
            start = panel.start + panel.interval * slot
            if value == value:  # noqa: PLR0124 - NaN is the only value unequal to itself
                rows.append((value, f"{start:%F %T}", f"{start + panel.interval:%F %T}"))
    for loose in found.loose:
        for at, value in zip(loose.at.tolist(), (loose.value / 1000).tolist(), strict=True):
            start = from_epoch_s(at)
            rows.append((value, f"{start:%F %T}", f"{start + timedelta(seconds=loose.interval_s):%F %T}"))
    return sorted(rows, key=lambda row: row[1])


def expected(folder: Path, number: int) -> list[Row]:
    with (folder / f"pipe{number}Expected.csv").open(newline="") as file:
        return [(float(row[0]), row[1], row[2]) for row in csv.reader(file) if row]


@pytest.mark.parametrize("number", ALIKE)
def test_pipes_that_both_read_alike(shared_data: Path, number: int) -> None:
    folder = shared_data / FOLDER
    found = read(folder, number)
    assert rows_of(found) == expected(folder, number)
    assert found.intake.rejected == {34: 1}.get(number, 0)


@pytest.mark.parametrize("number", ONE_BAD_LINE)
def test_pipes_that_oed_refuses_whole_lose_one_line_here(shared_data: Path, number: int) -> None:
    found = read(shared_data / FOLDER, number)
    assert [(reject.line, reject.reason) for reject in found.intake.rejects] == [ONE_BAD_LINE[number]]
    assert found.intake.accepted == 4


@pytest.mark.parametrize("number", FALLS)
def test_a_counter_that_falls_and_comes_back_is_kept_and_told(shared_data: Path, number: int) -> None:
    found = read(shared_data / FOLDER, number)
    assert (found.intake.accepted, found.intake.rejects) == (5, ())
    (note,) = [note for note in found.intake.notes if note.startswith("register falls or jumps and comes back: ")]
    assert "(line 3)" in note


def test_counters_that_come_one_by_one(shared_data: Path) -> None:
    """Pipe 60: two more uploads of a single read each, joined to the reads that are known."""
    folder = shared_data / FOLDER
    known: list[RegisterReading] = []
    energy: list[float] = []
    for letter in "ABC":
        options = ReadOptions(unit="kWh", kind="cumulative", zone="UTC", point="P", interval_minutes=1440)
        found = read_file(folder / f"pipe60{letter}Input.csv", options)
        (registers,) = found.registers
        gridded = grid_registers(registers.readings, around=known[-1:])
        known += [read for part in gridded.registers for read in part]
        energy += [value for panel in gridded.panels for value in panel.kwh[0].tolist()]
    assert energy == [value for value, _, _ in expected(folder, 60)]
