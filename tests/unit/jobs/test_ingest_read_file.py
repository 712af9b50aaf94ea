from __future__ import annotations

import io
import os
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.errors import GridwrightError, NotFound, UnknownFormat, UnreadableFile
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files import sources
from gridwright.jobs.files.read_file import read_file

HEADER = "100,NEM12,202501010000,MDP1,RET1"


def nem12(point: str, *days: str, value: str = "1.5") -> str:
    records = [f"300,{day},{','.join([value] * 48)},A,,,20250201000000," for day in days]
    return "\n".join([HEADER, f"200,{point},E1,E1,E1,N1,METER1,kWh,30,", *records, "900", ""])


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def test_a_file_becomes_panels_zones_and_a_verdict(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(nem12("NMI1", "20250101", "20250103"))
    seen: list[tuple[int, int]] = []
    collected = read_file(path, progress=lambda done, total: seen.append((done, total)))
    (panel,) = collected.panels
    assert (panel.points, panel.slots) == (("NMI1",), 144)
    assert panel.total_kwh().tolist() == [144.0]
    assert int(panel.missing.sum()) == 48
    assert collected.zones == {"NMI1": "Australia/Brisbane"}
    intake = collected.intake
    assert (intake.source, intake.format, intake.records, intake.accepted) == ("meter.csv", "nem12", 96, 96)
    assert seen[-1] == (path.stat().st_size, path.stat().st_size)


def test_files_of_an_archive_are_read_as_one(tmp_path: Path) -> None:
    path = tmp_path / "METERS.ZIP"
    path.write_bytes(zipped({"a.csv": nem12("NMI1", "20250101"), "b.csv": nem12("NMI2", "20250102")}))
    collected = read_file(path)
    (panel,) = collected.panels
    assert panel.points == ("NMI1", "NMI2")
    np.testing.assert_array_equal(panel.missing.sum(axis=1), [48, 48])


def test_one_bad_file_in_an_archive_does_not_hide_the_good_one(tmp_path: Path) -> None:
    path = tmp_path / "meters.zip"
    path.write_bytes(zipped({"a.csv": nem12("NMI1", "20250101"), "empty.csv": ""}))
    collected = read_file(path)
    assert collected.intake.accepted == 48
    assert any("empty" in note for note in collected.intake.notes)


def test_rejects_of_an_archive_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "meters.zip"
    path.write_bytes(zipped({"a.csv": nem12("NMI1", "20250101"), "b.csv": nem12("NMI2", "20259901")}))
    (reject,) = read_file(path).intake.rejects
    assert (reject.line, reject.reason) == (3, "meters.zip!b.csv: date is not yyyymmdd")


def test_a_day_twice_is_a_conflict_and_the_later_wins(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(nem12("NMI1", "20250101") + nem12("NMI1", "20250101", value="2.0"))
    collected = read_file(path)
    assert collected.panels[0].total_kwh().tolist() == [96.0]
    assert (collected.intake.accepted, collected.intake.conflicting) == (48, 48)
    assert "V03" in collected.intake.rejects[0].reason


def test_future_readings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(nem12("NMI1", "20250101", "20350101"))
    intake = read_file(path, not_after=datetime(2025, 6, 1, tzinfo=UTC)).intake
    assert (intake.accepted, intake.rejected) == (48, 48)
    assert "future" in intake.rejects[0].reason


def test_the_zone_given_is_the_zone_of_the_points(tmp_path: Path) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(nem12("NMI1", "20250101"))
    assert read_file(path, ReadOptions(zone="Australia/Sydney")).zones == {"NMI1": "Australia/Sydney"}


def test_a_large_file_is_mapped_and_read_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "meter.csv"
    path.write_text(nem12("NMI1", "20250101", "20250102"))
    plain = read_file(path)
    monkeypatch.setattr(sources, "MAPPED_FROM", 0)
    np.testing.assert_array_equal(read_file(path).panels[0].values, plain.panels[0].values)


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", UnreadableFile), (bytes(range(256)) * 9, GridwrightError), (b"PK\x03\x04 no zip", UnreadableFile)],
    ids=["empty", "binary", "damaged zip"],
)
def test_what_cannot_be_read_says_where(tmp_path: Path, content: bytes, error: type[GridwrightError]) -> None:
    path = tmp_path / "meter.csv"
    path.write_bytes(content)
    with pytest.raises(error) as caught:
        read_file(path)
    assert "meter.csv" in caught.value.where


def test_an_unknown_format_says_so(tmp_path: Path) -> None:
    path = tmp_path / "poem.txt"
    path.write_text("Shall I compare thee to a summer's day?\nThou art more lovely\n")
    with pytest.raises(GridwrightError) as caught:
        read_file(path)
    assert isinstance(caught.value, UnknownFormat | UnreadableFile | GridwrightError)
    assert caught.value.remedy


def test_a_missing_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no such file"):
        read_file(tmp_path / "absent.csv")
    with pytest.raises(UnreadableFile, match="directory"):
        read_file(tmp_path)


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.csv"
    path.write_text(nem12("NMI1", "20250101"))

    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "open", refused)  # the superuser of a container may read any file
    with pytest.raises(UnreadableFile, match="permission denied"):
        read_file(path)
