"""EndDeviceEvents of IEC 61968-9, written by hand after the published structure: what they mean, damage, laws."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import InputError
from gridwright.domain.event import CLOCK_SET, NAMED, OFF, ON, POWER_OFF, POWER_ON, UNTIL, Reported
from gridwright.formats.cim_xml.event_types import duration_of, event_types
from gridwright.formats.registry import find_reader
from gridwright.formats.source import Decoded, ReadOptions
from tests.unit.formats.test_cim_xml import HOUR, a_message, a_meter

NAMESPACE = "http://iec.ch/TC57/2011/EndDeviceEvents#"
AT = "2025-03-01T10:00:00Z"
INSTANT = datetime(2025, 3, 1, 10, tzinfo=UTC)


def an_event(at: str = AT, code: str = "3.26.0.85", device: str = "M1", more: str = "", point: str = "") -> str:
    """Elements in the order of the published profile (2011)."""
    named = f"<m:Assets><m:mRID>{device}</m:mRID></m:Assets>" if device else ""
    place = f"<m:UsagePoint><m:mRID>{point}</m:mRID></m:UsagePoint>" if point else ""
    told = f'<m:EndDeviceEventType ref="{code}"/>' if code else "<m:EndDeviceEventType/>"
    return (
        f"<m:EndDeviceEvent><m:mRID>e-1</m:mRID><m:createdDateTime>{at}</m:createdDateTime>"
        f"<m:reason>storm</m:reason>{named}{more}{told}{place}</m:EndDeviceEvent>\n"
    )


def detail(name: str, value: str) -> str:
    told = f"<m:name>{name}</m:name><m:value>{value}</m:value>"
    return f"<m:EndDeviceEventDetails>{told}</m:EndDeviceEventDetails>"


def a_list(*events: str) -> bytes:
    return (
        '<EventMessage xmlns="http://iec.ch/TC57/2011/schema/message"><Header><Verb>created</Verb>'
        f'<Noun>EndDeviceEvents</Noun></Header><Payload><m:EndDeviceEvents xmlns:m="{NAMESPACE}">\n'
        f"{''.join(events)}</m:EndDeviceEvents></Payload></EventMessage>"
    ).encode()


def decoded(data: bytes, options: ReadOptions | None = None, chunk_bytes: int = 0) -> list[Decoded]:
    options, view = options or ReadOptions(), memoryview(data)
    reader: Any = find_reader(data[: 1 << 16], "file", options)
    if chunk_bytes:
        reader = type(reader)(chunk_bytes=chunk_bytes)
    dialect = reader.inspect(view, "file", options)
    return [reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect)]


def reports(data: bytes, options: ReadOptions | None = None) -> list[Reported]:
    pieces = decoded(data, options)
    assert [each.reason for piece in pieces for each in piece.rejects] == []
    return [each for piece in pieces for each in piece.reports]


def test_a_power_failure_and_its_restoration() -> None:
    off, on = reports(a_list(an_event(), an_event("2025-03-01T13:00:00+01:00", "3.26.0.216")))
    assert (off.line, off.event.type, off.event.at, off.event.end_device) == (2, POWER_OFF, INSTANT, "M1")
    assert (off.event.text, off.event.details["code"]) == ("storm", "3.26.0.85")
    assert (on.line, on.event.type, on.event.at) == (3, POWER_ON, INSTANT + timedelta(hours=2))


@pytest.mark.parametrize("code", sorted(event_types().types))
@pytest.mark.parametrize("kind", ["0", "3", "26"])
def test_every_code_of_the_table_is_power_off_or_on(code: str, kind: str) -> None:
    (one,) = reports(a_list(an_event(code=f"{kind}.{code}")))
    assert one.event.type in OFF | ON
    assert one.event.details.get("code", one.event.type) == f"{kind}.{code}"


@pytest.mark.parametrize("code", ["3.99.1.7", "10.26.0.85", "3.26.38.47", "vendor-17"])
def test_an_unknown_code_is_kept_as_it_is(code: str) -> None:
    """Low potential (3.26.38.47) of one phase is no outage; neither is a power failure of a gateway (10)."""
    (one,) = reports(a_list(an_event(code=code)))
    assert (one.event.type, "code" in one.event.details) == (code, False)


def test_a_code_without_a_kind_of_device_is_the_meters_where_it_matters() -> None:
    (one,) = reports(a_list(an_event(code="0" + CLOCK_SET[1:])))
    assert (one.event.type, one.event.details["code"]) == (CLOCK_SET, "0" + CLOCK_SET[1:])


def test_a_code_in_parts_and_one_that_stands_in_the_mrid() -> None:
    parts = "<m:type>3</m:type><m:domain>26</m:domain><m:subDomain>0</m:subDomain><m:eventOrAction>85</m:eventOrAction>"
    whole = an_event(code="").replace(
        "<m:EndDeviceEventType/>", f"<m:EndDeviceEventType>{parts}</m:EndDeviceEventType>"
    )
    by_id = an_event(code="", device="M2").replace("e-1", "3.26.9.185")
    assert [each.event.type for each in reports(a_list(whole, by_id))] == [POWER_OFF, POWER_OFF]


def test_whose_an_event_is() -> None:
    names = "<m:Assets><m:Names><m:name>BY-NAME</m:name></m:Names></m:Assets>"
    device = an_event(device="").replace(
        "<m:EndDeviceEventType", "<m:EndDevice><m:mRID>ED</m:mRID></m:EndDevice><m:EndDeviceEventType"
    )
    told = reports(
        a_list(an_event(device="", more=names), an_event(point="UP1"), an_event(device="", point="UP2"), device)
    )
    assert [(each.event.end_device, each.event.usage_point) for each in told] == [
        ("BY-NAME", ""),
        ("M1", "UP1"),
        ("UP2", "UP2"),
        ("ED", ""),
    ]
    (mine,) = reports(a_list(an_event()), ReadOptions(point="HOME"))
    assert (mine.event.end_device, mine.event.usage_point) == ("M1", "HOME")


def test_a_stamp_without_offset_is_in_the_zone() -> None:
    (one,) = reports(a_list(an_event("2025-07-01T12:00:00")), ReadOptions(zone="Europe/Berlin"))
    assert one.event.at == datetime(2025, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "value", "hours"),
    [
        ("duration", "PT2H", 2),
        ("Duration", "7200", 2),
        ("end", "2025-03-01T13:00:00+01:00", 2),
        ("duration", "P1D", 24),
    ],
)
def test_until_when_it_lasted(name: str, value: str, hours: int) -> None:
    (one,) = reports(a_list(an_event(more=detail(name, value))))
    assert one.event.details[UNTIL] == (INSTANT + timedelta(hours=hours)).isoformat()
    assert one.event.details[name] == value


def test_a_duration_that_is_none_is_kept_and_told() -> None:
    (piece,) = decoded(a_list(an_event(more=detail("duration", "a while"))))
    (one,) = piece.reports
    assert (UNTIL in one.event.details, one.event.details["duration"]) == (False, "a while")
    assert "'a while'" in piece.notes[0]


@pytest.mark.parametrize(
    ("event", "reason", "value"),
    [
        (an_event("2025-13-01T10:00:00Z"), "createdDateTime is no date and time", "2025-13-01T10:00:00Z"),
        (an_event(""), "createdDateTime is no date and time", ""),
        (an_event("0001-01-01T00:00:00Z"), "lies before the year 2000", "0001-01-01T00:00:00Z"),
        (an_event("9999-12-31T00:00:00Z"), "lies in the future", "9999-12-31T00:00:00Z"),
        (an_event("25025-03-01T00:00:00Z"), "lies in the future", "25025-03-01T00:00:00Z"),
        (an_event(code=""), "no EndDeviceEventType is told", ""),
        (an_event(code="1" * 70), "longer than 64 characters", ""),
        (an_event(device=""), "no Assets, EndDevice, Meter or UsagePoint", ""),
        (an_event(more=detail("end", "2025-03-01T09:00:00Z")), "ends before it begins", AT),
        (an_event(more=detail("duration", "-60")), "ends before it begins", AT),
        (an_event().replace("</m:Assets>", "</m:Asset>"), "damaged", ""),
    ],
)
def test_what_cannot_be_is_told_and_costs_nothing_else(event: str, reason: str, value: str) -> None:
    (piece,) = decoded(a_list(an_event(device="M0"), event, an_event(device="M2")))
    assert (piece.records, piece.rejected) == (3, 1)
    (told,) = piece.rejects
    assert (told.line, reason in told.reason, told.value, bool(told.remedy)) == (3, True, value, True)
    assert [each.event.end_device for each in piece.reports] == ["M0", "M2"]


def test_what_a_sender_calls_like_ours_is_not_ours() -> None:
    """`told_by` would make an outage a person's, `let_go` would hide an event from those who claim."""
    told = "".join(detail(name, "x") for name in ("told_by", "let_go", NAMED, "until", "code"))
    (one,) = reports(a_list(an_event(code="3.99.1.7", more=told)))
    assert not {"told_by", "let_go", NAMED, UNTIL, "code"} & set(one.event.details)


