from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError, UnknownFormat, UnreadableFile
from gridwright.domain.interval import parse_instant, zone_of
from gridwright.domain.reading_type import Accumulation, Flow, Quantity
from gridwright.domain.readings import Readings
from gridwright.domain.verdict import Evidence, Reject
from gridwright.formats.nem12 import NEM12, Nem12Reader
from gridwright.formats.source import Chunk, Decoded, ReadOptions

HEADER = "100,NEM12,202501010000,MDP1,RET1"
CHANNEL = "200,NMI0000001,E1B1,E1,E1,N1,METER1,kWh,30,"


def day(values: list[str] | None = None, *, on: str = "20250101", quality: str = "A") -> str:
    numbers = values if values is not None else [f"{slot / 1000:.3f}" for slot in range(48)]
    return f"300,{on},{','.join(numbers)},{quality},,,20250102000000,"


def updated(values: str, stamp: str, *, quality: str = "A", on: str = "20250101", slots: int = 48) -> str:
    return f"300,{on},{','.join([values] * slots)},{quality},,,{stamp},"


@pytest.mark.parametrize("later_first", [True, False])
@pytest.mark.parametrize(("older", "newer"), [("20250102000000", "20250103000000"), ("20250102", "202501020001")])
@pytest.mark.parametrize("quality", ["A", "S17", "V"])
def test_of_two_versions_of_a_day_the_one_updated_last_counts(
    later_first: bool, older: str, newer: str, quality: str
) -> None:
    """AEMO MDFF, record 300: whatever the order of the records, and also a substitute for what was actual."""
    ranges = ("400,1,24,S17,,", "400,25,48,E52,,") if quality == "V" else ()
    first, second = (updated("0.5", older), "400,1,48,A,,"), (updated("0.7", newer, quality=quality), *ranges)
    versions = (*second, *first) if later_first else (*first, *second)
    taken = read(text(CHANNEL, updated("0.1", "20250101", on="20241231"), *versions, CHANNEL.replace("E1,E1", "E1,E2")))
    assert taken.only.value.tolist() == [100.0] * 48 + [700.0] * 48
    assert taken.decoded.records == 96
    assert [each.record for each in taken.rejects] == []
    (note,) = taken.decoded.notes
    assert "1 days are here in a later version by their UpdateDateTime, which is taken" in note
    assert "the first is 20250101 of NMI0000001, line" in note


@pytest.mark.parametrize("damage", ["quality", "values", "few"])
def test_a_later_version_that_cannot_be_read_leaves_the_earlier_one(damage: str) -> None:
    later = updated("0.2", "20250103")
    broken = {
        "quality": later.replace(",A,", ",Z,"),
        "values": later.replace("0.2", "0.2x"),
        "few": later.replace(",0.2", "", 1),
    }[damage]
    for records in ([updated("0.5", "20250102"), broken], [broken, updated("0.5", "20250102")]):
        taken = read(text(CHANNEL, updated("0.4", "20250101"), *records))
        assert taken.only.value.tolist() == [500.0] * 48
        assert (taken.decoded.records, taken.decoded.rejected) == (96, 48)
        told = [note for note in taken.decoded.notes if "cannot be read" in note]
        assert len(told) == (damage != "few"), "the stamp of a record that lacks values is not where it belongs"


def test_what_cannot_be_read_of_a_later_version_is_taken_from_the_earlier_ones() -> None:
    last = updated("0.2", "20250103").replace(",0.2,", ",0.2x,", 2).replace(",0.2x,0.2x,", ",0.2x,0.2y,")
    middle = updated("0.5", "20250102").replace(",0.5,", ",0.5x,", 1)
    taken = read(text(CHANNEL, updated("0.4", "20250101"), last, middle))
    assert taken.only.value.tolist() == [400.0, 200.0, 500.0] + [200.0] * 45
    assert (taken.decoded.records, taken.decoded.rejected) == (50, 2)
    (note,) = taken.decoded.notes
    assert note.startswith("2 values of later versions of days cannot be read, those of an earlier one are taken")
    assert "the first is 20250101 of NMI0000001, line 4" in note


def test_versions_of_another_channel_length_or_block() -> None:
    fine = CHANNEL.replace("kWh,30", "kWh,15")
    taken = read(text(CHANNEL, updated("0.5", "20250102"), fine, updated("0.2", "20250103", slots=96)))
    assert taken.only.value.tolist() == [200.0] * 96
    other = CHANNEL.replace("E1,E1", "E2,E2")
    taken = read(text(CHANNEL, updated("0.5", "20250102"), other, updated("0.2", "20250103")))
    assert sum(part.size for part in taken.decoded.series) == 96
    assert taken.decoded.notes == ()


