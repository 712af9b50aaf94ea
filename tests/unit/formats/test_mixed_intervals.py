"""A table that holds readings before and after a meter exchange to another interval length."""

from __future__ import annotations

from collections.abc import Container, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.reading_type import DELIVERED_REGISTER, Accumulation
from gridwright.formats.csv_split import cut
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.read_file import read_file
from tests.unit.formats.csv_reading import READER, read

START = datetime(2025, 3, 11, tzinfo=UTC)
STAMP = "%Y-%m-%dT%H:%M:%SZ"
LENGTHS = [timedelta(hours=1)] * 12 + [timedelta(minutes=15)] * 144


def rows(*, ends: bool) -> str:
    at, lines = START, ["usage_point,start,end,kwh" if ends else "usage_point,start,kwh"]
    for length in LENGTHS:
        stamps = [at, at + length] if ends else [at]
        lines.append(",".join(["UP-1", *(stamp.strftime(STAMP) for stamp in stamps), "1.0"]))
        at += length
    return "\n".join(lines) + "\n"


def test_rows_with_start_and_end_tell_their_length(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text(rows(ends=True), encoding="utf-8")
    panels = {panel.interval: panel for panel in read_file(path).panels}
    assert {interval: int(np.isfinite(panel.values).sum()) for interval, panel in panels.items()} == {
        LENGTHS[0]: 12,
        LENGTHS[-1]: 144,
    }


def starts_by_length(text: str) -> dict[int, list[int]]:
    """Return when the intervals of each length begin, by the length in minutes."""
    found: dict[int, list[int]] = {}
    for piece in read(text).pieces:
        for one in piece.series:
            found.setdefault(one.interval_s // 60, []).extend(sorted(one.at.tolist()))
    return found


def stamped(
    lengths: Sequence[int], *, ends: bool = False, points: Sequence[str] = ("UP-1",), skip: Container[int] = ()
) -> str:
    """Write rows of these lengths in minutes one after the other, with one stamp each; some are left out."""
    lines = [f"usage_point,{'end' if ends else 'start'},kwh"]
    for point in points:
        at = START
        for row, minutes in enumerate(lengths):
            stamp = at + timedelta(minutes=minutes) if ends else at
            if row not in skip:
                lines.append(f"{point},{stamp.strftime(STAMP)},1.{row * 37 % 1000:03d}")
            at += timedelta(minutes=minutes)
    return "\n".join(lines) + "\n"


def expected(lengths: Sequence[int]) -> dict[int, list[int]]:
    at, found = int(START.timestamp()), dict[int, list[int]]()
    for minutes in lengths:
        found.setdefault(minutes, []).append(at)
        at += minutes * 60
    return found


@pytest.mark.parametrize("ends", [False, True], ids=["starts", "ends"])
@pytest.mark.parametrize(
    "lengths",
    [
        [60] * 12 + [15] * 144,
        [15] * 144 + [60] * 12,
        [60] * 30 + [15] * 20 + [60] * 30,
        [30] * 48 + [5] * 90 + [15] * 40,
    ],
    ids=["shorter", "longer", "there and back", "three"],
)
def test_each_stretch_is_read_at_its_own_length(lengths: list[int], ends: bool) -> None:
    """A row's stamp and its neighbours' tell, whichever end of the interval it is."""
    assert starts_by_length(stamped(lengths, ends=ends)) == expected(lengths)


def test_the_evidence_names_the_stretches_and_an_option_overrules_them() -> None:
    text = stamped([60] * 12 + [15] * 144)
    (told,) = [each.because for each in read(text).dialect.evidence if each.what == "interval"]
    assert "12 in a row are of 60 min" in told
    assert "each stretch is read at its own length" in told
    assert set(starts_by_length(text)) == {15, 60}
    alike = read(text, interval_minutes=15)
    assert {one.interval_s for piece in alike.pieces for one in piece.series} == {900}


def test_gaps_make_no_longer_interval() -> None:
    """A few missing rows are gaps, even several of the same width; so is one at the end."""
    lengths = [15] * 200
    skip = {50, 51, 52, 60, 61, 62, 64, 65, 66, 196, 197, 198}
    found = starts_by_length(stamped(lengths, skip=skip))
    assert found == {15: [at for row, at in enumerate(expected(lengths)[15]) if row not in skip]}


def test_a_row_that_may_belong_to_either_stretch_is_refused_with_the_reason() -> None:
    """Before a hole between stretches nobody can say how long the last interval was."""
    lengths = [15] * 100 + [60] * 40
    result = read(stamped(lengths, skip={100, 101, 102}))
    (reject,) = [reject for piece in result.pieces for reject in piece.rejects]
    assert reject.line == 101
    assert reject.value == "2025-03-12T00:45:00Z"
    assert "its interval may be of 15 or 60 minutes" in reject.reason
    assert "a start and an end" in reject.remedy
    counts = {
        length: len(starts) for length, starts in starts_by_length(stamped(lengths, skip={100, 101, 102})).items()
    }
    assert counts == {15: 99, 60: 37}


def test_each_usage_point_has_stretches_of_its_own() -> None:
    """One meter was exchanged; its neighbour's hours stay hours, and one row alone has the usual length."""
    changed, hourly = stamped([60] * 12 + [15] * 96), stamped([60] * 36, points=["UP-2"]).partition("\n")[2]
    alone = "UP-3,2025-03-11T00:00:00Z,1.0\n"
    found: dict[tuple[str, int], int] = {}
    for piece in read(changed + hourly + alone).pieces:
        for one in piece.series:
            for code in one.point.tolist():
                found[one.points[code], one.interval_s // 60] = (
                    found.get((one.points[code], one.interval_s // 60), 0) + 1
                )
    assert found == {("UP-1", 60): 12, ("UP-1", 15): 96, ("UP-2", 60): 36, ("UP-3", 15): 1}


@given(
    st.lists(st.tuples(st.sampled_from([5, 15, 30, 60]), st.integers(12, 60)), min_size=1, max_size=4),
    st.booleans(),
    st.sampled_from([300, 1000, 1 << 20]),
)
def test_energy_and_time_are_kept_whatever_the_stretches(
    stretches: list[tuple[int, int]], ends: bool, size: int
) -> None:
    """No two intervals of a file of stretches overlap, and none is lost without a word, in pieces of any size."""
    lengths = [minutes for minutes, count in stretches for _ in range(count)]
    data = memoryview(stamped(lengths, ends=ends).encode())
    dialect = READER.inspect(data, "a.csv", ReadOptions())
    pieces = [READER.decode(data, chunk, dialect) for chunk in cut(data, dialect.framing, size=size)]
    taken = sorted((at, one.interval_s) for piece in pieces for one in piece.series for at in one.at.tolist())
    assert len(taken) + sum(piece.rejected for piece in pieces) == len(lengths)
    if size > len(data):
        wanted = sorted((at, minutes * 60) for minutes, starts in expected(lengths).items() for at in starts)
        assert taken == wanted


def test_a_register_beside_intervals_stands_at_its_stamp() -> None:
    rows = "".join(
        f"P,{(START + timedelta(minutes=15 * row)).strftime(STAMP)},1.0,{100 + row}.0\n" for row in range(1, 200)
    )
    text = "usage_point,end,kwh,register_kwh\n" + rows
    kinds = {one.reading_type.accumulation: one for piece in read(text).pieces for one in piece.series}
    first = int(START.timestamp()) + 900
    assert int(kinds[Accumulation.CUMULATIVE].at[0]) == first
    assert int(kinds[Accumulation.DELTA].at[0]) == first - 900


@pytest.mark.parametrize(("columns", "code"), [("kwh", ""), ("register,value", f"{DELIVERED_REGISTER.code},")])
def test_register_reads_have_no_length_and_none_is_refused_between_two_stretches(columns: str, code: str) -> None:
    """Half-hours, reads seven minutes apart, and hours: each is of its instant."""
    at, lines = START, [f"usage_point,time,{columns}"]
    for row, minutes in enumerate([30] * 10 + [7] * 10 + [11] + [60] * 10):
        lines.append(f"UP-1,{at.strftime(STAMP)},{code}{row}")
        at += timedelta(minutes=minutes)
    found = read("\n".join(lines) + "\n", kind="" if code else "cumulative")
    assert found.rejects == []
    assert found.only.reading_type.accumulation is Accumulation.CUMULATIVE
    assert found.only.size == len(lines) - 1