def test_control_characters_and_floods_of_details_do_no_harm() -> None:
    flood = "".join(detail(f"n{at}", "v" * 5_000) for at in range(500)) + detail("x", "&#0;&#27;[2J")
    (one,) = reports(a_list(an_event(more=flood)))
    assert len(one.event.details) < 60
    assert sum(map(len, one.event.details.values())) < 15_000
    (shown,) = reports(a_list(an_event(more=detail("x", "&#0;&#27;[2J"))))
    assert shown.event.details["x"].isprintable()


@pytest.mark.parametrize("head", ["<!DOCTYPE a [<!ENTITY b 'c'>]>", '<!DOCTYPE a SYSTEM "file:///etc/passwd">'])
def test_entities_are_refused(head: str) -> None:
    with pytest.raises(InputError, match="DOCTYPE"):
        decoded(head.encode() + a_list(an_event()))


def test_events_beside_readings_and_within_them() -> None:
    """The profile of MeterReadings has events within a MeterReading, under the name that is a list elsewhere."""
    inner = an_event(device="").replace("m:", "").replace("EndDeviceEvent>", "EndDeviceEvents>")
    apart = f'<m:EndDeviceEvents xmlns:m="{NAMESPACE}">{an_event(device="M2")}</m:EndDeviceEvents>'
    message = a_message(a_meter("".join(HOUR), more=inner)).replace(b"</Payload>", apart.encode() + b"</Payload>")
    (piece,) = decoded(message)
    assert (piece.records, piece.rejected, sum(part.size for part in piece.series)) == (5, 0, 3)
    assert sorted(each.event.end_device for each in piece.reports) == ["M1", "M2"]