@pytest.mark.parametrize("stamps", [("", "20250103000000"), ("20250103", "20250103000000"), ("2025-01-03", "20250103")])
def test_versions_of_which_nothing_tells_the_later_all_stay(stamps: tuple[str, str]) -> None:
    taken = read(text(CHANNEL, *(updated("0.5", stamp) for stamp in stamps)))
    assert taken.only.size == 96
    assert taken.decoded.notes == ()


def test_a_read_that_ends_one_record_and_begins_the_next_is_one() -> None:
    def record(before: tuple[str, str], after: tuple[str, str]) -> str:
        (old, since), (new, until) = before, after
        return f"250,NMI1,11,1,11,11,M1,E,{old},{since},A,,,{new},{until},A,,,1,kWh,,"

    reads = [("100", "20250101"), ("200", "20250201"), ("300", "20250301"), ("300", "20250301")]
    records = [record(*pair) for pair in itertools.pairwise(reads[:3])]
    taken = read(f"100,NEM13,202501101030,MDA1,Ret1\n{chr(10).join(records)}\n900\n".encode())
    assert taken.only.value.tolist() == [100_000.0, 200_000.0, 300_000.0]
    assert taken.decoded.records == 3
    twice = "\n".join([records[0], records[0]])
    assert read(f"100,NEM13,202501101030,MDA1,Ret1\n{twice}\n900\n".encode()).only.size == 4, "a record sent twice"


def text(*records: str) -> bytes:
    return "\n".join([HEADER, *records, "900", ""]).encode()


@dataclass(frozen=True)
class Taken:
    decoded: Decoded
    evidence: tuple[Evidence, ...]

    @property
    def rejects(self) -> tuple[Reject, ...]:
        return self.decoded.rejects

    @property
    def only(self) -> Readings:
        (series,) = self.decoded.series
        return series


def read(data: bytes, options: ReadOptions | None = None) -> Taken:
    dialect = NEM12.inspect(memoryview(data), "meter.csv", options or ReadOptions())
    (chunk,) = NEM12.chunks(memoryview(data), dialect)
    return Taken(NEM12.decode(memoryview(data), chunk, dialect), dialect.evidence)


def test_a_day_becomes_readings_in_market_time() -> None:
    taken = read(text(CHANNEL, day()))
    series = taken.only
    assert series.points == ("NMI0000001",)
    assert series.interval_s == 1800
    assert (series.reading_type.flow, series.reading_type.channel) == (Flow.DELIVERED, "E1")
    assert series.value.tolist() == [float(slot) for slot in range(48)]
    first = parse_instant("2025-01-01T00:00+10:00", zone_of("UTC")).timestamp()
    assert series.at.tolist() == [first + 1800 * slot for slot in range(48)]
    assert set(series.quality.tolist()) == {q.ACTUAL}
    assert set(series.line.tolist()) == {3}
    assert taken.decoded.records == 48
    assert taken.decoded.zones == {"NMI0000001": "Australia/Brisbane"}
    assert taken.rejects == ()


@pytest.mark.parametrize(
    ("unit", "quantity", "factor"),
    [
        ("kWh", Quantity.ENERGY, 1000),
        ("KWH", Quantity.ENERGY, 1000),
        ("wh", Quantity.ENERGY, 1),
        ("mwh", Quantity.ENERGY, 1_000_000),
        ("kVArh", Quantity.REACTIVE_ENERGY, 1000),
        ("VARH", Quantity.REACTIVE_ENERGY, 1),
        ("kVAh", Quantity.APPARENT_ENERGY, 1000),
        ("kW", Quantity.POWER, 1000),
        ("kvar", Quantity.REACTIVE_POWER, 1000),
        ("V", Quantity.VOLTAGE, 10),
        ("A", Quantity.CURRENT, 100),
    ],
)
def test_units_are_compared_without_case(unit: str, quantity: Quantity, factor: int) -> None:
    series = read(text(CHANNEL.replace("kWh", unit), day(["2"] * 48))).only
    assert series.reading_type.quantity is quantity
    assert set(series.value.tolist()) == {2 * factor}


