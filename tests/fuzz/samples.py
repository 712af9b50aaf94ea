"""A small sound input for each entrance, with the bytes of each reading in it, so that anybody can count them."""

from __future__ import annotations

import gzip
import io
import json
import re
import zipfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gridwright.api.edge.wire import ClockTrust, EdgeBatch, Record, Report
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.registry import writer_named
from tests.unit.protocols.sparkplug_writer import metric, payload

START = datetime(2025, 3, 1, tzinfo=UTC)
STEP = timedelta(minutes=30)
DAY = 48
POINT = "UPX"


@dataclass(frozen=True)
class Sample:
    """An input, the records that its readings are, and the words in it that attacks put others in place of.

    `records`: the bytes of each record; whole lines where they end so. `each`: readings of one of them. `value`,
    `stamp`, `name`: one of each as it is written, empty where the input has none as text.
    """

    data: bytes
    records: tuple[bytes, ...] = ()
    value: bytes = b""
    stamp: bytes = b""
    name: bytes = POINT.encode()
    each: int = 1


def values(count: int) -> list[float]:
    """Return values in kWh of four digits that differ and that no stamp holds."""
    return [round(7.013 + 0.017 * at, 3) for at in range(count)]


def a_panel(start: datetime = START) -> Panel:
    """Return a day of one usage point, of which each value occurs once."""
    counts = np.array([np.rint(np.array(values(DAY)) * 1000)])
    return Panel((POINT,), start, STEP, counts, np.ones((1, DAY), np.uint8))


def written(name: str, *, registers: bool = False, start: datetime = START) -> bytes:
    """Return a file of a format as we write it."""
    points = {POINT: UsagePoint(POINT)}
    if not registers:
        return b"".join(writer_named(name).write([a_panel(start)], [], points))
    kind = DELIVERED_ENERGY.register()
    reads = [
        RegisterReading(POINT, START + timedelta(days=at), round(value * 1000), "M1", 0, 1, kind)
        for at, value in enumerate(values(8))
    ]
    return b"".join(writer_named(name).write([], reads, points))


def cut(data: bytes, pattern: bytes) -> tuple[bytes, ...]:
    """Return the records of a sound input."""
    found = tuple(match.group() for match in re.finditer(pattern, data, re.MULTILINE))
    assert found
    return found


def nem12() -> Sample:
    data = written("nem12", start=START - timedelta(hours=10))
    return Sample(data, cut(data, rb"^300,.*\n"), b"7.064", b"20250301", each=DAY)


def nem13() -> Sample:
    data = written("nem13", registers=True)
    return Sample(data, cut(data, rb"^250,.*\n"), b"7.064", b"20250302100000")


def csv_long() -> Sample:
    rows = [f"{POINT},{START + STEP * at:%Y-%m-%d %H:%M},{value:.3f}" for at, value in enumerate(values(DAY))]
    data = ("meter,start,kWh\n" + "\n".join(rows) + "\n").encode()
    return Sample(data, cut(data, rb"^UPX,.*\n"), b"7.064", b"2025-03-01 03:30")


def csv_wide() -> Sample:
    data = written("wide-csv")
    return Sample(data, cut(data, rb"^UPX,.*\n"), b"7.064", b"2025-03-01", each=DAY)


def csv_registers() -> Sample:
    reads = [f"{POINT},{START + timedelta(days=at):%Y-%m-%d},{1000 + value:.3f}" for at, value in enumerate(values(20))]
    data = ("meter,read_at,register_kwh\n" + "\n".join(reads) + "\n").encode()
    return Sample(data, cut(data, rb"^UPX,.*\n"), b"1007.064", b"2025-03-05")


def cmep() -> Sample:
    data = written("cmep")
    return Sample(data, cut(data, rb"^MEPMD01,.*\n"), b"7.064", b"202503010330", each=DAY)


def mscons() -> Sample:
    data = written("mscons")
    return Sample(data, cut(data, rb"QTY\+220:[^']*'DTM\+163:[^']*'DTM\+164:[^']*'"), b"7.064", b"202503010330")


def green_button() -> Sample:
    data = written("green-button")
    return Sample(data, cut(data, rb"<IntervalReading>.*?</IntervalReading>"), b"7064", b"1740796200")


def cim_xml() -> Sample:
    data = written("cim-xml")
    return Sample(data, cut(data, rb"<IntervalReadings>.*?</IntervalReadings>"), b"7064", b"2025-03-01T03:30:00")


def cim_events() -> Sample:
    event = (
        "<m:EndDeviceEvent><m:createdDateTime>2025-03-01T{:02}:30:00Z</m:createdDateTime><m:Assets><m:mRID>UPX</m:mRID>"
        '</m:Assets><m:EndDeviceEventType ref="3.26.0.85"/></m:EndDeviceEvent>\n'
    )
    data = (
        '<m:EndDeviceEvents xmlns:m="http://iec.ch/TC57/2011/EndDeviceEvents#">\n'
        f"{''.join(event.format(at) for at in range(24))}</m:EndDeviceEvents>"
    ).encode()
    return Sample(data, cut(data, rb"<m:EndDeviceEvent>.*?</m:EndDeviceEvent>"), b"3.26.0.85", b"2025-03-01T03:30:00")


