"""Numbers of hundreds and millions of digits, and lines that end in carriage returns: told in short, or read right."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridwright.api.ingest.arrow import decode_csv
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.lines import LineMapping, decode_lines, usual_fields
from gridwright.api.ingest.meaning import Said
from gridwright.domain.errors import UnreadableFile
from gridwright.domain.verdict import Intake
from gridwright.jobs.files.read_file import read_file

NOW = datetime(2025, 3, 10, 12, tzinfo=UTC)
SAID = Said(interval_s=900)
GIANTS = ["1" + "0" * 400, "1" + "0" * 5_000, "1" + "0" * 1_000_000]
SHORT = 125  # characters of a value that a verdict repeats, and a little


@pytest.fixture(params=GIANTS, ids=["400", "5000", "million"])
def giant(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def intake(folder: Path, text: str) -> Intake:
    path = folder / "file.csv"
    path.write_text(text, newline="")
    return read_file(path).intake


def rows() -> list[str]:
    return [f"2025-01-01T{at // 4:02d}:{at % 4 * 15:02d}:00Z,UP1,{at / 8}" for at in range(96)]


def nem12() -> list[str]:
    days = [f"300,2025010{day},{','.join(['0.5'] * 48)},A,,,20250202000000," for day in range(1, 4)]
    return ["100,NEM12,202501010000,MDP1,RET1", "200,NMI1,E1,E1,E1,N1,METER1,kWh,30,", *days, "900", ""]


@pytest.mark.parametrize(("at", "part"), [(0, "0.0"), (50, "6.25"), (95, "11.875"), (50, "2025-01"), (50, "UP1")])
def test_a_giant_field_of_a_csv_file_costs_its_row(tmp_path: Path, giant: str, at: int, part: str) -> None:
    table = rows()
    table[at] = table[at].replace(part, giant)
    taken = intake(tmp_path, "\n".join(["time,usage_point,kwh", *table, ""]))
    (reject,) = taken.rejects
    assert (taken.accepted, taken.rejected, reject.line) == (95, 1, at + 2)
    assert reject.value.startswith("1000000")
    assert len(reject.value) < SHORT
    assert len(reject.reason) < 3 * SHORT


def test_a_file_of_one_giant_row_is_refused_by_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile) as told:
        intake(tmp_path, "time,usage_point,kwh\n2025-01-01T00:00:00Z,UP1," + "9" * 40_000_000 + "\n")
    assert str(told.value).count("line 2 and what follows it, 40,000,026 bytes below the header") == 1
    assert len(str(told.value)) < 4 * SHORT


@pytest.mark.parametrize(("old", "line", "lost"), [("0.5", 4, 1), ("20250102", 4, 48), (",A,", 4, 48), (",30,", 2, 3)])
def test_a_giant_field_of_nem12_costs_its_record(tmp_path: Path, giant: str, old: str, line: int, lost: int) -> None:
    records = nem12()
    records[line - 1] = records[line - 1].replace(old, giant if old[0] != "," else f",{giant},", 1)
    taken = intake(tmp_path, "\n".join(records))
    assert taken.rejected == lost
    assert {reject.line for reject in taken.rejects} <= {line, 3, 4, 5}
    assert taken.rejects[0].line == line
    assert all(len(reject.value) < SHORT and len(reject.reason) < 3 * SHORT for reject in taken.rejects)


@pytest.mark.parametrize("body", ["table", "nem12"])
def test_lines_that_end_in_carriage_returns_alone_are_read_right(tmp_path: Path, body: str) -> None:
    lines = ["time,usage_point,kwh", *rows(), ""] if body == "table" else nem12()
    plain, mac = intake(tmp_path, "\n".join(lines)), intake(tmp_path, "\r".join(lines))
    assert (mac.accepted, mac.rejected) == (plain.accepted, plain.rejected) == (96 if body == "table" else 144, 0)
    lines[3] = lines[3].replace("0.25", "x").replace("0.5", "x", 1)
    (reject,) = intake(tmp_path, "\r".join(lines)).rejects
    assert (reject.line, reject.value) == (4, "x")


def test_csv_over_http_with_carriage_returns_alone_is_read_right() -> None:
    body = b"usage_point,start,kwh\rA,2025-03-01T00:00:00Z,1\rB,2025-03-01T00:00:00Z,x\r"
    verdicts = decode_csv(body, SAID, NOW).verdicts
    assert (verdicts.accepted, [(one.line, one.value) for one in verdicts.listed]) == (1, [(3, "x")])


@pytest.mark.parametrize(
    "record",
    [
        '{"usage_point":"B","start":"2025-03-01T00:00:00Z","kwh":%s}',
        '{"usage_point":"B","start":"2025-03-01T00:00:00Z","kwh":[1,%s]}',
        '{"usage_point":"B","start":%s,"kwh":1}',
        '{"usage_point":"B","start":"%s","kwh":1}',
        '{"usage_point":"B","start":-%s,"kwh":1}',
        '{"usage_point":"B","start":"2025-03-01T00:00:00Z","kwh":1,"interval_s":%s}',
        '{"usage_point":"%s","start":"2025-03-01T00:00:00Z","kwh":1}',
    ],
)
@pytest.mark.parametrize("many", [1, 20])
def test_a_giant_field_of_json_costs_its_record(giant: str, record: str, many: int) -> None:
    sound = ['{"usage_point":"A","start":1740787200,"kwh":1}'] * many
    records = [*sound, record.replace("%s", giant), *sound]
    for decoded in (
        decode_json(f"[{','.join(records)}]".encode(), SAID, NOW),
        decode_ndjson("\n".join(records).encode(), SAID, NOW),
    ):
        (verdict,) = decoded.verdicts.listed
        assert (decoded.verdicts.accepted, verdict.index) == (2 * many, many)
        assert verdict.value.lstrip("-").startswith("1000000")
        assert len(verdict.value) < SHORT


@pytest.mark.parametrize("row", ["B,2025-03-01T00:00:00Z,%s", "B,%s,1", "%s,2025-03-01T00:00:00Z,1"])
def test_a_giant_field_of_csv_over_http_costs_its_row(giant: str, row: str) -> None:
    body = f"usage_point,start,kwh\nA,2025-03-01T00:00:00Z,1\n{row.replace('%s', giant)}\n"
    verdicts = decode_csv(body.encode(), SAID, NOW).verdicts
    (verdict,) = verdicts.listed
    assert (verdicts.accepted, verdict.line) == (1, 3)
    assert verdict.value.startswith("1000000")
    assert len(verdict.value) < SHORT


@pytest.mark.parametrize(
    "line", ["kwh=%s 1740830400", "kwh=%si 1740830400", "kwh=1 %s", "f%s=1 1740830400", "kwh=1,f%s=1 1740830400"]
)
def test_a_giant_field_of_a_line_is_told_in_short(giant: str, line: str) -> None:
    body = f"energy,usage_point=A kwh=1 1740830400\nenergy,usage_point=B {line.replace('%s', giant)}"
    (verdict,) = decode_lines(body.encode(), LineMapping(usual_fields()), "s", NOW).verdicts.listed
    assert verdict.line == 2
    assert len(verdict.value) < SHORT
    assert len(verdict.fault.field) < SHORT
