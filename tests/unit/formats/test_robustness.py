"""Whatever is done to a file of any format: read, or refused with place and reason; never a crash, a hang, a loss."""

from __future__ import annotations

import gzip
import io
import zipfile
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain.errors import InputError
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.container import unwrap
from gridwright.formats.registry import find_reader, writer_named
from gridwright.formats.source import Decoded, ReadOptions
from gridwright.ingest import Tally, grid_series, merge

FORMATS = ("nem12", "csv", "wide-csv", "cmep", "mscons")
POINTS, SLOTS = 3, 96
NOW = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


@cache
def sample(name: str) -> bytes:
    """Return a small file of a format: three usage points, a day of quarter-hours each."""
    values = np.random.default_rng(6).integers(1, 3000, (POINTS, SLOTS)).astype(float)
    start = datetime(2025, 3, 1, tzinfo=UTC)
    panel = Panel(tuple(f"P{row}" for row in range(POINTS)), start, timedelta(minutes=15), values)
    points = {point: UsagePoint(point) for point in panel.points}
    return b"".join(writer_named(name).write([panel], [], points))


def read(data: bytes, name: str = "a.csv") -> tuple[list[Decoded], Tally]:
    """Read a file as the import does, and lay it on grids."""
    view = memoryview(data)
    reader = find_reader(data[: 1 << 16], name, ReadOptions())
    dialect = reader.inspect(view, name, ReadOptions())
    pieces = [reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect)]
    gridded = grid_series(merge([one for piece in pieces for one in piece.series]), not_after=NOW)
    return pieces, gridded.tally


def accounted(pieces: list[Decoded], tally: Tally) -> int:
    """Return how many readings were taken, refused or dropped: what came in must be among them."""
    return (
        tally.accepted
        + tally.missing
        + tally.rejected
        + tally.repeated
        + tally.conflicting
        + sum(piece.rejected for piece in pieces)
    )


def told(pieces: list[Decoded], tally: Tally) -> bool:
    """Tell whether anything was said: a reject, a note, a conflict."""
    return bool(
        tally.listed or tally.notes or tally.conflicting or any(piece.rejects or piece.notes for piece in pieces)
    )


@pytest.mark.parametrize("name", FORMATS)
def test_the_sample_is_whole(name: str) -> None:
    pieces, tally = read(sample(name))
    assert tally.accepted == POINTS * SLOTS
    assert [reject for piece in pieces for reject in piece.rejects] == []


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_one_wrong_byte(name: str, data: st.DataObject) -> None:
    """A reading may change its value with the byte; none goes without a word."""
    text = bytearray(sample(name))
    text[data.draw(st.integers(0, len(text) - 1))] = data.draw(st.integers(0, 255))
    try:
        pieces, tally = read(bytes(text))
    except InputError:
        return
    for piece in pieces:
        assert all(reject.reason and reject.line >= 0 for reject in piece.rejects)
    if accounted(pieces, tally) < POINTS * SLOTS:
        assert told(pieces, tally) or name in {"csv", "wide-csv"}


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_cut_off_anywhere(name: str, data: st.DataObject) -> None:
    """What stands before the cut is kept; a record that was cut through is told."""
    text = sample(name)
    end = data.draw(st.integers(1, len(text) - 1))
    try:
        pieces, tally = read(text[:end])
    except InputError:
        return
    assert tally.accepted <= POINTS * SLOTS
    if name == "mscons":
        assert any("UNZ" in note for piece in pieces for note in piece.notes)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=20, deadline=None)
@given(piece=st.binary(max_size=60), data=st.data())
def test_bytes_put_in_anywhere(name: str, piece: bytes, data: st.DataObject) -> None:
    text = sample(name)
    at = data.draw(st.integers(0, len(text)))
    with suppress(InputError):
        read(text[:at] + piece + text[at:])


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("giant", [b"9" * 300_000, b"x" * 300_000, b"," * 100_000, b"+" * 100_000, b"?" * 100_000])
def test_a_giant_field(name: str, giant: bytes) -> None:
    text = sample(name)
    at = text.index(b"P1") + 2
    try:
        pieces, tally = read(text[:at] + giant + text[at:])
    except InputError:
        return
    for piece in pieces:
        assert all(len(reject.reason) < 2000 for reject in piece.rejects)
    assert tally.accepted <= POINTS * SLOTS


VALUES = {
    "nan": None,
    "inf": None,
    "-inf": None,
    "1e400": None,
    "0x10": None,
    "1_000": None,
    "-0": 0.0,
    "\uff11\uff12": None,
}