def dk_cim() -> Sample:
    points = "".join(
        f"<c:Point><c:position>{at + 1}</c:position><c:quantity>{value:.3f}</c:quantity></c:Point>\n"
        for at, value in enumerate(values(DAY))
    )
    root = "c:NotifyValidatedMeasureData_MarketDocument"
    data = (
        f'<{root} xmlns:c="urn:ediel.org:measure:notifyvalidatedmeasuredata:0:1">\n<c:Series>'
        f'<c:marketEvaluationPoint.mRID codingScheme="A10">{POINT}</c:marketEvaluationPoint.mRID>'
        "<c:marketEvaluationPoint.type>E17</c:marketEvaluationPoint.type>"
        "<c:quantity_Measure_Unit.name>KWH</c:quantity_Measure_Unit.name><c:Period><c:resolution>PT15M</c:resolution>"
        "<c:timeInterval><c:start>2025-02-28T23:00Z</c:start><c:end>2025-03-01T11:00Z</c:end></c:timeInterval>\n"
        f"{points}</c:Period></c:Series>\n</{root}>\n"
    ).encode()
    return Sample(data, cut(data, rb"<c:Point>.*?</c:Point>"), b"7.064", b"2025-02-28T23:00Z")


def dk_ebix() -> Sample:
    points = "".join(
        f"<n:IntervalEnergyObservation><n:Position>{at + 1}</n:Position><n:EnergyQuantity>{value:.3f}"
        "</n:EnergyQuantity></n:IntervalEnergyObservation>\n"
        for at, value in enumerate(values(DAY))
    )
    root = "n:DK_MeteredDataTimeSeries"
    data = (
        f'<{root} xmlns:n="un:unece:260:data:EEM-DK_MeteredDataTimeSeries:v3">\n<n:PayloadEnergyTimeSeries>'
        "<n:ObservationTimeSeriesPeriod><n:ResolutionDuration>PT15M</n:ResolutionDuration>"
        "<n:Start>2025-02-28T23:00:00Z</n:Start><n:End>2025-03-01T11:00:00Z</n:End></n:ObservationTimeSeriesPeriod>"
        "<n:IncludedProductCharacteristics><n:UnitType>KWH</n:UnitType></n:IncludedProductCharacteristics>"
        "<n:DetailMeasurementMeteringPointCharacteristics><n:TypeOfMeteringPoint>E17</n:TypeOfMeteringPoint>"
        "</n:DetailMeasurementMeteringPointCharacteristics><n:MeteringPointDomainLocation>"
        f"<n:Identification>{POINT}</n:Identification></n:MeteringPointDomainLocation>\n"
        f"{points}</n:PayloadEnergyTimeSeries>\n</{root}>\n"
    ).encode()
    pattern = rb"<n:IntervalEnergyObservation>.*?</n:IntervalEnergyObservation>"
    return Sample(data, cut(data, pattern), b"7.064", b"2025-02-28T23:00:00Z")


def dk_json() -> Sample:
    points = [{"position": {"value": at + 1}, "quantity": value} for at, value in enumerate(values(DAY))]
    series = {
        "mRID": "S1",
        "marketEvaluationPoint.mRID": {"codingScheme": "A10", "value": POINT},
        "marketEvaluationPoint.type": {"value": "E17"},
        "quantity_Measure_Unit.name": {"value": "KWH"},
        "Period": {
            "resolution": "PT15M",
            "timeInterval": {"start": {"value": "2025-02-28T23:00Z"}, "end": {"value": "2025-03-01T11:00Z"}},
            "Point": points,
        },
    }
    data = json.dumps({"NotifyValidatedMeasureData_MarketDocument": {"mRID": "m", "Series": [series]}}).encode()
    return Sample(data, cut(data, rb'\{"position": [^}]*\}[^}]*\}'), b"7.064", b"2025-02-28T23:00Z")


def _table() -> pa.Table:
    stamps = pa.array([START + STEP * at for at in range(DAY)], pa.timestamp("us", "UTC"))
    return pa.table({"usage_point": [POINT] * DAY, "start": stamps, "kwh": values(DAY)})


def parquet() -> Sample:
    sink = io.BytesIO()
    pq.write_table(_table(), sink, compression="none", write_page_checksum=True)
    return Sample(sink.getvalue())


def zipped() -> Sample:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), csv_long().data, zipfile.ZIP_DEFLATED)
    return Sample(sink.getvalue())


def gzipped() -> Sample:
    return Sample(gzip.compress(csv_long().data, mtime=0))


def records() -> list[dict[str, object]]:
    return [
        {"usage_point": POINT, "start": f"{START + STEP * at:%Y-%m-%dT%H:%M:%SZ}", "kwh": value, "interval_s": 1800}
        for at, value in enumerate(values(12))
    ]


