"""Green Button feeds: the public files against a plain reading, what a feed may say, damage, and the way back."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError, UsageError
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, pack
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    DELIVERED_REGISTER,
    POWER,
    RECEIVED_ENERGY,
    VOLTAGE,
    Flow,
    Quantity,
    ReadingType,
)
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.green_button import GREEN_BUTTON_WRITER
from gridwright.formats.green_button.clock import LocalTime, local_time, zone_for
from gridwright.formats.green_button.entries import entries
from gridwright.formats.green_button.qualities import codes_of, quality_of
from gridwright.formats.markup import read_prolog
from gridwright.ingest import grid_series
from tests.unit.formats.markup_reading import read

SET = Path("interchange") / "greenbutton"
ESPI = "{http://naesb.org/espi}"
START = 1_330_578_000
ZONES = ("UTC", "America/New_York", "Europe/Berlin", "Australia/Lord_Howe", "Asia/Kolkata", "America/Phoenix")
BYTES = tuple(
    pack(status, method)
    for status in Status
    if status not in {Status.MISSING, Status.REJECTED}
    for method in ((Method.NONE, Method.LINEAR, Method.LIKE_DAY) if status in q.ESTIMATES else (Method.NONE,))
)


def a_reading(start: int = START, value: object = 1, duration: int = 900, inside: str = "") -> str:
    period = f"<timePeriod><duration>{duration}</duration><start>{start}</start></timePeriod>"
    return f"<IntervalReading>{inside}{period}<value>{value}</value></IntervalReading>\n"


def an_entry(address: str, content: str, *related: str, title: str = "") -> str:
    links = "".join(f'<link rel="related" href="{one}"/>' for one in related)
    return (
        f'<entry><link rel="self" href="{address}"/>{links}<title>{title}</title><content>{content}</content></entry>\n'
    )


def a_kind(uom: int = 72, flow: int = 1, accumulation: int = 4, multiplier: int = 0, more: str = "") -> str:
    return (
        f'<ReadingType xmlns="http://naesb.org/espi"><accumulationBehaviour>{accumulation}</accumulationBehaviour>'
        f"<commodity>1</commodity><flowDirection>{flow}</flowDirection><intervalLength>900</intervalLength>"
        f"<powerOfTenMultiplier>{multiplier}</powerOfTenMultiplier><uom>{uom}</uom>{more}</ReadingType>"
    )


def a_feed(readings: str, kind: str = "", more: str = "") -> bytes:
    entries = [
        an_entry("/r/UsagePoint/HOME", '<UsagePoint xmlns="http://naesb.org/espi"/>'),
        an_entry(
            "/r/UsagePoint/HOME/MeterReading/1", '<MeterReading xmlns="http://naesb.org/espi"/>', "/r/ReadingType/1"
        ),
        an_entry("/r/ReadingType/1", kind or a_kind()),
        more,
        an_entry("/r/UsagePoint/HOME/MeterReading/1/IntervalBlock/1", f"<IntervalBlock>{readings}</IntervalBlock>"),
    ]
    return ('<feed xmlns="http://www.w3.org/2005/Atom" >\n' + "".join(entries) + "</feed>").encode()


@pytest.fixture(scope="module")
def files(shared_data: Path) -> list[Path]:
    return sorted((shared_data / SET).rglob("*.xml"))


def test_every_public_feed_is_read_whole_and_exactly(files: list[Path]) -> None:
    readings = 0
    for path in files:
        plain = [
            (int(one.findtext(f"{ESPI}timePeriod/{ESPI}start", "")), int(one.findtext(f"{ESPI}value", "")))
            for one in ET.parse(path).getroot().iter(f"{ESPI}IntervalReading")  # noqa: S314 - the shared data
        ]
        if not plain:
            continue
        result = read(path.read_bytes())
        assert (result.rejects, result.records) == ((), len(plain)), path.name
        assert sorted((at, value) for (_, _, _, at), value in result.values.items()) == sorted(dict(plain).items())
        readings += len(plain)
    # 1,340 + 480 + 860, thirteen days of 96 and one of 92 quarter-hours, 362 hours: as the provenance says.
    assert readings == 1340 + 480 + 860 + 13 * 96 + 92 + 362


def test_the_sample_counts_its_usage_points_within_a_customer(files: list[Path]) -> None:
    sample = next(path for path in files if path.name == "sample_greenbutton_data.xml")
    result = read(sample.read_bytes())
    assert result.zones == {"9b6c7063/01": "America/Los_Angeles"}
    assert result.notes == ("1 summaries of the sender are left out: totals are computed from the readings",)


def test_files_without_readings_are_named(files: list[Path]) -> None:
    refused = {path.name: path for path in files if path.name in {"ServiceCategory.xml", "settings_example.xml"}}
    with pytest.raises(InputError, match="no IntervalBlock: it holds ServiceCategory"):
        read(refused["ServiceCategory.xml"].read_bytes())
    with pytest.raises(InputError, match="XML of another kind"):
        read(refused["settings_example.xml"].read_bytes())


def test_a_day_of_23_hours_and_two_qualities(files: list[Path]) -> None:
    day = next(path for path in files if path.name == "test_usage_data_11.xml")
    (panel,) = grid_series(read(day.read_bytes()).series).panels
    assert (panel.slots, panel.calendar("America/New_York").expected_slots().tolist()) == (92, [92])
    first = next(path for path in files if path.name == "test_usage_data_01.xml")
    (series,) = read(first.read_bytes()).series
    assert series.quality[:3].tolist() == [pack(Status.ESTIMATED, Method.LIKE_DAY), pack(Status.EDITED), q.RAW]


@pytest.mark.parametrize("chunk_bytes", [1, 5000, 10**9])
def test_pieces_change_nothing(files: list[Path], chunk_bytes: int) -> None:
    path = next(path for path in files if path.name == "test_usage_data_1.xml")
    whole, pieces = read(path.read_bytes()), read(path.read_bytes(), chunk_bytes=chunk_bytes)
    assert pieces.values == whole.values
    assert sorted(line for s in pieces.series for line in s.line) == sorted(
        line for s in whole.series for line in s.line
    )


@pytest.mark.parametrize(
    ("kind", "value", "code", "counts"),
    [
        (a_kind(multiplier=3), 2, "electricity/delivered/energy/delta/0", 2000),
        (a_kind(multiplier=-3), 1_234_000, "electricity/delivered/energy/delta/0", 1234),
        (a_kind(multiplier=-3), 1_234_001, "electricity/delivered/energy/delta/-3", 1_234_001),
        (a_kind(flow=19), 2, "electricity/received/energy/delta/0", 2),
        (
            a_kind(uom=29, flow=0, accumulation=12, multiplier=-1),
            2301,
            "electricity/none/voltage/instantaneous/-1",
            2301,
        ),
        (a_kind(uom=73), 7, "electricity/delivered/reactive-energy/delta/0", 7),
        (a_kind(more="<tou>2</tou>"), 7, "electricity/delivered/energy/delta/0/T2", 7),
    ],
)
def test_reading_types(kind: str, value: int, code: str, counts: int) -> None:
    (series,) = read(a_feed(a_reading(value=value), kind)).series
    assert (series.reading_type.code, series.value.tolist()) == (code, [counts])


def test_registers_are_read_at_the_end_of_their_period() -> None:
    (series,) = read(a_feed(a_reading(value=5) + a_reading(START + 900, 9), a_kind(accumulation=1))).series
    assert series.reading_type == DELIVERED_REGISTER
    assert series.at.tolist() == [START + 900, START + 1800]


def test_readings_without_a_start_follow_their_block() -> None:
    rows = "<IntervalReading><value>4</value></IntervalReading>" * 3
    (series,) = read(a_feed(f"<interval><duration>2700</duration><start>{START}</start></interval>{rows}")).series
    assert series.at.tolist() == [START, START + 900, START + 1800]
    lost = read(a_feed(rows))
    assert (lost.series, lost.rejected) == ((), 3)


def test_a_point_and_its_type_are_found_by_order_where_links_lead_nowhere() -> None:
    block = an_entry("/x/1", f"<IntervalBlock xmlns='http://naesb.org/espi'>{a_reading()}</IntervalBlock>")
    text = a_feed(a_reading(START + 900)).replace(b"</feed>", block.encode() + b"</feed>")
    assert {key[0] for key in read(text).values} == {"HOME"}
    assert len(read(text).values) == 2


@pytest.mark.parametrize(
    ("feed", "said"),
    [
        (a_feed(a_reading(), a_kind(uom=169)), "unit of measure 169"),
        (a_feed(a_reading(value="x")), "value is no number"),
        (a_feed(a_reading(value="1</value><value>2")), "value stands twice"),
        (a_feed(a_reading() * 99 + a_reading(duration=901)), "duration is no interval length"),
        (a_feed(a_reading()).replace(b"</uom>", b"</uon>"), "ReadingType is damaged"),
        (a_feed(a_reading())[:-7], "cut off"),
        (a_feed("").replace(b"</feed>", a_reading().encode() + b"</feed>"), "outside any IntervalBlock"),
    ],
)
def test_rejects_say_why_and_where(feed: bytes, said: str) -> None:
    rejects = read(feed).rejects
    assert any(said in reject.reason for reject in rejects)
    assert all(reject.line > 0 for reject in rejects)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_one_wrong_byte_costs_at_most_what_it_touches(data: st.DataObject) -> None:
    """Nothing is lost in silence, and what is kept is true, unless the wrong byte makes another number or name."""
    good = a_feed("".join(a_reading(START + 900 * at, 1000 + at) for at in range(6)))
    begin = good.index(b"<IntervalBlock>")
    place = data.draw(st.integers(begin, len(good) - 1))
    byte = data.draw(st.sampled_from([*b'<>/"&! -?x\x00\xff']))
    if good[place : place + 1].isdigit() or good[place] == byte:
        return
    bad = good[:place] + bytes([byte]) + good[place + 1 :]
    result, truth = read(bad), read(good).values
    assert result.values.items() <= truth.items()
    assert len(result.values) >= len(truth) - 2 or result.rejected
    assert len(result.values) == len(truth) or result.rejected


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6))
def test_what_came_before_the_end_of_a_cut_file_is_kept(at: int) -> None:
    good = a_feed("".join(a_reading(START + 900 * at, 1000 + at) for at in range(6)))
    begin = good.index(b"<IntervalBlock>")
    cut = begin + at % (len(good) - begin - 1)
    result = read(good[:cut])
    assert len(result.values) == good[:cut].count(b"</IntervalReading>")
    assert result.rejected


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("year", [2005, 2012, 2025])
def test_a_zone_is_told_by_its_clock(zone: str, year: int) -> None:
    clock = local_time(zone, year)
    assert zone_for(clock, year, "UTC")[0] == zone
    untitled = LocalTime(clock.tz_offset, clock.dst_offset, clock.dst_start, clock.dst_end)
    assert zone_for(untitled, year, zone)[0] == zone


def test_the_rules_of_north_america_and_of_no_zone() -> None:
    york = local_time("America/New_York", 2012)
    assert (f"{york.dst_start:08X}", f"{york.dst_end:08X}") == ("360E2000", "B40E2000")  # as utilities write them
    assert zone_for(LocalTime(-4 * 3600), 2012, "UTC")[0] == "America/Puerto_Rico"
    assert zone_for(LocalTime(4 * 3600 + 60), 2012, "Europe/Berlin")[0] == "Europe/Berlin"
    assert zone_for(LocalTime(-11 * 3600), 2012, "UTC")[0] == "Etc/GMT+11"


@pytest.mark.parametrize("quality", BYTES)
def test_qualities_come_back(quality: int) -> None:
    assert quality_of(sum(1 << code for code in codes_of(quality))) == quality


@pytest.mark.parametrize("method", [one for one in Method if one not in {Method.LINEAR, Method.LIKE_DAY}])
@pytest.mark.parametrize("status", [Status.ESTIMATED, Status.ESTIMATED_FINAL])
def test_no_method_is_made_up(status: Status, method: Method) -> None:
    """A method that ESPI has no code for is left out; it does not become a reference day."""
    codes = codes_of(pack(status, method))
    assert codes[0] == 8
    assert quality_of(sum(1 << code for code in codes)) == pack(status)


@st.composite
def panels(draw: st.DrawFn) -> tuple[Panel, dict[str, UsagePoint]]:
    kind = draw(
        st.sampled_from(
            (DELIVERED_ENERGY, RECEIVED_ENERGY, DELIVERED_ENERGY.finer(-3), POWER, VOLTAGE,
             ReadingType(Quantity.REACTIVE_ENERGY, Flow.NET, channel="Q1"))
        )
    )  # fmt: skip
    minutes = draw(st.sampled_from((5, 15, 30, 60)))
    start = datetime(2025, draw(st.integers(1, 12)), draw(st.integers(1, 28)), draw(st.integers(0, 23)), tzinfo=UTC)
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(1, 3)), draw(st.integers(2, 120)))
    values = random.integers(-5, draw(st.sampled_from((2, 3000, 10**12))), shape).astype(float)
    values[random.random(shape) < draw(st.sampled_from((0.0, 0.2)))] = np.nan
    values[:, [0, -1]] = 1.0
    quality = np.where(np.isnan(values), q.MISSING, random.choice(np.array(BYTES), shape)).astype(np.uint8)
    names = tuple(
        draw(
            st.lists(
                st.text(min_size=1, max_size=9).filter(_is_name), min_size=shape[0], max_size=shape[0], unique=True
            )
        )
    )
    zones = [draw(st.sampled_from(ZONES)) for _ in names]
    panel = Panel(names, start, timedelta(minutes=minutes), values, quality, kind)
    return panel, {name: UsagePoint(name, zone) for name, zone in zip(names, zones, strict=True)}


def _is_name(text: str) -> bool:
    return text == text.strip() and text.isprintable() and not text.isdigit() and text not in {".", ".."}


@settings(max_examples=40, deadline=None)
@given(panels())
def test_what_is_written_reads_back_the_same(case: tuple[Panel, dict[str, UsagePoint]]) -> None:
    panel, points = case
    result = read(b"".join(GREEN_BUTTON_WRITER.write([panel], [], points)))
    assert result.rejects == ()
    assert result.zones == {name: point.zone for name, point in points.items()}
    found = grid_series(result.series).panels
    for row, name in enumerate(panel.points):
        (back,) = [one for one in found if name in one.points]
        assert back.reading_type == panel.reading_type
        mine = back.row(name).regrid(panel.period)
        assert np.array_equal(mine.values[0], panel.values[row], equal_nan=True)
        assert np.array_equal(mine.quality[0], panel.quality[row])


def test_register_reads_come_back_with_their_meter() -> None:
    start = datetime(2025, 3, 29, tzinfo=UTC)
    reads = [
        RegisterReading("A b/c", start + timedelta(hours=7 * at), 9e9 + at, "M 1/x", 0, q.ACTUAL) for at in range(4)
    ]
    result = read(b"".join(GREEN_BUTTON_WRITER.write([], reads, {})))
    (found,) = grid_series(result.series).registers
    assert list(found) == reads


def test_a_value_beyond_48_bits_is_refused() -> None:
    panel = Panel(("a",), datetime(2025, 1, 1, tzinfo=UTC), timedelta(minutes=15), np.full((1, 4), 2.0**47))
    with pytest.raises(UsageError, match="48 bits"):
        list(GREEN_BUTTON_WRITER.write([panel], [], {}))


def test_what_is_written_fits_the_published_schema(shared_data: Path) -> None:
    etree = pytest.importorskip("lxml.etree")
    text = (shared_data / SET / "oadr_greenbutton.xsd").read_bytes()
    # The Atom schema that it imports is not beside it, and nothing in it is used.
    tree = etree.fromstring(text)
    for one in tree.findall("{http://www.w3.org/2001/XMLSchema}import"):
        tree.remove(one)
    schema = etree.XMLSchema(tree)
    start = datetime(2025, 3, 9, 5, tzinfo=UTC)
    panel = Panel(("a", "b"), start, timedelta(minutes=15), np.arange(2 * 192.0).reshape(2, 192))
    volts = Panel(("a",), start, timedelta(minutes=5), np.full((1, 9), 2301.0), reading_type=VOLTAGE)
    reads = [RegisterReading("a", start, 5.0, "M1")]
    points = {"a": UsagePoint("a", "America/New_York")}
    feed = etree.fromstring(b"".join(GREEN_BUTTON_WRITER.write([panel, volts], reads, points)))
    contents = feed.findall(".//{http://www.w3.org/2005/Atom}content/*")
    assert len(contents) > 10
    for content in contents:
        alone = etree.fromstring(etree.tostring(content))
        assert schema.validate(alone), schema.error_log


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("<entry><title/><content><IntervalBlock/></content></entry>", ["IntervalBlock"]),
        ("<entry><content><!-- a --> <espi:IntervalBlock>", ["IntervalBlock"]),
        ("<entry><title/></entry><content><IntervalBlock/>", [""]),
        ("<entry><title/><entry><content><IntervalBlock/></content></entry>", ["", "IntervalBlock"]),
        (
            "<entry><content><UsagePoint/></content></entry><entry><content><IntervalBlock>",
            ["UsagePoint", "IntervalBlock"],
        ),
    ],
)
def test_what_an_entry_holds_stands_before_its_end(text: str, told: list[str]) -> None:
    data = memoryview(f'<feed xmlns="http://www.w3.org/2005/Atom">{text}'.encode() + b"<x/>" * 10_000)
    found = list(entries(data, read_prolog(data, "feed.xml")))
    assert [entry.content for entry in found] == told
