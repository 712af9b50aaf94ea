"""Bad input at the command line: the exit code is right, one JSON document says why, and the good part is kept."""

from __future__ import annotations

import gzip
import json
import random
import sys
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gridwright.cli import main

Answer = tuple[int, Any, str]
Report = Callable[..., Answer]
FIRST = datetime(2025, 1, 1)  # noqa: DTZ001 - naive, as files have it


def rows(count: int = 96, first: datetime = FIRST, value: str = "1.5") -> list[str]:
    return [f"UP-1,{first + timedelta(minutes=30 * slot):%Y-%m-%d %H:%M},{value}" for slot in range(count)]


def table(lines: Sequence[str], header: str = "id,start,kwh") -> bytes:
    return "\n".join([header, *lines, ""]).encode()


def with_row(slot: int, line: str) -> bytes:
    lines = rows()
    lines[slot] = line
    return table(lines)


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Report:
    """Write bytes to a file (None: leave it out), report on it, and return code, document and stderr."""
    monkeypatch.chdir(tmp_path)

    def command(content: bytes | None, *options: str, name: str = "meter.csv", as_json: bool = True) -> Answer:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        words = ["report", name, "--out", "out", *options, *(["--json"] if as_json else [])]
        monkeypatch.setattr(sys, "argv", ["gridwright", *words])
        code: Any = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        if not as_json:
            return int(code or 0), out, err
        assert out.count("\n") == 1
        return int(code or 0), json.loads(out), err

    return command


# name: content, options, exit code, error, words of the message, words of the remedy
REFUSED: dict[str, tuple[bytes | None, tuple[str, ...], int, str, str, str]] = {
    "missing": (None, (), 1, "NotFound", "no such file", "check the path"),
    "empty": (b"", (), 1, "UnreadableFile", "the file is empty", "fetch it again"),
    "blank lines": (b"\n\n \n", (), 1, "UnknownFormat", "nem12, cmep, mscons", "--format"),
    "binary": (bytes(range(256)) * 40, (), 1, "UnknownFormat", "nem12, cmep, mscons", "--format"),
    "header alone": (b"id,start,kwh\n", (), 1, "UnreadableFile", "a header and no readings", "a period that has"),
    "xml": (b'<?xml version="1.0"?><feed/>', (), 1, "UnknownFormat", "XML", "export the readings as CSV"),
    "edifact": (b"UNB+UNOC:3+A:500+B:500'UNH+1+UTILMD'", (), 1, "UnknownFormat", "message is UTILMD", "MSCONS is read"),
    "json": (b'{"readings": []}', (), 1, "UnknownFormat", "JSON", "export the readings as CSV"),
    "one reading": (table(rows(1)), (), 1, "AmbiguousInput", "one reading per usage point", "--interval MINUTES"),
    "no value": (table(rows(value="")), (), 1, "NotFound", "nothing could be read", "its 96 records hold no value"),
    "words for values": (
        table(rows(value="much")),
        (),
        1,
        "UnreadableFile",
        "column 'kwh' holds no numbers: 'much' is none",
        "--column value=NAME",
    ),
    "no dates": (table(["UP-1,x,1.5"] * 9), (), 1, "UnreadableFile", "no column tells the date", "--column time=NAME"),
    "all in the future": (
        table(rows(first=datetime(2099, 1, 1))),  # noqa: DTZ001
        (),
        1,
        "NotFound",
        "nothing could be read",
        "line 2: stamp lies in the future",
    ),
    "days or months": (
        table([f"UP-1,0{day}/0{day + 1}/2025 00:00,1.5" for day in range(1, 3)] * 2),
        (),
        1,
        "AmbiguousInput",
        "day-month or month-day",
        "--date-order",
    ),
    "unknown unit": (table(rows()), ("--unit", "furlong"), 2, "UsageError", "'furlong' is no unit", "kWh"),
    "unknown zone": (table(rows()), ("--zone", "Mars/Base"), 2, "UsageError", "'Mars/Base'", "IANA"),
    "unknown kind": (table(rows()), ("--kind", "some"), 2, "UsageError", "'some' is no kind", "cumulative"),
    "unknown column": (table(rows()), ("--column", "value=use"), 2, "UsageError", "no column 'use'", "id, start, kwh"),
    "unknown role": (table(rows()), ("--column", "worth=kwh"), 2, "UsageError", "no role 'worth'", "value"),
    "half a column": (table(rows()), ("--column", "kwh"), 2, "UsageError", "'kwh' is not ROLE=NAME", "value=Usage"),
    "unknown format": (table(rows()), ("--format", "sml"), 2, "UsageError", "no format 'sml'", "nem12, cmep, mscons"),
    "unknown encoding": (table(rows()), ("--encoding", "klingon"), 2, "UsageError", "'klingon'", "utf-8"),
    "unknown decimal mark": (table(rows()), ("--decimal", "x"), 2, "UsageError", "'x' is no decimal mark", "give ."),
    "kind against unit": (table(rows()), ("--kind", "power"), 2, "UsageError", "does not go with", "--unit"),
    "another format": (table(rows()), ("--format", "nem12"), 1, "UnreadableFile", "no 200 or 250 record", "sender"),
    "no rate card": (table(rows()), ("--tariff", "nope"), 1, "NotFound", "no rate card 'nope'", "residential-flat"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_one_document(report: Report, name: str) -> None:
    content, options, code, error, message, remedy = REFUSED[name]
    found_code, found, _ = report(content, *options)
    assert (found_code, found["error"]) == (code, error)
    assert message in found["message"]
    assert remedy in found["remedy"]


def test_without_json_the_refusal_is_a_sentence_with_place_and_remedy(report: Report) -> None:
    code, out, err = report(table(rows(value="much")), as_json=False)
    assert (code, out) == (1, "")
    assert "Error: meter.csv: column 'kwh' holds no numbers: 'much' is none" in err
    assert "--column value=NAME" in err


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("meter.csv.gz", gzip.compress(table(rows()))[:-20]),
        ("meter.zip", b"PK\x03\x04" + bytes(200)),
        ("meter.parquet", b"PAR1" + bytes(500) + b"PAR1"),
    ],
)
def test_a_damaged_container_is_refused(report: Report, name: str, content: bytes) -> None:
    code, found, _ = report(content, name=name)
    assert (code, found["error"]) == (1, "UnreadableFile")
    assert found["remedy"]