@pytest.mark.parametrize("minutes", [5, 10, 15, 30])
def test_interval_lengths(minutes: int) -> None:
    slots = 1440 // minutes
    series = read(text(CHANNEL.replace(",30,", f",{minutes},"), day(["1"] * slots))).only
    assert (series.interval_s, series.size) == (minutes * 60, slots)


@pytest.mark.parametrize(
    ("suffix", "flow"),
    [("E1", Flow.DELIVERED), ("B1", Flow.RECEIVED), ("Q2", Flow.DELIVERED), ("K1", Flow.RECEIVED), ("N1", Flow.NET)],
)
def test_the_suffix_tells_the_direction(suffix: str, flow: Flow) -> None:
    kind = read(text(f"200,NMI1,{suffix},1,{suffix},,M,kWh,30,", day())).only.reading_type
    assert (kind.flow, kind.channel) == (flow, suffix)


def test_channels_of_one_nmi_stay_apart() -> None:
    taken = read(text(CHANNEL, day(), CHANNEL.replace(",E1,E1,", ",E2,E2,"), day(["5"] * 48)))
    assert [(s.reading_type.channel, s.value.sum()) for s in taken.decoded.series] == [("E1", 1128), ("E2", 240_000)]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("A", q.pack(q.Status.ACTUAL)),
        ("E52", q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)),
        ("S14", q.pack(q.Status.ESTIMATED, q.Method.LIKE_DAY)),
        ("f17", q.pack(q.Status.ESTIMATED_FINAL, q.Method.LINEAR)),
        ("S53", q.pack(q.Status.ESTIMATED, q.Method.AGREED)),
        ("", q.RAW),
    ],
)
def test_quality_methods(code: str, expected: int) -> None:
    assert set(read(text(CHANNEL, day(quality=code))).only.quality.tolist()) == {expected}


def test_null_data_has_no_value() -> None:
    series = read(text(CHANNEL, day(quality="N"))).only
    assert np.isnan(series.value).all()
    assert set(series.quality.tolist()) == {q.MISSING}


def test_400_records_spread_quality_over_a_variable_day() -> None:
    ranges = ("400,1,20,F14,76,", "400,21,24,A,,", "400,25,48,S17,1,")
    quality = read(text(CHANNEL, day(quality="V"), *ranges)).only.quality
    final = q.pack(q.Status.ESTIMATED_FINAL, q.Method.LIKE_DAY)
    linear = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    assert quality.tolist() == [final] * 20 + [q.ACTUAL] * 4 + [linear] * 24


@pytest.mark.parametrize("turned", [1, -1])
def test_of_two_400_records_of_an_interval_the_one_that_vouches_less_counts(turned: int) -> None:
    ranges = ("400,1,30,A,,", "400,20,48,S17,,")[::turned]
    taken = read(text(CHANNEL, day(quality="V"), *ranges, day(on="20250102")))
    linear = q.pack(q.Status.ESTIMATED, q.Method.LINEAR)
    assert taken.only.quality.tolist() == [q.ACTUAL] * 19 + [linear] * 29 + [q.ACTUAL] * 48
    assert taken.decoded.rejected == 0
    (told,) = taken.rejects
    assert (told.line, told.value) == (5 if turned == 1 else 4, "20,48,S17")
    assert "another 400 record" in told.reason


@pytest.mark.parametrize(
    "ranges",
    [
        ("400,1,47,A,,",),
        ("400,1,24,A,,", "400,25,96,A,,"),
        ("400,1,48,X,,",),
        ("400,one,48,A,,",),
        (),
        ("400,1,48,A,,", "400,49,96,N,,"),
    ],
)
def test_a_variable_day_without_fitting_ranges_is_refused(ranges: tuple[str, ...]) -> None:
    taken = read(text(CHANNEL, day(quality="V"), *ranges, day(on="20250102")))
    assert taken.only.size == 48
    assert taken.decoded.rejected == 48
    assert (3, "quality V, but the 400 records do not fit its intervals") in {(r.line, r.reason) for r in taken.rejects}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (day(["1"] * 96), "96 values where 48 are due"),
        (day(["1"] * 24), "24 values where 48 are due"),
        ("300,20250101,V,,,20250102000000,", "0 values where 48 are due"),
        (day(on="20250230"), "date is not yyyymmdd"),
        (day(on="01012025"), "date is not yyyymmdd"),
        (day(quality="Z9"), "quality method unknown"),
    ],
)
def test_a_wrong_day_is_refused_and_its_neighbours_kept(record: str, reason: str) -> None:
    taken = read(text(CHANNEL, day(), record, day(on="20250103")))
    assert taken.only.size == 96
    assert [(reject.line, reject.reason) for reject in taken.rejects] == [(4, reason)]
    assert taken.decoded.rejected == 48