@pytest.mark.parametrize("text", VALUES)
def test_values_that_are_no_numbers(text: str) -> None:
    """NaN is no value, infinity and other spellings are refused with line and value, minus zero is zero."""
    line = f"MEPMD01,20080501,S,,,P,202503020000,P,OK,E,KWH,1,00000015,2,202503010015,R0,{text},202503010030,R0,1.000\n"
    (series,) = read(line.encode())[0][0].series
    mscons = (
        "UNB+UNOC:3+A+B+250301:0000+1'UNH+1+MSCONS:D:04B:UN:2.4c'UNS+D'NAD+DP'LOC+172+P'LIN+1'PIA+5+1-1?:1.29.0:SRW'"
        f"QTY+220:{text}'DTM+163:202503010000?+00:303'DTM+164:202503010015?+00:303'"
        "QTY+220:1.000'DTM+163:202503010015?+00:303'DTM+164:202503010030?+00:303'UNT+13+1'UNZ+1+1'"
    )
    rows = "".join(f"P,2025-03-01 {slot // 4:02d}:{slot % 4 * 15:02d},1.000\n" for slot in range(1, 20))
    for content in (line, mscons, f"meter,start,kWh\nP,2025-03-01 00:00,{text}\n{rows}"):
        pieces, _ = read(content.encode("utf-8"))
        values = [value for piece in pieces for one in piece.series for value in one.value.tolist()]
        assert np.isfinite([value for value in values if value == value]).all()  # noqa: PLR0124 - not NaN
        assert 1000.0 in values
        if VALUES[text] is not None:
            assert values[0] == 0.0
            assert not np.signbit(values[0])
        elif text != "nan":
            (reject,) = [reject for piece in pieces for reject in piece.rejects]
            assert reject.line in {1, 2, 8}
    assert series.interval_s == 900


@pytest.mark.parametrize(
    ("stamp", "taken"),
    [
        ("200003010015", True),
        ("160003010015", False),
        ("239912310015", False),
        ("999912310015", False),
        ("000001010015", False),
    ],
)
def test_ancient_and_future_dates(stamp: str, taken: bool) -> None:
    """A time that no calendar here has is refused by its place, one in the future or long ago by ingest."""
    line = f"MEPMD01,1,S,,,P,,P,OK,E,KWH,1,00000015,2,{stamp},R0,1.000,202503010030,R0,1.000\n"
    pieces, tally = read(line.encode())
    refused = tally.rejected + sum(piece.rejected for piece in pieces)
    assert (refused == 0) == taken
    assert accounted(pieces, tally) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_twice_with_other_values_contradicts_itself(name: str) -> None:
    """The same intervals again, one of them with another value: both are listed, one is kept."""
    if name == "mscons":
        second = sample(name).replace(b"UNZ+3+1'", b"").split(b"UNH+1+", 1)[1]
        text = sample(name).replace(b"UNZ+3+1'", b"") + b"UNH+1+" + second.replace(b"QTY+46:", b"QTY+46:1", 1)
    else:
        lines = sample(name).splitlines(keepends=True)
        body = [line for line in lines if line[:4] not in {b"100,", b"900\n"} and not line.startswith(b"usage_point")]
        last = len(body) - 1 if name != "nem12" else max(at for at, one in enumerate(body) if one.startswith(b"300"))
        changed = body[last].replace(b",2.", b",9.", 1)
        assert changed != body[last]
        tail = [line for line in lines if line.startswith(b"900")]
        text = b"".join([*lines[: len(lines) - len(tail)], *body[:last], changed, *body[last + 1 :], *tail])
    pieces, tally = read(text)
    assert tally.accepted == POINTS * SLOTS
    assert tally.conflicting >= 1
    assert tally.repeated + tally.conflicting >= POINTS * SLOTS
    assert sum(reject.conflict for reject in tally.listed) == tally.conflicting
    assert [reject for piece in pieces for reject in piece.rejects] == []


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "cp1252", "gb18030", "utf-8-sig"])
def test_encodings(encoding: str) -> None:
    """CSV takes any of them; the formats that are ASCII by their standard refuse or read them, and never crash."""
    for name in FORMATS:
        # One high byte alone would be taken for damage.
        first, second = ("户", "表") if encoding == "gb18030" else ("Pü", "Pö")
        data = sample(name).decode().replace("P1", first).replace("P2", second).encode(encoding, "replace")
        if encoding.startswith("utf-16") and name not in {"csv", "wide-csv"}:
            with pytest.raises(InputError):
                read(data)
        else:
            assert read(data)[1].accepted == POINTS * SLOTS


@pytest.mark.parametrize("pack", ["zip", "gz", "nested"])
def test_a_bomb_is_noticed_before_it_fills_the_memory(pack: str) -> None:
    zeros = b"0" * (64 << 20)
    if pack == "gz":
        bomb = gzip.compress(zeros)
    else:
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.csv", zeros)
        bomb = sink.getvalue()
    if pack == "nested":
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("inner.zip", bomb)
        bomb = sink.getvalue()
    with pytest.raises(InputError, match="unpacks to more than"):
        unwrap(memoryview(bomb), "bomb.zip")
