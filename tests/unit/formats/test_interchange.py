"""Every public file of the trade is read, or refused with a reason; their numbers are those that their origin tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gridwright.domain.errors import InputError
from gridwright.domain.verdict import Intake
from gridwright.jobs.files.read_file import read_file

FOLDER = "interchange"
# Files below a folder: how many are read, how many readings they hold, how many of those are refused, and how many
# files are refused as a whole (licences, schemas, requests of the market, deliberately wrong ones).
SETS = {
    "nem12_nem13/nem12": (66, 29_797, 0, 0),
    "nem12_nem13/nem13": (30, 80, 0, 0),
    "nem12_nem13/unzipped": (12, 29_094, 0, 0),
    "nem12_nem13/invalid": (9, 528, 336, 2),
    "greenbutton": (18, 4_382, 0, 5),
    "mscons": (4, 384, 0, 2),
    "dk_datahub": (14, 582, 6, 305),
    "oed_csv_pipeline": (75, 347, 5, 12),
    "oed_readings_expected": (45, 28_156, 2, 0),
}
# What PROVENANCE.md says, and the files that it says it of.
TOLD = {
    r"(\d+) zipped NEM12 files": "nem12_nem13/nem12/*",
    r"(\d+) zipped NEM13 files": "nem12_nem13/nem13/*",
    r"(\d+) CSV: 10 NEM12": "nem12_nem13/unzipped/*.csv",
    r"(\d+) CSV and 1 zip that a reader must refuse": "nem12_nem13/invalid/*.csv",
    r"(\d+) XSD \(": "dk_datahub/**/*.xsd",
    r"(\d+) inputs \(44 CSV": "oed_csv_pipeline/*Input*",
    r"(\d+) usage files": "greenbutton/openespi/**/test_usage_data*.xml",
}


@pytest.fixture(scope="module")
def shared(shared_data: Path) -> Path:
    return shared_data / FOLDER


def files_below(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def taken(path: Path) -> Intake | None:
    """Return the verdict on a file, None where it was refused with a reason."""
    try:
        return read_file(path).intake
    except InputError as error:
        assert len(error.message) > 10  # noqa: PT017 - most files raise nothing
        assert path.name in error.where  # noqa: PT017
        return None


@pytest.mark.parametrize("folder", SETS)
def test_each_file_is_read_or_refused_with_a_reason(shared: Path, folder: str) -> None:
    intakes = [taken(path) for path in files_below(shared / folder)]
    read = [intake for intake in intakes if intake is not None]
    for intake in read:
        assert intake.accepted + intake.rejected > 0, intake.source
        for reject in intake.rejects:
            assert reject.line > 0
            assert reject.reason
            assert reject.value or reject.record
    sums = (sum(one.accepted for one in read), sum(one.rejected for one in read))
    assert (len(read), *sums, len(intakes) - len(read)) == SETS[folder]


def test_no_file_stands_beside_the_sets(shared: Path) -> None:
    """What is in none of the folders above: archives of examples, notes and licences."""
    others = [path for path in files_below(shared) if not any((shared / one) in path.parents for one in SETS)]
    read = {path.name: intake.accepted for path in others if (intake := taken(path)) is not None}
    assert read == {"Example_NEM12_ManyNMIs.zip": 57_024, "Example_different_intervals.zip": 240}


def test_the_files_are_as_many_as_their_origin_tells(shared: Path) -> None:
    text = (shared / "PROVENANCE.md").read_text(encoding="utf-8")
    for pattern, files in TOLD.items():
        found = re.search(pattern, text)
        assert found is not None, pattern
        assert len(list(shared.glob(files))) == int(found[1]), files


@pytest.mark.parametrize(
    ("name", "line", "reason", "value"),
    [
        ("Example_NEM12_15min_200_30min_300.csv", 3, "48 values where 96 are due", "20230225"),
        ("Example_NEM12_15min_200_30min_400.csv", 3, "the 400 records do not fit", "V"),
        ("Example_NEM12_30min_200_15min_300.csv", 3, "96 values where 48 are due", "20230225"),
        ("Example_NEM12_30min_200_15min_400.csv", 3, "96 values where 48 are due", "20230225"),
        ("Example_NEM12_incomplete_interval.csv", 3, "0 values where 48 are due", "20040201"),
        ("Example_NEM12_powercor.csv", 3, "conflict: V03", "1111 Wh"),
        ("Example_NEM12_powercor_missing_fields.csv", 3, "conflict: V03", "1111 Wh"),
    ],
)
def test_the_invalid_set_names_line_field_and_value(
    shared: Path, name: str, line: int, reason: str, value: str
) -> None:
    intake = taken(shared / "nem12_nem13/invalid" / name)
    assert intake is not None
    first = intake.rejects[0]
    assert (first.line, first.value) == (line, value)
    assert reason in first.reason


def test_a_file_without_its_first_record_is_told(shared: Path) -> None:
    intake = taken(shared / "nem12_nem13/invalid/Example_NEM12_missing_header.csv")
    assert intake is not None
    assert any("no 100 record" in note for note in intake.notes)
