"""MeterReadings of IEC 61968-9, written by hand after the published structure: what they mean, damage, the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError, UsageError
from gridwright.domain.interval import epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status, pack
from gridwright.domain.reading_type import DELIVERED_ENERGY, POWER, RECEIVED_ENERGY, VOLTAGE
from gridwright.domain.register import RegisterReading
from gridwright.formats.cim_xml import CIM_XML_WRITER
from gridwright.formats.cim_xml.qualities import kept_quality, quality_of
from gridwright.formats.cim_xml.reading_types import read_code
from gridwright.formats.source import ReadOptions
from gridwright.ingest import grid_series
from tests.unit.formats.markup_reading import read

DELTA, REGISTER = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0", "0.0.2.9.1.2.12.0.0.0.0.0.0.0.0.3.72.0"
BYTES = tuple(pack(status) for status in Status if status not in {Status.MISSING, Status.REJECTED})
NAMESPACE = "http://iec.ch/TC57/2011/MeterReadings#"


def a_reading(stamp: str, value: object, *qualities: str) -> str:
    told = "".join(
        f"<ReadingQualities><source>HES</source><timeStamp>{stamp}</timeStamp>"
        f'<ReadingQualityType ref="{one}"/></ReadingQualities>'
        for one in qualities
    )
    return f"<IntervalReadings><timeStamp>{stamp}</timeStamp><value>{value}</value>{told}</IntervalReadings>\n"


def a_meter(readings: str, code: str = DELTA, meter: str = "M1", more: str = "") -> str:
    block = f'<IntervalBlocks>{readings}<ReadingType ref="{code}"></ReadingType></IntervalBlocks>'
    named = (
        f"<Meter><mRID>{meter}</mRID><Names><name>{meter}</name><NameType><name>ID</name></NameType></Names></Meter>"
    )
    return f"<MeterReading>\n{block}{named}{more}</MeterReading>\n"


def a_message(*meters: str) -> bytes:
    return (
        '<EventMessage xmlns="http://iec.ch/TC57/2011/schema/message"><Header><Verb>created</Verb>'
        f'<Noun>MeterReadings</Noun></Header><Payload><MeterReadings xmlns="{NAMESPACE}">\n'
        f"{''.join(meters)}</MeterReadings></Payload></EventMessage>"
    ).encode()


HOUR = [
    a_reading(f"2022-11-18T06:{minute}:00.000+08:00", value) for minute, value in (("15", 0.5), ("30", 0.25), ("45", 1))
]


def test_an_interval_ends_at_its_stamp_and_belongs_to_its_meter() -> None:
    result = read(a_message(a_meter("".join(HOUR))))
    first = epoch_s(datetime(2022, 11, 17, 22, 0, tzinfo=UTC))
    kind = DELIVERED_ENERGY.code
    assert result.values == {("M1", kind, 900, first + 900 * at): value for at, value in enumerate((500, 250, 1000))}
    assert result.zones == {"M1": "Asia/Shanghai"}
    begins = read(a_message(a_meter(HOUR[0])), ReadOptions(stamp="start"))
    assert [key[3] for key in begins.values] == [first + 900]


def test_two_meters_of_one_usage_point_are_one_series_of_intervals() -> None:
    """An exchange within one message: the store refuses a panel in which a usage point is there twice."""
    home = "<UsagePoint><mRID>HOME</mRID></UsagePoint>"
    message = a_message(a_meter(HOUR[0], meter="OLD", more=home), a_meter(HOUR[1] + HOUR[2], meter="NEW", more=home))
    (panel,) = grid_series(read(message).series).panels
    assert (panel.points, panel.values.tolist()) == (("HOME",), [[500, 250, 1000]])


def test_registers_that_come_as_blocks_are_registers_with_their_meter() -> None:
    blocks = [
        a_meter(a_reading(f"2022-11-18T0{hour}:00:00+08:00", f"6519.{hour}955", "1.0.0"), REGISTER) for hour in (6, 7)
    ]
    (found,) = grid_series(read(a_message(*blocks)).series).registers
    assert [(one.usage_point, one.end_device, one.value, one.reading_type.exponent) for one in found] == [
        ("M1", "M1", 6_519_695_500.0, -3),
        ("M1", "M1", 6_519_795_500.0, -3),
    ]


def test_a_usage_point_comes_before_its_meter_and_readings_stand_alone() -> None:
    point = "<UsagePoint><Names><name>HOME &amp; BARN</name></Names></UsagePoint>"
    stamp = "<timeStamp>2025-01-01T00:00:00Z</timeStamp>"
    single = f'<Readings>{stamp}<value>230.4</value><ReadingType ref="{VOLTS}"/></Readings>'
    (series,) = read(a_message(a_meter("", more=single + point))).series
    assert (series.points, series.value.tolist(), series.interval_s) == (("HOME & BARN",), [2304.0], 0)


VOLTS = "0.0.0.12.0.1.54.0.0.0.0.0.0.0.0.0.29.0"


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        (DELTA, (DELIVERED_ENERGY.code, 3, 900)),
        ("0.0.7.4.19.1.12.0.0.0.0.0.0.0.0.0.72.0", (RECEIVED_ENERGY.code, 0, 3600)),
        ("11.0.0.4.1.1.12.0.0.0.0.0.0.0.0.0.72.0", (DELIVERED_ENERGY.code, 0, 86_400)),
        ("0.0.0.1.1.1.12.0.0.0.0.0.0.0.0.0.72.0", (DELIVERED_ENERGY.register().code, 0, 0)),
        ("0.0.5.12.4.1.37.0.0.0.0.0.0.0.0.3.38.0", (POWER.code, 3, 1800)),
        ("0.0.2.4.15.1.12.0.0.0.0.0.0.0.0.0.73.0", ("electricity/none/reactive-energy/delta/0/Q1", 0, 900)),
    ],
)
def test_the_eighteen_numbers(code: str, meaning: tuple[str, int, int]) -> None:
    series = read_code(code)
    assert not isinstance(series, str)
    assert (series.meaning.reading_type.code, series.meaning.places, series.interval_s) == meaning


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("3.0.129.160", "eighteen numbers"),
        ("x" + DELTA[1:], "eighteen numbers"),
        ("0.0.2.6.1.1.12.0.0.0.0.0.0.0.0.3.72.0", "may be an interval or a register"),
        ("0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.3.169.0", "unit of measure 169"),
        ("0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.99.72.0", "impossible multiplier"),
    ],
)
def test_codes_that_are_not_read(code: str, why: str) -> None:
    assert why in str(read_code(code))
    result = read(a_message(a_meter("".join(HOUR), code), a_meter(HOUR[0], meter="M2")))
    assert (result.rejected, [key[0] for key in result.values]) == (3, ["M2"])
    assert why in result.rejects[0].reason


@pytest.mark.parametrize(
    ("codes", "quality"),
    [
        ((), q.RAW),
        (("1.0.0", "5.4.260"), q.RAW),
        (("3.0.1",), q.ACTUAL),
        (("2.8.0", "1.2.32"), pack(Status.ESTIMATED)),
        (("2.7.0",), pack(Status.EDITED)),
        (("2.5.259",), q.MISSING),
        (("nonsense",), q.RAW),
    ],
)
def test_quality_codes_count_together(codes: tuple[str, ...], quality: int) -> None:
    assert quality_of(codes) == quality
    (series,) = read(a_message(a_meter(a_reading("2025-01-01T00:15:00Z", 1, *codes)))).series
    assert series.quality.tolist() == [quality]
    assert np.isnan(series.value[0]) == (quality == q.MISSING)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (a_message(a_meter(a_reading("yesterday", 1))), "timeStamp is no date"),
        (a_message(a_meter(a_reading("2025-01-01T00:15:00Z", "1,5"))), "value is no number"),
        (a_message(a_meter(HOUR[0]).replace("<Meter>", "<Meler>")), "no UsagePoint and no Meter"),
        (a_message(a_meter(HOUR[0]).replace("<ReadingType ", "<ReadingTipe ")), "no ReadingType"),
        (a_message(a_meter(HOUR[0], "0.0.0.4.1.1.12.0.0.0.0.0.0.0.0.3.72.0")), "tells no interval length"),
        (a_message(a_meter(HOUR[0] + HOUR[1]).replace("</value>", "<value>", 1)), "damaged"),
        (a_message(a_meter(HOUR[0]))[:-20], "cut off"),
    ],
)
def test_rejects_say_why(message: bytes, said: str) -> None:
    assert any(said in reject.reason and reject.line > 0 for reject in read(message).rejects)


def test_other_nouns_are_named() -> None:
    message = a_message().replace(b"MeterReadings", b"EndDeviceControls")
    with pytest.raises(InputError, match="a message about EndDeviceControls, not measured data"):
        read(message)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_one_wrong_byte_costs_at_most_what_it_touches(data: st.DataObject) -> None:
    good = a_message(a_meter("".join(HOUR), meter="MA"), a_meter("".join(HOUR), meter="MB"))
    place = data.draw(st.integers(good.index(b"<MeterReading>"), len(good) - 1))
    byte = data.draw(st.sampled_from([*b'<>/"& ?!x\x00\xff']))
    if good[place] == byte or good[place : place + 1] in {b"M", b"A", b"B", *(b"%d" % digit for digit in range(10))}:
        return
    bad, truth = read(good[:place] + bytes([byte]) + good[place + 1 :]), read(good).values
    assert {key: value for key, value in bad.values.items() if key[1] == DELIVERED_ENERGY.code}.items() <= truth.items()
    assert len(bad.values) == len(truth) or bad.rejected


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    kind = draw(st.sampled_from((DELIVERED_ENERGY, RECEIVED_ENERGY, DELIVERED_ENERGY.finer(-3), POWER, VOLTAGE)))
    start = datetime(2025, 3, draw(st.integers(1, 31)), draw(st.integers(0, 23)), tzinfo=UTC)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(2, 100)))
    values = random.integers(-5, draw(st.sampled_from((2, 3000, 10**12))), shape).astype(float)
    values[random.random(shape) < draw(st.sampled_from((0.0, 0.2)))] = np.nan
    values[:, [0, -1]] = 1.0
    quality = np.where(np.isnan(values), q.MISSING, random.choice(np.array(BYTES), shape)).astype(np.uint8)
    minutes = draw(st.sampled_from((1, 5, 15, 30, 60)))
    return Panel(
        tuple("<a&b>c"[: row + 1] + "x" for row in range(shape[0])),
        start,
        timedelta(minutes=minutes),
        values,
        quality,
        kind,
    )


@settings(max_examples=30, deadline=None)
@given(panels())
def test_what_is_written_reads_back_the_same(panel: Panel) -> None:
    result = read(b"".join(CIM_XML_WRITER.write([panel], [], {})))
    assert result.rejects == ()
    found = grid_series(result.series).panels
    for row, name in enumerate(panel.points):
        (back,) = [one for one in found if name in one.points]
        mine = back.row(name).regrid(panel.period)
        assert back.reading_type == panel.reading_type
        assert np.array_equal(mine.values[0], panel.values[row], equal_nan=True)
        expected = [byte if byte == q.MISSING else kept_quality(byte) for byte in panel.quality[row].tolist()]
        assert mine.quality[0].tolist() == expected


def test_register_reads_come_back_with_their_meter() -> None:
    start = datetime(2025, 3, 29, tzinfo=UTC)
    reads = [RegisterReading("P", start + timedelta(hours=7 * at), 9e9 + at, "M<1>", 0, q.ACTUAL) for at in range(4)]
    (found,) = grid_series(read(b"".join(CIM_XML_WRITER.write([], reads, {}))).series).registers
    assert list(found) == reads


def test_what_has_no_code_is_refused() -> None:
    assert CIM_XML_WRITER.why_not(DELIVERED_ENERGY, 900, 0) == ""
    assert "intervals of 700 s" in CIM_XML_WRITER.why_not(DELIVERED_ENERGY, 700, 0)
    assert "10^-4" in CIM_XML_WRITER.why_not(DELIVERED_ENERGY.finer(-4), 900, 0)
    panel = Panel(("a",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(minutes=15), np.full((1, 4), 0.5))
    with pytest.raises(UsageError, match="no whole count"):
        list(CIM_XML_WRITER.write([panel], [], {}))
