"""What we export as MeterReadings against the structure of the published profile, told here in our own words.

The XSD of IEC 61968-9 is not free to pass on. Its order of elements, and what each may hold, was read off the Java
classes that others have generated from `MeterReadings.xsd` of 2011 (namespace `http://iec.ch/TC57/2011/MeterReadings#`;
in the public repository sixthcolumn/openwms), independently of our reader and writer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from xml.etree.ElementTree import Element

import numpy as np
import pytest

from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, pack
from gridwright.domain.reading_type import DELIVERED_ENERGY, POWER, RECEIVED_ENERGY, VOLTAGE
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.cim_xml import CIM_XML_WRITER
from tests.unit.formats.markup_reading import read

etree = pytest.importorskip("lxml.etree")
NAMESPACE = "{http://iec.ch/TC57/2011/MeterReadings#}"
# Element → its children in their order; ? at most one, * any number, none of both: exactly one.
CHILDREN = {
    "MeterReadings": "EndDeviceEventType* MeterReading* ReadingQualityType* ReadingType*",
    "MeterReading": (
        "isCoincidentTrigger? EndDeviceEvents* IntervalBlocks* Meter? Readings* UsagePoint? valuesInterval?"
    ),
    "IntervalBlocks": "IntervalReadings* PendingCalculation? ReadingType",
    "IntervalReadings": "reportedDateTime? source? timeStamp? value? ReadingQualities* timePeriod?",
    "Readings": "reason? reportedDateTime? source? timeStamp? value? ReadingQualities* ReadingType timePeriod?",
    "ReadingQualities": "comment? source? timeStamp? ReadingQualityType",
    "Meter": "mRID? Names* status?",
    "UsagePoint": "mRID? Names*",
}
DATE_TIME = r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"
FLOAT = r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|-?INF|NaN"
TEXTS = {"timeStamp": DATE_TIME, "value": FLOAT, "mRID": r".+"}
REFERENCES = {"ReadingType": r"-?\d+(\.-?\d+){17}", "ReadingQualityType": r"\d+\.\d+\.\d+"}


def faults(element: Element) -> list[str]:
    """Return what in an element the published structure does not allow."""
    name = element.tag.removeprefix(NAMESPACE)
    if name in REFERENCES and not len(element):
        right = re.fullmatch(REFERENCES[name], element.get("ref", "")) and set(element.attrib) == {"ref"}
        return [] if right else [f"{name} {dict(element.attrib)}"]
    if name in TEXTS:
        right = re.fullmatch(TEXTS[name], (element.text or "").strip()) and not element.attrib and not len(element)
        return [] if right else [f"{name} {element.text!r}"]
    if name not in CHILDREN:
        return [f"no element {element.tag}"]
    pattern = "".join(
        f"(?:{word.rstrip('?*')} ){word[-1] if word[-1] in '?*' else ''}" for word in CHILDREN[name].split()
    )
    order = "".join(child.tag.removeprefix(NAMESPACE) + " " for child in element)
    found = [] if re.fullmatch(pattern, order) else [f"{name} holds {order[:200]}"]
    return found + [fault for child in element for fault in faults(child)]


def exported(panels: list[Panel], reads: list[RegisterReading]) -> bytes:
    return b"".join(CIM_XML_WRITER.write(panels, reads, {"P<1>": UsagePoint("P<1>")}))


@pytest.mark.parametrize("kind", [DELIVERED_ENERGY, RECEIVED_ENERGY, DELIVERED_ENERGY.finer(-3), POWER, VOLTAGE])
def test_our_export_has_the_published_structure(kind: object) -> None:
    start = datetime(2025, 3, 30, tzinfo=UTC)
    quality = np.array(
        [[0, pack(Status.ACTUAL), pack(Status.ESTIMATED, Method.LINEAR), pack(Status.EDITED)] * 24], np.uint8
    )
    panel = Panel(("P<1>",), start, timedelta(minutes=15), np.arange(96.0)[None, :], quality, kind)  # type: ignore[arg-type]
    reads = [
        RegisterReading("P<1>", start + timedelta(hours=hour), 1000.0 * hour, device, 0, 1, DELIVERED_ENERGY.register())
        for device in ("M&1", "")
        for hour in (1, 2)
    ]
    root = etree.fromstring(exported([panel], reads))
    assert root.tag == f"{NAMESPACE}MeterReadings"
    assert faults(root) == []
    assert len(root.findall(f".//{NAMESPACE}IntervalReadings")) == 96


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<timeStamp>", "<value>1</value><timeStamp>"),
        ("<ReadingType ref", "<ReadingType name"),
        ("T00:15:00Z", " 00:15"),
        ("<UsagePoint>", "<UsagePoint></UsagePoint><UsagePoint>"),
        ("<IntervalBlocks>", "<UsagePoint/><IntervalBlocks>"),
        ("</value>", "x</value>"),
    ],
)
def test_the_check_sees_what_is_wrong(before: str, after: str) -> None:
    panel = Panel(("P",), datetime(2025, 3, 1, tzinfo=UTC), timedelta(minutes=15), np.ones((1, 4)))
    text = exported([panel], []).decode()
    assert before in text
    assert faults(etree.fromstring(text.replace(before, after, 1).encode())) != []


READING = (
    "<IntervalReadings><reportedDateTime>2025-03-01T09:00:00Z</reportedDateTime><source>HES</source>"
    "<timeStamp>2025-03-01T00:{}:00Z</timeStamp><value>{}</value><ReadingQualities><comment>c</comment>"
    "<source>HES</source><timeStamp>2025-03-01T09:00:00Z</timeStamp>"
    '<ReadingQualityType ref="3.0.1"/></ReadingQualities><timePeriod><end>2025-03-01T00:{}:00Z</end>'
    "<start>2025-03-01T00:00:00Z</start></timePeriod></IntervalReadings>"
)
CODE = "0.0.2.4.1.1.12.0.0.0.0.0.0.0.0.{}.72.0"
CALCULATION = (
    "<PendingCalculation><multiplyBeforeAdd>true</multiplyBeforeAdd><offset>0</offset><scalarFloat>40</scalarFloat>"
    f'<ReadingType ref="{CODE.format(0)}"/></PendingCalculation>'
)


def a_message(more: str) -> bytes:
    readings = "".join(READING.format(minute, minute, minute) for minute in (15, 30))
    block = f'<IntervalBlocks>{readings}{more}<ReadingType ref="{CODE.format(3)}"/></IntervalBlocks>'
    meter = "<Meter><mRID>M1</mRID><status><value>ok</value></status></Meter>"
    return (
        f'<MeterReadings xmlns="{NAMESPACE[1:-1]}"><MeterReading>'
        f"<isCoincidentTrigger>false</isCoincidentTrigger>{block}"
        f"{meter}<UsagePoint><mRID>P1</mRID></UsagePoint><valuesInterval><end>2025-03-01T00:30:00Z</end></valuesInterval>"
        f"</MeterReading><ReadingType><mRID>{CODE.format(3)}</mRID></ReadingType></MeterReadings>"
    ).encode()


def test_every_element_that_the_profile_allows_may_be_there() -> None:
    result = read(a_message(""))
    assert result.rejects == ()
    assert list(result.values.values()) == [15_000.0, 30_000.0]
    assert {point for point, *_ in result.values} == {"P1"}


def test_values_on_which_a_calculation_is_due_are_refused() -> None:
    """They are not what they seem: taken as they stand, they would be a fortieth of the energy."""
    result = read(a_message(CALCULATION))
    assert result.values == {}
    (reject,) = result.rejects
    assert "PendingCalculation" in reject.reason
    assert result.rejected == 2
