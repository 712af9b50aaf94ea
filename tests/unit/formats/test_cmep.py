"""CMEP as it comes: the worked case C1, units, stamps that are left out, local time, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import UnreadableFile
from gridwright.domain.reading_type import Accumulation, Flow, Quantity
from gridwright.formats.cmep import CMEP, CmepReader
from gridwright.formats.source import Decoded, ReadOptions

# Worked case C1 of the catalogue: 24 hours of a water meter in cubic feet, and its register at both ends.
C1 = (8, 9, 6, 8, 7, 10, 27, 35, 27, 23, 25, 20, 22, 12, 8, 20, 16, 28, 23, 31, 53, 28, 20, 13)
FIRST = datetime(2026, 6, 2, 8, tzinfo=UTC)
CUBIC_FOOT = 0.028316846592


def record(triplets: str, unit: str = "KWH", **other: str) -> str:
    """Return a record; `triplets`: the fields behind the header."""
    commodity, constant = other.get("commodity", "E"), other.get("constant", "1.0")
    length, count = other.get("length", "00000100"), other.get("count", str(len(triplets.split(",")) // 3))
    point = other.get("point", "M1")
    head = f"MEPMD01,20080501,SYS,UTIL:1,42,{point},202606031515,{point},OK,{commodity},{unit},{constant}"
    return f"{head},{length},{count},{triplets}"


def series(values: tuple[int, ...]) -> str:
    return ",".join(f"{FIRST + timedelta(hours=hour):%Y%m%d%H%M},R0,{value}" for hour, value in enumerate(values))


def read(*lines: str, reader: CmepReader = CMEP, **options: Any) -> Decoded:  # noqa: ANN401 - any option
    data = memoryview(("\r\n".join(lines) + "\r\n").encode())
    dialect = reader.inspect(data, "a.cmep", ReadOptions(**options))
    pieces = [reader.decode(data, chunk, dialect) for chunk in reader.chunks(data, dialect)]
    if len(pieces) == 1:
        return pieces[0]
    return Decoded(
        sum(piece.records for piece in pieces),
        tuple(one for piece in pieces for one in piece.series),
        tuple(reject for piece in pieces for reject in piece.rejects),
    )


def test_case_c1_the_day_adds_up_to_its_register() -> None:
    register = "202606020700,R0,2931567,202606030700,R0,2932046"
    decoded = read(record(series(C1), "CF", commodity="W"), record(register, "CFREG", commodity="W"))
    day, reads = decoded.series
    assert decoded.rejects == ()
    assert (day.reading_type.quantity, day.reading_type.commodity, day.interval_s) == (Quantity.VOLUME, "water", 3600)
    assert reads.reading_type.accumulation is Accumulation.CUMULATIVE
    assert reads.devices == ("M1",)
    used = day.value.sum() * 1e-9 / CUBIC_FOOT
    assert round(used, 6) == 479
    assert abs(day.value.sum() - np.diff(reads.value)[0]) <= len(C1)  # mm³: each value is rounded once
    assert np.rint(day.value * 1e-9 / CUBIC_FOOT).tolist() == list(C1)
    assert day.at[0] == FIRST.timestamp() - 3600  # the stamp ends its hour
    assert reads.at.tolist() == [FIRST.timestamp() - 3600, FIRST.timestamp() + 23 * 3600]
    assert set(day.quality.tolist()) == {q.RAW}


@pytest.mark.parametrize(
    ("unit", "quantity", "flow", "counts"),
    [
        ("KWH", Quantity.ENERGY, Flow.DELIVERED, 1500.0),
        ("gkwh", Quantity.ENERGY, Flow.RECEIVED, 1500.0),
        ("NKWH", Quantity.ENERGY, Flow.NET, 1500.0),
        ("SKWH", Quantity.ENERGY, Flow.NONE, 1500.0),
        ("MWH", Quantity.ENERGY, Flow.DELIVERED, 1_500_000.0),
        ("KVARH", Quantity.REACTIVE_ENERGY, Flow.DELIVERED, 1500.0),
        ("KW", Quantity.POWER, Flow.DELIVERED, 1500.0),
        ("V", Quantity.VOLTAGE, Flow.NONE, 15.0),
        ("M3", Quantity.VOLUME, Flow.DELIVERED, 1500.0),
        ("GAL", Quantity.VOLUME, Flow.DELIVERED, 5_678_118.0),
    ],
)
def test_units_and_directions(unit: str, quantity: Quantity, flow: Flow, counts: float) -> None:
    (one,) = read(record("202606020800,V0,1.5", unit)).series
    assert (one.reading_type.quantity, one.reading_type.flow) == (quantity, flow)
    assert one.value.tolist() == [counts]
    assert one.quality.tolist() == [q.ACTUAL]


def test_qualities_constants_and_missing_values() -> None:
    triplets = "202606020800,A1,1,202606020900,e0,2,202606021000,N0,,202606021100,,4,202606021200,R0,"
    (one,) = read(record(triplets, constant="40")).series
    np.testing.assert_array_equal(one.value, [40_000, 80_000, np.nan, 160_000, np.nan])
    estimated, edited = int(q.Status.ESTIMATED), int(q.Status.EDITED)
    assert one.quality.tolist() == [edited, estimated, q.MISSING, q.RAW, q.MISSING]


def test_a_stamp_that_is_left_out_counts_on() -> None:
    (one,) = read(record("202606020800,R0,1,,R0,2,,R0,3,202606021200,R0,4", length="00000015")).series
    assert np.diff(one.at).tolist() == [900, 900, 3 * 3600 + 1800]
    decoded = read(record(",R0,1,202606020800,R0,2"))
    assert [reject.reason for reject in decoded.rejects] == ["reading 1: '' is no time yyyymmddhhmm"]


def test_local_time_with_both_clock_changes() -> None:
    """Hour-ending stamps of New York: in autumn 2:00 comes twice, or 1:00 where the clock is asked; spring skips."""
    autumn = "202511020100,R0,1,202511020200,R0,2,202511020200,R0,3,202511020300,R0,4"
    (one,) = read(record(autumn), zone="America/New_York").series
    assert np.diff(one.at).tolist() == [3600] * 3
    by_clock = "202511020100,R0,1,202511020100,R0,2,202511020200,R0,3,202511020300,R0,4"
    (one,) = read(record(by_clock), zone="America/New_York").series
    assert np.diff(one.at).tolist() == [3600] * 3
    quarter = ",".join(f"2025110201{minute:02d},R0,1" for minute in (0, 15, 30, 45, 0, 15, 30, 45))
    (one,) = read(record(quarter, length="00000015"), zone="America/New_York").series
    assert np.diff(one.at).tolist() == [900] * 7
    decoded = read(record("202503090130,R0,1,202503090230,R0,2"), zone="America/New_York")
    assert "the clock skips it" in decoded.rejects[0].reason
    assert decoded.series[0].size == 1


@pytest.mark.parametrize(
    ("line", "reason", "value"),
    [
        (record("202606020800,R0,1", count="2"), "field 14 tells 2 readings, but 3 fields follow", "2"),
        (record("202606020800,R0"), "field 14 tells 0 readings, but 2 fields follow", "0"),
        (record("202606020800,R0,1", "FURLONGS"), "unit 'FURLONGS' in field 11 is none we read", "FURLONGS"),
        (record("202606020800,R0,1", "REG"), "unit 'REG' in field 11 is none we read", "REG"),
        (record("202606020800,R0,1", constant="0"), "constant '0' in field 12 is no number above 0", "0"),
        (record("202606020800,R0,1", constant="nan"), "constant 'nan' in field 12 is no number above 0", "nan"),
        (record("202606020800,R0,1", length="01000000"), "interval '01000000' in field 13", "01000000"),
        (record("202606020800,R0,1", point=""), "no meter id in field 8", ""),
        ("MEPMD02,20080501,a,b,c", "record type 'MEPMD02' (time-of-use totals", "MEPMD02"),
        ("MLA01,x", "record type 'MLA01' (meter alarms)", "MLA01"),
        ("MEPMD01,20080501", "2 fields where a record has at least 14", ""),
        (record("202606310800,R0,1"), "reading 1: '202606310800' is no time", "202606310800"),
        (record("202606020800,X9,1"), "reading 1: 'X9' is no quality we know", "X9"),
        (record("202606020800,R0,1.2.3"), "reading 1: '1.2.3' is no number", "1.2.3"),
    ],
)
def test_what_is_refused_names_its_line_and_value_and_costs_nothing_else(line: str, reason: str, value: str) -> None:
    decoded = read(record("202606020800,R0,1"), line, "", record("202606020900,R0,2"))
    assert [(reject.line, reject.value) for reject in decoded.rejects] == [(2, value)]
    assert decoded.rejects[0].reason.startswith(reason)
    assert sum(int(np.isfinite(one.value).sum()) for one in decoded.series) == 2
    assert decoded.rejected == 1


def test_pieces_hold_whole_records_and_know_their_lines() -> None:
    lines = [record(series(C1), point=f"M{number}") for number in range(20)]
    lines[13] = lines[13].replace("MEPMD01", "MEPXX99")
    whole, pieces = read(*lines), read(*lines, reader=CmepReader(chunk_bytes=1000))
    assert whole.rejects == pieces.rejects
    assert [reject.line for reject in pieces.rejects] == [14]
    assert sum(one.size for one in pieces.series) == sum(one.size for one in whole.series) == 19 * 24


def test_what_is_no_cmep_is_refused_as_a_file() -> None:
    with pytest.raises(UnreadableFile, match="no MEPMD01 record"):
        read("MLA01,20080501,x")
    with pytest.raises(UnreadableFile, match="binary or UTF-16"):
        CMEP.inspect(memoryview(record("x").encode("utf-16")), "a", ReadOptions())
    assert CMEP.recognises(b"meter,time,kWh\nMEPMD01x,2025,1\n", "a.cmep") == 0.0


def test_which_days_are_counted_is_told() -> None:
    told = {
        one.what: one.value
        for one in CMEP.inspect(memoryview(record(series(C1)).encode()), "a", ReadOptions()).evidence
    }
    assert told["zone"] == "UTC"


@pytest.mark.parametrize(
    ("volts", "exponent", "counts"),
    [("230.1", -1, 2301), ("230.12", -2, 23012), ("230.123", -3, 230123), ("230", -1, 2300)],
)
def test_voltage_is_as_fine_as_it_is_written_whatever_energy_is(volts: str, exponent: int, counts: int) -> None:
    """Beside energy of three decimals a second series of voltage was opened."""
    alone = read(record(f"202606020700,R0,{volts}", "V"))
    beside = read(record(f"202606020700,R0,{volts}", "V"), record("202606020700,R0,0.125", "KWH"))
    for decoded in (alone, beside):
        voltage = decoded.series[0]
        assert (voltage.reading_type.code, voltage.value.tolist()) == (
            f"electricity/none/voltage/instantaneous/{exponent}",
            [counts],
        )
    assert beside.series[1].reading_type.code == "electricity/delivered/energy/delta/0"