@pytest.mark.parametrize(
    ("count", "helps"),
    [(49, "200 record"), (50, "200 record"), (72, "--interval-minutes 20"), (96, "--interval-minutes 15")],
)
def test_a_day_of_too_many_values_tells_how_many(count: int, helps: str) -> None:
    taken = read(text(CHANNEL, day(["1"] * count), day(on="20250102"), day(["1"] * 288, on="20250103")))
    assert [(each.line, each.reason) for each in taken.rejects] == [
        (3, f"{count} values where 48 are due"),
        (5, "288 values where 48 are due"),
    ]
    assert taken.rejects[0].remedy.endswith((helps, f"({helps})"))
    assert taken.only.size == 48


def test_a_far_date_is_told_of_its_own_day_alone() -> None:
    taken = read(text(CHANNEL, day(), day(on="99990101"), day(on="20250230")))
    assert taken.rejects[0].reason == "date lies in the future"
    assert taken.rejects[1].reason == "date is not yyyymmdd"


@pytest.mark.parametrize("lacking", [1, 2, 3, 4, 5, 6, 30])
@pytest.mark.parametrize(
    "behind",
    [
        "A,,,20250102000000,",
        "A,,,20250102000000,20250103000000",
        "S17,79,Text,20250102000000,",
        "V,,,20250102000000,",
        "A",
        ",,,20250102000000,",
        ",,,202501020000,20250103000000",
    ],
)
@pytest.mark.parametrize("unit", ["kWh", "Wh"])
def test_a_day_that_lacks_values_is_refused_whole(lacking: int, behind: str, unit: str) -> None:
    """What stands behind the values moves into their columns: reason code 79 was once 79 kWh."""
    short = f"300,20250102,{','.join(['0.5'] * (48 - lacking))},{behind}"
    taken = read(text(CHANNEL.replace("kWh", unit), day(), short, "400,1,48,S17,,", day(on="20250103")))
    assert taken.only.size == 96
    (reject,) = (each for each in taken.rejects if each.record.startswith("300"))
    assert (reject.line, reject.reason) == (4, f"{48 - lacking} values where 48 are due")
    assert reject.remedy.startswith(f"{short.count(',') + 1} fields, and a day of 48 values has 55: ")
    assert taken.decoded.rejected == 48


def test_a_day_that_lacks_values_may_end_the_file() -> None:
    cut = "\n".join([HEADER, CHANNEL, day(), f"300,20250102,{','.join(['0.5'] * 45)},A,,,20250104,"])
    assert [each.reason for each in read(cut.encode()).rejects] == ["45 values where 48 are due"]


@pytest.mark.parametrize("values", [["n/a"], ["A"], ["200000000000"], ["1.2345678901"]])
def test_an_odd_value_of_a_whole_day_is_no_lack_of_values(values: list[str]) -> None:
    taken = read(text(CHANNEL, day([*values, *["1"] * 47])))
    assert taken.only.size == 48


def test_a_value_that_is_no_number_costs_only_itself() -> None:
    taken = read(text(CHANNEL, day(["1"] * 7 + ["1.2x"] + ["1"] * 40)))
    assert [(r.line, r.reason, r.value) for r in taken.rejects] == [(3, "value 8 of 48 is no number", "1.2x")]
    assert np.flatnonzero(np.isnan(taken.only.value)).tolist() == [7]
    assert taken.only.quality[7] == q.MISSING


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("200,NMI1,E1,E1,E1,N1,M,,30,", "channel E1 has no unit"),
        ("200,NMI1,E1,E1,E1,N1,M,furlong,30,", "unit 'furlong' is not known"),
        ("200,NMI1,E1,E1,E1,N1,M,kWh,7,", "interval length '7' is not a number of minutes that divides the day"),
        ("200,,E1,E1,E1,N1,M,kWh,30,", "no NMI"),
    ],
)
def test_a_wrong_channel_is_refused_with_its_days(record: str, reason: str) -> None:
    taken = read(text(record, day(), CHANNEL, day()))
    assert [(r.line, r.reason) for r in taken.rejects] == [(2, reason), (3, f"{reason} (line 2)")]
    assert taken.only.size == 48


