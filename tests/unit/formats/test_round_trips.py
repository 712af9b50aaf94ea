"""What is written in a format is read back: values, instants, reading types, and what its codes tell of quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import UsageError
from gridwright.domain.panel import Panel
from gridwright.domain.quality import PROVISIONAL, Method, Status, pack
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    POWER,
    RECEIVED_ENERGY,
    VOLTAGE,
    Flow,
    Quantity,
    ReadingType,
)
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.cmep.units import LETTER_OF, LETTERS
from gridwright.formats.mscons.codes import QUALIFIER_OF, QUALIFIERS
from gridwright.formats.registry import find_reader, writer_named, writers
from gridwright.formats.source import ReadOptions
from gridwright.formats.writer import QUALITY_OF_WORD, Writer, phase_of, quality_word
from gridwright.ingest import grid_series, merge
from gridwright.ingest.collected import Gridded

REACTIVE = ReadingType(Quantity.REACTIVE_ENERGY, Flow.RECEIVED)
TEXT_FORMATS = ("nem12", "csv", "wide-csv", "parquet", "cmep", "mscons")
ZONES = ("UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York", "Australia/Sydney", "Asia/Kolkata")
# Days on which clocks change somewhere in ZONES, and a plain one.
DAYS = ("2025-03-29", "2025-10-25", "2025-04-05", "2025-10-04", "2025-03-08", "2025-11-01", "2025-07-14")
# Qualities that come with a value; a rejected one has no code in the trade.
METHODS = [method for method in Method if method not in PROVISIONAL]
BYTES = tuple(
    pack(status, method)
    for status in Status
    if status not in {Status.MISSING, Status.REJECTED}
    for method in (METHODS if status in {Status.ESTIMATED, Status.ESTIMATED_FINAL} else (Method.NONE,))
)


def told_by_letter(quality: int) -> int:
    return LETTERS[LETTER_OF[Status(quality & 0x0F)]]


def told_by_qualifier(quality: int) -> int:
    return QUALIFIERS[QUALIFIER_OF[Status(quality & 0x0F)]]


# What each format's codes can tell of a quality.
TOLD = {
    "cmep": told_by_letter,
    "mscons": told_by_qualifier,
}


@dataclass(frozen=True)
class Case:
    panel: Panel
    points: dict[str, UsagePoint]
    zone: str


@st.composite
def cases(draw: st.DrawFn) -> Case:
    zone = draw(st.sampled_from(ZONES))
    minutes = draw(st.sampled_from((5, 15, 30)))
    rows, slots = draw(st.integers(1, 3)), draw(st.integers(2, 3 * 1440 // minutes))
    kind = draw(st.sampled_from((DELIVERED_ENERGY, RECEIVED_ENERGY, REACTIVE, DELIVERED_ENERGY.finer(-3))))
    start = datetime.fromisoformat(draw(st.sampled_from(DAYS))).replace(tzinfo=UTC)
    start += timedelta(minutes=minutes) * draw(st.integers(0, 1440 // minutes))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = random.integers(0, draw(st.sampled_from((2, 3000, 10**9))), (rows, slots)).astype(float)
    values[:, 0] += 1 if kind.exponent == 0 else 1001
    values[random.random(values.shape) < draw(st.sampled_from((0.0, 0.1, 0.9)))] = np.nan
    values[:, 0] = np.nan_to_num(values[:, 0], nan=1001.0)
    chosen = random.choice(np.array(BYTES, np.uint8), values.shape) if draw(st.booleans()) else np.uint8(q.ACTUAL)
    quality = np.where(np.isnan(values), np.uint8(q.MISSING), chosen).astype(np.uint8)
    names = tuple(f"P{number}" for number in range(rows))
    panel = Panel(names, start, timedelta(minutes=minutes), values, quality, kind)
    return Case(panel, {name: UsagePoint(name, zone) for name in names}, zone)


def read_back(data: bytes, name: str = "export", **options: str | int) -> Gridded:
    view = memoryview(data)
    asked = ReadOptions(**options)  # type: ignore[arg-type]
    reader = find_reader(data[: 1 << 16], name, asked)
    dialect = reader.inspect(view, name, asked)
    pieces = [reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect)]
    assert [piece.rejects for piece in pieces if piece.rejects] == []
    return grid_series(merge([series for piece in pieces for series in piece.series]))


def written(writer: Writer, panels: Sequence[Panel], reads: Sequence[RegisterReading], case: Case) -> bytes:
    return b"".join(writer.write(panels, reads, case.points))


def same_meaning(read: ReadingType, kind: ReadingType, *, channels: bool) -> bool:
    plain = read if channels else ReadingType(read.quantity, read.flow, read.accumulation, read.exponent)
    return plain.finer(0) == kind.finer(0)


@pytest.mark.parametrize("name", TEXT_FORMATS)
@settings(max_examples=25, deadline=None)
@given(case=cases())
def test_intervals_come_back(name: str, case: Case) -> None:
    writer = writer_named(name)
    panel = case.panel
    assert writer.why_not(panel.reading_type, panel.interval_s, phase_of(panel)) == ""
    options = {"zone": case.zone} if name == "wide-csv" else {}
    gridded = read_back(written(writer, [panel], [], case), f"export{writer.suffix}", **options)
    told = np.array([TOLD.get(name, int)(byte) for byte in range(256) if byte in BYTES])
    table = dict(zip((byte for byte in range(256) if byte in BYTES), told.tolist(), strict=True))
    for read in gridded.panels:
        assert same_meaning(read.reading_type, panel.reading_type, channels=name in {"csv", "wide-csv", "parquet"})
    for row, point in enumerate(panel.points):
        (read,) = [one for one in gridded.panels if point in one.points]
        mine = read.row(point).rescaled(panel.reading_type.exponent).regrid(panel.period)
        assert np.array_equal(mine.values[0], panel.values[row], equal_nan=True)
        expected = [table.get(byte, q.MISSING) for byte in panel.quality[row].tolist()]
        assert mine.quality[0].tolist() == expected
        outside = read.row(point)
        assert np.nansum(outside.values) == np.nansum(mine.rescaled(read.reading_type.exponent).values)


def test_intervals_of_a_tariffs_counter_stay_intervals_in_mscons() -> None:
    kind = ReadingType(channel="1.8.1")
    panel = Panel(("A",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1), np.full((1, 3), 7.0), reading_type=kind)
    back = read_back(b"".join(writer_named("mscons").write([panel], [], {})), "x.edi")
    assert [(one.reading_type.code, one.values.tolist()) for one in back.panels] == [
        ("electricity/delivered/energy/delta/0/1.29.1", [[7.0, 7.0, 7.0]])
    ]
    assert not back.registers


def test_mscons_tells_short_gaps_and_begins_a_new_message_behind_long_ones() -> None:
    """A day of 2015, and one of 2025 that lacks an hour: ten years of values that are none were written between."""
    start = datetime(2015, 1, 1, tzinfo=UTC)
    values = np.full((2, 10 * 365 * 96), np.nan)
    values[0, 96:192] = values[1, -96:-50] = values[1, -46:] = 7.0
    values[0, -96:] = 9.0
    panel = Panel(("A", "B"), start, timedelta(minutes=15), values)
    data = b"".join(writer_named("mscons").write([panel], [], {}))
    assert (data.count(b"UNH+"), data.count(b"QTY+20:"), data.count(b"QTY+")) == (3, 4, 3 * 96)
    assert data.count(b"DTM+163:201501020000?+00:303'DTM+164:201501030000?+00:303'LIN") == 1
    assert b"UNZ+3+" in data
    panels = read_back(data, "x.edi").panels
    for point, row in (("A", values[0]), ("B", values[1])):
        parts = [one.row(point).regrid(panel.period).values[0] for one in panels if point in one.points]
        assert np.array_equal(np.fmax.reduce(parts), row, equal_nan=True)


def a_register(exponent: int = 0) -> list[RegisterReading]:
    kind = DELIVERED_ENERGY.register().finer(exponent)
    start = datetime(2025, 3, 29, 22, 15, tzinfo=UTC)
    return [
        RegisterReading("P0", start + timedelta(hours=hours), value, "M1", 0, quality, kind)
        for hours, value, quality in ((0, 2_931_567.0, q.ACTUAL), (24, 2_932_046.0, q.ACTUAL), (31, 2_932_047.0, 5))
    ]


@pytest.mark.parametrize("name", ["nem12", "nem13", "csv", "parquet", "cmep", "mscons"])
@pytest.mark.parametrize("exponent", [0, -3])
def test_registers_come_back(name: str, exponent: int) -> None:
    writer, reads = writer_named(name), a_register(exponent)
    case = Case(None, {"P0": UsagePoint("P0", "Europe/Berlin")}, "")  # type: ignore[arg-type]
    (found,) = read_back(written(writer, [], reads, case), f"x{writer.suffix}").registers
    back = list(found)
    factor = 10.0 ** (found.readings.reading_type.exponent - exponent)
    assert [(one.usage_point, one.at, one.value * factor) for one in back] == [
        (one.usage_point, one.at, one.value) for one in reads
    ]
    if name != "nem12":  # a 500 record has no place for a quality
        assert [one.quality for one in back] == [TOLD.get(name, int)(one.quality) for one in reads]


def test_the_suffix_of_a_basic_meter_stays_in_nem13() -> None:
    kind = ReadingType(Quantity.ENERGY, Flow.RECEIVED, exponent=0, channel="11").register()
    reads = [
        RegisterReading("P", datetime(2025, month, 1, tzinfo=UTC), 10.0 * month, "", 0, 1, kind) for month in (1, 2)
    ]
    (found,) = read_back(b"".join(writer_named("nem13").write([], reads, {})), "x.csv").registers
    assert found.readings.reading_type == kind
    lone = read_back(b"".join(writer_named("nem13").write([], reads[:1], {})), "x.csv").registers
    assert [[read.value for read in one] for one in lone] == [[10.0]]


def test_formats_say_what_they_cannot_hold() -> None:
    kind = ReadingType(Quantity.TEMPERATURE, Flow.NONE)
    refusals = {name: writer.why_not(kind, 900, 0) for name, writer in writers().items()}
    assert refusals["csv"] == refusals["parquet"] == ""
    assert all("no " in refusals[name] for name in ("nem12", "nem13", "cmep", "mscons") if name != "nem13")
    assert "register reads only" in refusals["nem13"]
    assert writer_named("nem12").why_not(DELIVERED_ENERGY, 3600, 1800)
    assert writer_named("wide-csv").why_not(DELIVERED_ENERGY, 1200, 0)
    assert writer_named("mscons").why_not(POWER, 900, 0)
    assert writer_named("cmep").why_not(VOLTAGE, 900, 0) == ""
    with pytest.raises(UsageError, match="nothing can be exported as 'pdf'"):
        writer_named("pdf")


@pytest.mark.parametrize("name", ["nem12", "cmep"])
def test_an_id_that_a_format_cannot_quote_is_refused(name: str) -> None:
    panel = Panel(("a,b",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(minutes=30), np.ones((1, 48)))
    with pytest.raises(UsageError, match="has the character ','"):
        list(writer_named(name).write([panel], [], {}))


def test_a_wide_file_refuses_two_zones_and_days_off_its_grid() -> None:
    panel = Panel(("a", "b"), datetime(2025, 1, 1, tzinfo=UTC), timedelta(hours=1), np.ones((2, 48)))
    points = {"a": UsagePoint("a", "Europe/Berlin"), "b": UsagePoint("b", "Asia/Tokyo")}
    wide = writer_named("wide-csv")
    with pytest.raises(UsageError, match=r"no two zones, such as Asia/Tokyo and Europe/Berlin \(up to b\)"):
        list(wide.write([panel], [], points))
    halves = Panel(("c",), panel.start, timedelta(minutes=30), np.ones((1, 48)))
    with pytest.raises(UsageError, match=r"no two interval lengths, such as 60 min and 30 min \(up to c\)"):
        list(wide.write([panel.rows([0]), halves], [], {"a": points["a"], "c": UsagePoint("c", "Europe/Berlin")}))
    with pytest.raises(UsageError, match="Asia/Kolkata do not begin"):
        list(wide.write([panel.rows([0])], [], {"a": UsagePoint("a", "Asia/Kolkata")}))


@pytest.mark.parametrize("name", sorted(writers()))
def test_an_export_of_nothing_is_no_crash(name: str) -> None:
    assert isinstance(b"".join(writer_named(name).write([], [], {})), bytes)


@pytest.mark.parametrize("method", PROVISIONAL)
def test_no_source_says_what_an_unreadable_archive_may_have(method: Method) -> None:
    assert quality_word(pack(Status.RAW, method)) not in QUALITY_OF_WORD