def test_a_folder_is_refused(report: Report, tmp_path: Path) -> None:
    (tmp_path / "meters").mkdir()
    code, found, _ = report(None, name="meters")
    assert (code, found["error"], found["message"]) == (1, "UnreadableFile", "this is a directory")


# name: content, options, readings taken, rejected, (line of the first reject, words of its reason)
KEPT: dict[str, tuple[bytes, tuple[str, ...], int, int, tuple[int, str]]] = {
    "a word among numbers": (with_row(7, "UP-1,2025-01-01 03:30,oops"), (), 95, 1, (9, "'oops' in column kwh")),
    "a date that is none": (with_row(7, "UP-1,2025-02-30 03:30,1"), (), 95, 1, (9, "'2025-02-30 03:30' is no date")),
    "no usage point": (with_row(7, ",2025-01-01 03:30,1"), (), 95, 1, (9, "'' names no usage point")),
    "a missing column": (with_row(7, "UP-1,2025-01-01 03:30"), (), 95, 1, (9, "2 columns where the file has 3")),
    "a cut end": (table(rows())[:-8], (), 95, 1, (97, "2 columns where the file has 3")),
    "an endless number": (with_row(7, f"UP-1,2025-01-01 03:30,{'9' * 100_000}"), (), 95, 1, (9, "no finite number")),
    "infinity": (with_row(7, "UP-1,2025-01-01 03:30,inf"), (), 95, 1, (9, "no finite number")),
    "NUL": (with_row(7, "UP-1,2025-01-01 03:30,\x001"), (), 95, 1, (9, "no finite number")),
    "one in the future": (with_row(95, "UP-1,2099-01-01 00:00,1"), (), 95, 1, (97, "future")),
    "off the grid": (with_row(7, "UP-1,2025-01-01 03:47,1"), (), 95, 1, (9, "V04 stamp is off the 30 min grid")),
    "a skipped hour": (
        table(rows(first=datetime(2025, 3, 30))),  # noqa: DTZ001
        ("--zone", "Europe/Berlin"),
        94,
        2,
        (6, "'2025-03-30 02:00' does not exist in Europe/Berlin"),
    ),
}


@pytest.mark.parametrize("name", KEPT)
def test_the_good_part_is_kept(report: Report, name: str) -> None:
    content, options, taken, rejected, (line, reason) = KEPT[name]
    code, found, _ = report(content, *options)
    (file,) = found["files"]
    assert (code, file["readings"], file["rejected"]) == (0, taken, rejected)
    assert file["rejects"][0]["line"] == line
    assert reason in file["rejects"][0]["reason"]
    assert file["rejects"][0]["remedy"]
    assert found["usage_points"][0]["readings"] == taken


def test_repeats_are_dropped_and_counted(report: Report) -> None:
    code, found, _ = report(table([*rows(), *rows()]))
    assert (code, found["files"][0]["readings"], found["files"][0]["repeated"]) == (0, 96, 96)
    assert found["usage_points"][0]["energy_kwh"] == 96 * 1.5


def test_every_record_has_its_fate(report: Report) -> None:
    """Taken, refused, repeated, in conflict or without a value: together they are all that the file holds."""
    many = [*rows(), "UP-1,2025-01-01 03:00,2.5", "UP-1,2025-01-05 01:00,nan", "UP-1,2025-01-05 02:00,x"]
    _, found, _ = report(table(many))
    (file,) = found["files"]
    fates = [file[name] for name in ("readings", "rejected", "repeated", "conflicting", "missing")]
    assert (fates, file["records"]) == ([96, 1, 0, 1, 1], 99)


