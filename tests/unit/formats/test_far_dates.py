"""A date that exists, and that no reading can have, is told as such, with line, field and value, in every format."""

from __future__ import annotations

import io
import re
from datetime import UTC, date, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from gridwright.domain.errors import AmbiguousInput, UnreadableFile
from gridwright.domain.verdict import Reject
from gridwright.formats.container import unwrap
from gridwright.formats.far_dates import TOO_EARLY, TOO_LATE, far_date
from gridwright.formats.source import ReadOptions
from gridwright.formats.stamps import read_stamps
from gridwright.jobs.files.read_file import open_files
from tests.fuzz import samples

HOURS = [f"{hour:02d}:00" for hour in range(24)]
LONG = "point,time,kwh\n" + "".join(f"P1,2025-03-01 {hour},1.0\n" for hour in HOURS)
CLOCK = LONG.replace("time", "date,time").replace(" ", ",")
WIDE = f"point,date,{','.join(HOURS)}\n" + "".join(f"P1,2025-03-{day:02d}{',1' * 24}\n" for day in (1, 2))
NEM12 = f"100,NEM12,200405011135,A,B\n200,NEM1,E1,E1,E1,,M1,KWH,30,\n300,20250301{',1' * 48},A,,,20250302\n"
CMEP = "MEPMD01,19970819,A,B,P1,,202501020000,P1,OK,E,KWH,1.0,00000100,2,202503010100,R,1.0,{}03010200,R,1.0\n"
CIM = (
    '<?xml version="1.0"?><MeterReadings xmlns="http://iec.ch/TC57/2011/MeterReadings#"><MeterReading><Meter><Names>'
    "<name>P1</name></Names></Meter><IntervalBlocks>{}<IntervalReadings><timeStamp>2025-03-01T00:30:00Z</timeStamp>"
    '<value>1</value></IntervalReadings><ReadingType ref="0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.0.72.0"/></IntervalBlocks>'
    "</MeterReading></MeterReadings>"
)
CIM_READING = "<IntervalReadings><timeStamp>{}-03-01T00:15:00Z</timeStamp><value>1</value></IntervalReadings>"


def parquet(year: str) -> bytes:
    moments = [*(f"2025-03-01T{hour}" for hour in HOURS), f"{year}-03-01T00:00"]
    seconds = [int(datetime.fromisoformat(one).replace(tzinfo=UTC).timestamp()) for one in moments]
    sink = io.BytesIO()
    time = pa.array(seconds, pa.int64()).cast(pa.timestamp("s"))
    pq.write_table(pa.table({"point": ["P1"] * 25, "time": time, "kwh": [1.0] * 25}), sink)
    return sink.getvalue()


def mscons(year: str) -> bytes:
    """Return a file of which the times of the second value are of another year."""
    times = iter(range(99))
    text = samples.mscons().data.decode()
    return re.sub(r"(DTM\+163:)\d{4}", lambda found: found[1] + (year if next(times) == 2 else "2025"), text).encode()


def files(year: str) -> dict[str, bytes]:
    texts = {
        "long": f"{LONG}P1,{year}-03-02 00:00,1.0\n",
        "clock": f"{CLOCK}P1,{year}-03-02,00:00,1.0\n",
        "wide": f"{WIDE}P1,{year}-03-03{',1' * 24}\n",
        "nem12": f"{NEM12}300,{year}0302{',1' * 48},A,,,20250302\n900\n",
        "cmep": CMEP.format(year),
        "cim-xml": CIM.format(CIM_READING.format(year)),
    }
    return {name: text.encode() for name, text in texts.items()} | {"parquet": parquet(year), "mscons": mscons(year)}


def refused(data: bytes) -> list[Reject]:
    opened, _ = open_files(unwrap(memoryview(data), "a.csv"), ReadOptions())
    return [reject for file in opened for _, decoded in file.chunks() for reject in decoded.rejects]


LINES = {"long": 26, "clock": 26, "wide": 4, "nem12": 4, "cmep": 1, "cim-xml": 1, "parquet": 25, "mscons": None}


@pytest.mark.parametrize(("year", "says"), [("9999", TOO_LATE), ("0001", TOO_EARLY), ("1599", TOO_EARLY)])
@pytest.mark.parametrize("name", LINES)
def test_a_far_date_is_told_with_its_place(name: str, year: str, says: str) -> None:
    (reject,) = refused(files(year)[name])[:1]
    assert says in reject.reason
    assert year in f"{reject.reason} {reject.value}"
    assert LINES[name] in {reject.line, None}
    assert "clock" in reject.remedy