def test_options_repair_a_missing_unit_and_interval() -> None:
    options = ReadOptions(unit="Wh", interval_minutes=30)
    assert read(text("200,NMI1,E1,E1,E1,N1,M,,,", day(["3"] * 48)), options).only.value.tolist() == [3.0] * 48


def test_a_voltage_channel_needs_no_unit() -> None:
    series = read(text("200,NMI1,V1,,V1,,,,30,", day(["239.13"] * 48))).only
    assert (series.reading_type.quantity, series.reading_type.exponent) == (Quantity.VOLTAGE, -2)
    assert set(series.value.tolist()) == {23913.0}


def test_finer_values_get_a_finer_reading_type_and_are_shown() -> None:
    taken = read(text(CHANNEL, day(["0.00125"] * 48)))
    assert taken.only.reading_type.exponent == -3
    assert set(taken.only.value.tolist()) == {1250.0}
    assert any(evidence.what == "resolution" for evidence in taken.evidence)


def test_trailing_zeros_are_not_finer() -> None:
    assert read(text(CHANNEL, day(["1.250000"] * 48))).only.reading_type.exponent == 0


def test_a_record_broken_over_lines_is_one_record() -> None:
    whole = day()
    values = whole.split(",")
    broken = [",".join(values[:2]) + ",", ",".join(values[2:26]) + ",", ",".join(values[26:])]
    taken = read(text(CHANNEL, *broken, day(on="20250102")))
    assert taken.only.value.tolist() == [float(slot) for slot in range(48)] * 2
    assert sorted(set(taken.only.line.tolist())) == [3, 6]
    assert taken.rejects == ()


def test_a_line_of_junk_is_refused_alone() -> None:
    taken = read(text(CHANNEL, day(), "hello, world", day(on="20250102")))
    assert [(r.line, r.reason, r.value) for r in taken.rejects] == [(4, "no record indicator", "hello")]
    assert taken.only.size == 96


@pytest.mark.parametrize(
    "data",
    [
        f"{CHANNEL}\n{day()}\n".encode(),
        f"\n{CHANNEL}\n{day()}".encode(),
        b"\xef\xbb\xbf" + text(CHANNEL, day()),
        text(CHANNEL, day()).replace(b"\n", b"\r\n"),
        text('"200","NMI0000001","E1B1","E1","E1","N1","METER1","kWh","30",', day()),
    ],
    ids=["no 100 and 900", "blank first line", "byte order mark", "carriage returns", "quotes"],
)
def test_usual_deviations_are_read(data: bytes) -> None:
    assert NEM12.recognises(data, "x.csv") > 0.9
    assert read(data).only.value.tolist() == [float(slot) for slot in range(48)]


def test_a_day_above_any_channel_is_refused() -> None:
    taken = read(text(day(), CHANNEL, day()))
    assert [(r.line, r.reason) for r in taken.rejects] == [(2, "no 200 record above it")]


def test_index_reads_become_register_reads() -> None:
    taken = read(text(CHANNEL, day(), "500,A,S1,20250102030405,001000.5", "500,N,,20250102030405,"))
    interval, register = taken.decoded.series
    assert interval.size == 48
    assert (register.interval_s, register.reading_type.accumulation) == (0, Accumulation.CUMULATIVE)
    assert register.value.tolist() == [1_000_500.0]
    assert register.devices == ("METER1",)
    assert register.at.tolist() == [int(parse_instant("2025-01-02T03:04:05+10:00", zone_of("UTC")).timestamp())]


def test_nem13_gives_both_register_reads() -> None:
    record = "250,NMI1,11,1,11,11,M1,E,006342.8,20241005093055,A,,,007654.9,20250107100333,E64,,,1312.1,kWh,20250407,"
    series = read(f"100,NEM13,202501101030,MDA1,Ret1\n{record}\n900\n".encode()).only
    assert series.value.tolist() == [6_342_800.0, 7_654_900.0]
    assert series.quality.tolist() == [q.ACTUAL, q.pack(q.Status.ESTIMATED, q.Method.AGREED)]
    assert series.reading_type.flow is Flow.DELIVERED