def body_json() -> Sample:
    data = json.dumps(records()).encode()
    return Sample(data, cut(data, rb"\{[^{}]*\}"), b"7.064", b"2025-03-01T03:30:00Z")


def body_ndjson() -> Sample:
    data = "".join(json.dumps(one) + "\n" for one in records()).encode()
    return Sample(data, cut(data, rb"\{[^{}]*\}"), b"7.064", b"2025-03-01T03:30:00Z")


def body_csv() -> Sample:
    rows = [f"{one['usage_point']},{one['start']},{one['kwh']},1800\n" for one in records()]
    data = ("usage_point,start,kwh,interval_s\n" + "".join(rows)).encode()
    return Sample(data, cut(data, rb"^UPX,.*\n"), b"7.064", b"2025-03-01T03:30:00Z")


def _arrow(*, file: bool) -> bytes:
    out = io.BytesIO()
    table = _table().append_column("interval_s", pa.array([1800] * DAY, pa.int32()))
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def body_stream() -> Sample:
    return Sample(_arrow(file=False))


def body_file() -> Sample:
    return Sample(_arrow(file=True))


def form_urlencoded() -> Sample:
    return Sample(b"meter_id=UPX&reading=7.013&at=2025-03-01T03:30:00Z", (), b"7.013", b"2025-03-01T03:30:00Z")


def form_multipart() -> Sample:
    parts = {"meter_id": POINT, "reading": "7.013", "at": "2025-03-01T03:30:00Z"}
    body = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in parts.items()
    )
    return Sample(f"{body}--b--\r\n".encode(), (), b"7.013", b"2025-03-01T03:30:00Z")


def form_json() -> Sample:
    data = json.dumps({"meter_id": POINT, "reading": 7.013, "at": "2025-03-01T03:30:00Z"}).encode()
    return Sample(data, (data,), b"7.013", b"2025-03-01T03:30:00Z")


def lines() -> Sample:
    rows = [
        f"meter,usage_point={POINT} energy_kwh={value:.3f} {int((START + STEP * at).timestamp())}000000000\n"
        for at, value in enumerate(values(12))
    ]
    data = "".join(rows).encode()
    return Sample(data, cut(data, rb"^meter.*\n"), b"7.064", b"1740799800000000000")


def mqtt_value() -> Sample:
    data = b'{"value": 7.013, "at": "2025-03-01T03:30:00Z", "unit": "kWh", "interval_s": 1800}'
    return Sample(data, (), b"7.013", b"2025-03-01T03:30:00Z", b"")


def mqtt_outage() -> Sample:
    data = b'{"usage_points": ["UPX"], "from": "2025-03-01T03:30:00Z", "to": "2025-03-01T04:00:00Z"}'
    return Sample(data.replace(b"UPX", POINT.encode()), stamp=b"2025-03-01T03:30:00Z")


def sparkplug() -> Sample:
    at = int(START.timestamp()) * 1000
    metrics = [metric(f"energy_{one}/kwh", datatype=10, double=value, at_ms=at) for one, value in enumerate(values(6))]
    return Sample(payload(at, 0, metrics), name=b"")


def edge_wire() -> Sample:
    entries = [
        Record(at + 1, "/v1/readings", "application/json", "", 1_740_800_000_000_000, ClockTrust.RIGHT, False, body)  # noqa: FBT003 - in the order of the wire
        for at, body in enumerate(json.dumps(one).encode() for one in records())
    ]
    batch = EdgeBatch("0123456789abcdef", 1, len(entries), entries, Report(1_740_800_000_000_000))
    data = msgspec.msgpack.encode(batch)
    return Sample(data, cut(data, rb"\{[^{}]*\}"), b"7.064", b"2025-03-01T03:30:00Z")


def telegram_lines() -> Sample:
    rows = [f"1-0:1.8.{at}*255({value:010.3f}*kWh)\r\n" for at, value in enumerate(values(12))]
    data = ("".join(rows) + "!\r\n").encode()
    return Sample(data, cut(data, rb"^1-.*\n"), b"000007.064", b"", b"1-0:1.8.3*255")


@cache
def sample_of(make: object) -> Sample:
    """Return a sample, made once."""
    return make()  # type: ignore[operator, no-any-return]


# What holds no elements, closed or not: comments, processing instructions, character data.
TEXT = re.compile(rb"<!--.*?(?:-->|\Z)|<\?.*?(?:\?>|\Z)|<!\[CDATA\[.*?(?:\]\]>|\Z)", re.DOTALL)


def seen(sample: Sample, data: bytes, *, markup: bool = False) -> int:
    """Return how many readings of a sample still stand whole in a changed input."""
    if markup:
        data = TEXT.sub(b"", data)
    if all(record.endswith(b"\n") for record in sample.records):
        lines = Counter(data.split(b"\n"))
        return sample.each * sum(lines[record[:-1]] for record in sample.records)
    return sample.each * sum(data.count(record) for record in sample.records)