@pytest.mark.parametrize("year", ["2025", "2399"])
@pytest.mark.parametrize("name", LINES)
def test_other_dates_are_read(name: str, year: str) -> None:
    assert [one for one in refused(files(year)[name]) if "lies" in one.reason] == []


def test_what_is_no_date_is_told_as_before() -> None:
    for text in (f"{LONG}P1,9999-13-02 00:00,1.0\n", f"{LONG}P1,9999-02-29 00:00,1.0\n"):
        (reject,) = refused(text.encode())
        assert "is no date or time of this file" in reject.reason


def test_a_file_of_far_dates_alone_says_so() -> None:
    with pytest.raises(UnreadableFile, match=f"every date of column 'time' {TOO_LATE}"):
        refused(LONG.replace("2025", "9999").encode())


@pytest.mark.parametrize(
    "names", [("47110101", "47110102"), ("4711-01-01", "4711-01-02"), ("3001/01/05", "3001/01/06")]
)
def test_the_name_of_a_meter_is_no_far_date_beside_dates(names: tuple[str, ...]) -> None:
    text = "".join(f"{name},2025-03-01 {hour},1.5\n" for name in names for hour in HOURS)
    (file,), _ = open_files(unwrap(memoryview(text.encode()), "a.csv"), ReadOptions())
    assert {point for _, decoded in file.chunks() for part in decoded.series for point in part.points} == {*names}


@given(st.dates(), st.sampled_from(["%Y-%m-%d", "%Y%m%d"]))
def test_days_beyond_those_we_read_are_counted(day: date, shape: str) -> None:
    text = day.strftime(shape).zfill(len(shape) + 2)
    stamps = read_stamps(pa.array([text.encode()], pa.binary()), "ymd")
    near = 1600 <= day.year <= 2399
    assert (stamps.wall[0] // 86400, bool(stamps.good[0]), bool(stamps.beyond[0])) == (
        (day - date(1970, 1, 1)).days,
        near,
        not near,
    )
    assert bool(far_date(text)) is not near


def days(ids: list[str], dates: list[str]) -> str:
    return "".join(f"{name},{day}{',0.5' * 48}\n" for name in ids for day in dates)


@pytest.mark.parametrize("names", [("20250101", "20250102"), ("20250301", "20250302"), ("16000101", "23991231")])
def test_the_name_of_a_meter_is_no_date_beside_dates(names: tuple[str, ...]) -> None:
    """Their column was taken for dates and ignored, and two meters became one, where no names of columns are known."""
    text = "".join(f"{name},2025-03-01 {hour},1.5\n" for name in names for hour in HOURS)
    (file,), _ = open_files(unwrap(memoryview(text.encode()), "a.csv"), ReadOptions())
    assert {point for _, decoded in file.chunks() for part in decoded.series for point in part.points} == {*names}


def test_a_named_column_of_meters_keeps_its_names_and_its_one_day() -> None:
    head = "meter,date," + ",".join(map(str, range(1, 49))) + "\n"
    data = (head + days(["20250101", "20250102"], ["20250301"])).encode()
    (file,), _ = open_files(unwrap(memoryview(data), "a.csv"), ReadOptions())
    points = {point for _, decoded in file.chunks() for part in decoded.series for point in part.points}
    assert points == {"20250101", "20250102"}


def test_the_day_of_a_stamp_is_no_reading() -> None:
    text = "when,day,x\n" + "".join(f"2025-03-01 {hour},20250301,1.5\n" for hour in HOURS)
    (file,), _ = open_files(
        unwrap(memoryview(text.encode()), "a.csv"), ReadOptions(kind="interval", interval_minutes=60)
    )
    assert {one.what: one.value for one in file.dialect.evidence}["value column"] == "x"


def test_dates_and_names_that_nothing_tells_apart_are_asked_for() -> None:
    head = "a,b," + ",".join(map(str, range(1, 49))) + "\n"
    data = (head + days(["20250101", "20250102"], ["20250301", "20250302", "20250303"])).encode()
    with pytest.raises(AmbiguousInput, match="a, b hold eight digits") as refused:
        open_files(unwrap(memoryview(data), "a.csv"), ReadOptions())
    assert "--column point=NAME" in refused.value.remedy
    told = ReadOptions(columns={"point": "a", "date": "b"})
    (file,), _ = open_files(unwrap(memoryview(data), "a.csv"), told)
    points = {point for _, decoded in file.chunks() for part in decoded.series for point in part.points}
    assert points == {"20250101", "20250102"}
