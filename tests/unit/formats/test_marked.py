"""What quality codes (IEC 61968-9) and reasons (MSCONS) say of a meter: events of it, with the time they hold."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain import event as e
from gridwright.domain.event import MARKING, UNTIL, EndDeviceEvent
from gridwright.formats.cim_xml.qualities import EVENT_OF_CODE
from gridwright.formats.mscons.codes import EVENT_OF_REASON
from gridwright.formats.registry import find_reader
from gridwright.formats.source import ReadOptions
from tests.unit.formats.test_cim_xml import REGISTER, a_message, a_meter, a_reading
from tests.unit.formats.test_mscons import ENERGY, POINT, interchange, message, value

QUARTER = timedelta(minutes=15)
FIRST = datetime(2025, 3, 1, tzinfo=UTC)


def events(data: bytes) -> list[EndDeviceEvent]:
    view, options = memoryview(data), ReadOptions()
    reader = find_reader(data, "file", options)
    dialect = reader.inspect(view, "file", options)
    return [one for chunk in reader.chunks(view, dialect) for one in reader.decode(view, chunk, dialect).events]


def quarters(*codes: tuple[str, ...]) -> str:
    stamps = [(FIRST + (at + 1) * QUARTER).isoformat() for at in range(len(codes))]
    return "".join(a_reading(stamp, 0.5, *told) for stamp, told in zip(stamps, codes, strict=True))


def spans(found: list[EndDeviceEvent]) -> list[tuple[str, int, int]]:
    """Type, first quarter and the one behind the last of each event."""
    until = [datetime.fromisoformat(one.details.get(UNTIL, one.at.isoformat())) for one in found]
    return [
        (one.type, (one.at - FIRST) // QUARTER, (end - FIRST) // QUARTER) for one, end in zip(found, until, strict=True)
    ]


def test_quality_codes_hold_for_as_long_as_readings_carry_them() -> None:
    found = events(a_message(a_meter(quarters(("1.4.5",), ("2.4.5", "2.4.9"), ("1.0.0",), ("1.4.5",)))))
    assert sorted(spans(found)) == sorted([(e.TEST_MODE, 0, 2), (e.TEST_MODE, 3, 4), (e.CLOCK_SET, 1, 2)])
    assert {(one.end_device, one.usage_point) for one in found} == {("M1", "M1")}


def test_the_meter_is_that_of_the_usage_point() -> None:
    point = "<UsagePoint><mRID>UP-1</mRID></UsagePoint>"
    (found,) = events(a_message(a_meter(quarters(("1.1.1",)), more=point)))
    assert (found.end_device, found.usage_point, found.type) == ("M1", "UP-1", e.BATTERY)


def test_a_code_of_a_register_is_of_its_moment() -> None:
    (found,) = events(a_message(a_meter(a_reading("2025-03-01T00:15:00Z", 12, "1.4.8"), REGISTER)))
    assert (found.type, found.at, dict(found.details)) == (e.RESET, FIRST + QUARTER, {})


@pytest.mark.parametrize("code", ["1.0.0", "3.5.258", "3.6.1", "2.2.32", "3.7.0", "4.1", "x.1.1", "1.1.1.1"])
def test_other_codes_are_no_events(code: str) -> None:
    assert events(a_message(a_meter(quarters((code,))))) == []


def reasoned(*reasons: str) -> bytes:
    """A quarter-hour for each, with the reason behind it where there is one."""
    parts: list[str] = []
    for at, reason in enumerate(reasons):
        begin, end = ((FIRST + step * QUARTER).strftime("%Y%m%d%H%M?+00") for step in (at, at + 1))
        parts += value("67:1.5", begin, end)
        parts += [reason] if reason else []
    return interchange(message(POINT, "LIN+1", ENERGY, *parts)).encode("latin-1")


def test_reasons_of_mscons_hold_for_their_values() -> None:
    found = events(reasoned("STS+Z34++Z81", "STS+Z40++ZB0", "", "STS+Z40++ZA0"))
    assert sorted(spans(found)) == [(e.DISTURBED, 0, 2), (e.CLOCK_SET, 3, 4)]
    assert {one.usage_point for one in found} == {"DE001"}


@pytest.mark.parametrize("reason", ["", "STS+Z40++Z74", "STS+Z32++Z92", "STS+Z33++Z81", "STS", "STS+Z34", "STS+Z40+"])
def test_other_reasons_are_no_events(reason: str) -> None:
    assert events(reasoned(reason)) == []


def test_every_code_that_is_an_event_marks_intervals() -> None:
    assert {*EVENT_OF_CODE.values(), *EVENT_OF_REASON.values()} <= MARKING