def test_a_conflict_is_told_apart_from_a_reject(report: Report) -> None:
    _, found, _ = report(table([*rows(), "UP-1,2025-01-01 03:00,2.5"]))
    (file,) = found["files"]
    assert (file["readings"], file["rejected"], file["conflicting"]) == (96, 0, 1)
    assert [(one["line"], one["reason"].partition(":")[0]) for one in file["rejects"]] == [(8, "conflict")]
    assert found["usage_points"][0]["energy_kwh"] == 96 * 1.5 + 1


def test_the_order_of_rows_does_not_matter(report: Report) -> None:
    lines = [line.replace("1.5", f"{1 + slot / 100:.2f}") for slot, line in enumerate(rows())]
    _, straight, _ = report(table(lines))
    random.Random(5).shuffle(lines)  # noqa: S311 - an order, no secret
    _, mixed, _ = report(table(lines))
    kept = ("energy_kwh", "readings", "interval_minutes", "from", "to")
    assert [mixed["usage_points"][0][key] for key in kept] == [straight["usage_points"][0][key] for key in kept]


def test_an_hour_that_comes_twice_needs_no_offset(report: Report) -> None:
    first = datetime(2025, 10, 26)  # noqa: DTZ001
    lines = rows(6, first) + rows(2, first + timedelta(hours=2)) + rows(42, first + timedelta(hours=3))
    code, found, _ = report(table(lines), "--zone", "Europe/Berlin")
    assert (code, found["files"][0]["readings"], found["files"][0]["repeated"]) == (0, 50, 0)
    assert found["usage_points"][0]["missing"] == 0


def test_a_wrong_encoding_names_what_was_lost(report: Report) -> None:
    text = "id,start,kwh\nÉté,2025-01-01 00:00,1\nÉté,2025-01-01 00:30,1\n".encode("latin-1")
    code, found, _ = report(text, "--encoding", "utf-8")
    assert (code, found["error"]) == (1, "NotFound")
    assert "names no usage point" in found["remedy"]
    code, found, _ = report(text)
    assert (code, found["usage_points"][0]["id"]) == (0, "Été")


@pytest.mark.parametrize("count", [2, 48, 49])
def test_very_short_series_leave_parts_out_and_say_so(report: Report, count: int) -> None:
    code, found, _ = report(table(rows(count)))
    (point,) = found["usage_points"]
    assert (code, point["energy_kwh"]) == (0, count * 1.5)
    assert point["battery"] is None
    assert point["notes"]


def test_monthly_registers_are_answered_by_their_difference(report: Report) -> None:
    lines = [f"UP-1,2025-{month:02d}-01 00:00,{1000 + 310 * month}" for month in range(1, 13)]
    code, found, _ = report(table(lines, "id,read at,cumulative_kwh"))
    assert (code, found["usage_points"]) == (0, [])
    assert "UP-1: 3,410.000 kWh delivered between 12 register reads, 2025-01-01 … 2025-12-01" in found["notes"]


def test_billing_periods_are_added_up_and_not_laid_on_a_grid(report: Report) -> None:
    starts = ["2025-01-03", "2025-02-01", "2025-03-05", "2025-04-02", "2025-05-01"]
    lines = [f"UP-1,{day},{kwh}" for day, kwh in zip(starts, (310.5, 290.25, 280, 275.75, ""), strict=True)]
    code, found, _ = report(table(lines))
    assert (code, found["usage_points"], found["files"][0]["rejected"]) == (0, [], 0)
    assert any(note.startswith("UP-1: 1,156.500 kWh delivered in 4 periods") for note in found["notes"])


def test_days_are_added_up_across_a_clock_change(report: Report) -> None:
    first = datetime(2025, 3, 1)  # noqa: DTZ001
    lines = [f"UP-1,{first + timedelta(days=day):%Y-%m-%d},{10 + day % 7}" for day in range(60)]
    code, found, _ = report(table(lines), "--zone", "Europe/Berlin")
    assert (code, found["files"][0]["readings"], found["files"][0]["rejected"]) == (0, 60, 0)
    assert "UP-1: 774.000 kWh delivered in 60 daily values, 2025-03-01 … 2025-04-29" in found["notes"]


@pytest.mark.parametrize("as_json", [True, False])
def test_a_fault_of_our_own_is_told_too(
    as_json: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("gridwright.jobs.upkeep.check_health.check_health", broken)
    monkeypatch.setattr(sys, "argv", ["gridwright", "doctor", *(["--json"] if as_json else [])])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    assert ended.value.code == 1
    assert "Traceback" not in out + err
    told = json.loads(out)["message"] if as_json else err
    assert "ZeroDivisionError: nobody thought of this" in told