def test_a_damaged_event_within_readings_costs_itself() -> None:
    inner = an_event("no date", device="").replace("m:", "").replace("EndDeviceEvent>", "EndDeviceEvents>")
    (piece,) = decoded(a_message(a_meter("".join(HOUR), more=inner)))
    assert (sum(part.size for part in piece.series), piece.rejected, piece.reports) == (3, 1, ())


def test_a_list_that_is_cut_off_is_told() -> None:
    pieces = decoded(a_list(an_event(), an_event(device="M2"))[:-120])
    assert [each.event.end_device for piece in pieces for each in piece.reports][:1] == ["M1"]
    assert any("cut off" in each.reason for piece in pieces for each in piece.rejects)


@given(st.lists(st.sampled_from(["M1", "M2", "ü", "a&amp;b"]), min_size=1, max_size=30), st.integers(40, 3000))
def test_pieces_make_no_difference(names: list[str], size: int) -> None:
    data = a_list(*(an_event(device=name) for name in names))
    whole, parts = decoded(data), decoded(data, chunk_bytes=size)
    assert [each for piece in parts for each in piece.reports] == [each for piece in whole for each in piece.reports]
    assert sum(piece.records for piece in parts) == len(names)


@given(st.text(max_size=20))
def test_durations_never_raise(text: str) -> None:
    found = duration_of(text)
    assert found is None or isinstance(found, timedelta)