@pytest.mark.parametrize(
    ("data", "error", "says"),
    [
        (b"", UnreadableFile, "empty"),
        (b"\n\n", UnreadableFile, "empty"),
        (f"{HEADER}\n900\n".encode(), UnreadableFile, "no 200 or 250 record"),
        (text(CHANNEL).replace(b"NEM12", b"NEM99"), UnknownFormat, "NEM99"),
        (text(CHANNEL, day()).decode().encode("utf-16"), UnreadableFile, "UTF-16"),
        (text(CHANNEL, day()).replace(b"\n", b"\r"), UnreadableFile, "carriage returns"),
    ],
)
def test_what_cannot_be_read_at_all(data: bytes, error: type[InputError], says: str) -> None:
    with pytest.raises(error, match=says):
        NEM12.inspect(memoryview(data), "meter.csv", ReadOptions())


def test_zone_is_for_local_days_and_leaves_instants_alone() -> None:
    plain = read(text(CHANNEL, day()))
    sydney = read(text(CHANNEL, day()), ReadOptions(zone="Australia/Sydney"))
    assert sydney.decoded.zones == {"NMI0000001": "Australia/Sydney"}
    assert sydney.only.at.tolist() == plain.only.at.tolist()


def test_western_power_runs_on_western_time() -> None:
    taken = read(text(CHANNEL, day()).replace(b"MDP1,RET1", b"WPNTKS,WPNTKS"))
    assert taken.decoded.zones == {"NMI0000001": "Australia/Perth"}
    assert taken.only.at[0] == parse_instant("2025-01-01T00:00+08:00", zone_of("UTC")).timestamp()


def many(points: int) -> bytes:
    blocks = [
        record
        for point in range(points)
        for record in (CHANNEL.replace("NMI0000001", f"NMI{point:07d}"), day(), day(on="20250102"))
    ]
    return text(*blocks)


def test_pieces_decoded_alone_give_the_whole() -> None:
    data = memoryview(many(50))
    reader = Nem12Reader(chunk_bytes=2000)
    dialect = reader.inspect(data, "many.csv", ReadOptions())
    chunks = list(reader.chunks(data, dialect))
    assert len(chunks) > 5
    assert (chunks[0].start, chunks[-1].end) == (0, len(data))
    assert all(one.end == other.start for one, other in itertools.pairwise(chunks))
    pieces = [reader.decode(data, chunk, dialect) for chunk in chunks]
    (whole,) = read(bytes(data)).decoded.series
    assert np.concatenate([piece.series[0].line for piece in pieces]).tolist() == whole.line.tolist()
    assert sum(piece.records for piece in pieces) == whole.size
    assert list(reader.chunks(data, dialect, after=chunks[3].end)) == chunks[4:]


@given(st.lists(st.integers(-9_999_999, 99_999_999), min_size=48, max_size=48))
def test_every_watt_hour_arrives(counts: list[int]) -> None:
    values = [f"{'-' if count < 0 else ''}{abs(count) // 1000}.{abs(count) % 1000:03d}" for count in counts]
    assert read(text(CHANNEL, day(values))).only.value.tolist() == [float(count) for count in counts]


@pytest.mark.parametrize(
    ("written", "counts"),
    [("1.44e2", 144_000), ("+1", 1000), (" 1.5 ", 1500), (".5", 500), ("7.", 7000), ("000012345.678", 12_345_678)],
)
def test_forms_of_numbers(written: str, counts: int) -> None:
    assert set(read(text(CHANNEL, day([written] * 48))).only.value.tolist()) == {counts}


@pytest.mark.parametrize("written", [".", "-", "1.2.3", "nan", "inf", "1e400", "0x10", "12/3", "\uff11"])
def test_what_is_no_number(written: str) -> None:
    taken = read("\n".join([HEADER, CHANNEL, day([written] * 48), ""]).encode())
    assert len(taken.rejects) == 48
    assert np.isnan(taken.only.value).all()


@given(st.data())
def test_a_corrupt_byte_never_raises_anything_but_our_errors(data: st.DataObject) -> None:
    good = bytearray(text(CHANNEL, day(), day(on="20250102", quality="V"), "400,1,48,A,,", "500,N,,20250102000000,5"))
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] = data.draw(st.integers(0, 255))
    try:
        taken = read(bytes(good))
    except InputError as error:
        assert error.where or error.remedy or error.message  # noqa: PT017 - most corruptions do not raise
        return
    assert taken.decoded.records >= sum(s.size for s in taken.decoded.series)
    assert all(reject.line > 0 and reject.reason for reject in taken.rejects)


def test_a_chunk_is_counted_in_lines() -> None:
    data = memoryview(many(3))
    dialect = NEM12.inspect(data, "many.csv", ReadOptions())
    assert list(NEM12.chunks(data, dialect)) == [Chunk(0, len(data), 1)]
