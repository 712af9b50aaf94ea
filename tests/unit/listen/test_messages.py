"""What the topic of a message says, and what it leaves out."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from gridwright.api.ingest.lines import LineMapping, usual_fields
from gridwright.api.ingest.meaning import Said
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import Flow
from gridwright.listen.ignored import NO_MEANING, Told
from gridwright.listen.messages import Messages, Taken
from gridwright.protocols.sparkplug import Delivery, read_topic
from gridwright.protocols.sparkplug.session import Age
from tests.unit.protocols.sparkplug_writer import field, metric, payload, template

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MESSAGES = Messages(LineMapping(usual_fields()), ("gridwright/{usage_point}/{quantity}",))


@pytest.mark.parametrize(
    ("topic", "level"),
    [
        ("gridwright//voltage", "usage_point"),
        ("gridwright/UP-1/", "quantity"),
        ("gridwright//", "usage_point"),
    ],
)
def test_an_empty_level_of_a_topic_is_named(topic: str, level: str) -> None:
    verdicts = MESSAGES.take(topic, b"230.1", NOW).decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected) == (0, 1)
    told = verdicts.listed[0].to_dict()
    assert told["reason"] == f"its level for {{{level}}} is empty"
    assert told["value"] == topic


def test_a_full_topic_is_taken() -> None:
    verdicts = MESSAGES.take("gridwright/UP-1/voltage", b"230.1", NOW).decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected) == (1, 0)


@pytest.mark.parametrize("topic", ["gridwright/ UP-1 /voltage", "spBv1.0/plant/DDATA/gateway/ UP-1 "])
def test_a_name_is_taken_without_the_blanks_around_it_as_everywhere_else(topic: str) -> None:
    body = payload(AT, 0, [metric("voltage", double=230.0)]) if topic.startswith("spB") else b"230.1"
    assert [one.name for one in MESSAGES.take(topic, body, NOW).decoded.few] == ["UP-1"]


@pytest.mark.parametrize("body", [b"null", b'"5"', b"[1,2]", b"true", b"x"])
def test_what_is_no_number_is_shown_as_it_came(body: bytes) -> None:
    (verdict,) = MESSAGES.take("gridwright/UP-1/voltage", body, NOW).decoded.verdicts.listed
    assert verdict.value == body.decode()


@pytest.mark.parametrize(
    ("age", "said"), [(Age(late=True), "waited at the broker"), (Age(retained=True), "the broker retains")]
)
def test_a_value_without_a_time_that_is_not_of_now_is_refused_and_one_with_a_time_taken(age: Age, said: str) -> None:
    delivery = Delivery(age=age)
    (told,) = MESSAGES.take("gridwright/UP-1/voltage", b"230.1", NOW, delivery).decoded.verdicts.listed
    assert told.status == "rejected"
    assert said in str(told.to_dict()["reason"])
    assert '"at"' in str(told.to_dict()["remedy"])
    timed = json.dumps({"value": 230.1, "at": ONE_THING}).encode()
    assert MESSAGES.take("gridwright/UP-1/voltage", timed, NOW, delivery).decoded.verdicts.rejected == 0
    mapping = LineMapping(usual_fields())
    topic = "spBv1.0/plant/DBIRTH/gateway/UP-1"
    bodies = [field(2, metric("voltage", datatype=10, double=230.1, at_ms=at)) + field(3, 1) for at in (None, AT)]
    found = [Messages(mapping).take(topic, body, NOW, delivery).decoded.verdicts.rejected for body in bodies]
    assert found == [1, 0]


ONE_THING = "2026-11-24T12:00:00Z"


@pytest.mark.parametrize(
    ("words", "quality", "flow"),
    [
        ({}, Status.RAW, Flow.DELIVERED),
        ({"quality": "estimated"}, Status.ESTIMATED, Flow.DELIVERED),
        ({"flow": "received"}, Status.RAW, Flow.RECEIVED),
        ({"reading_type": "electricity/received/energy/delta/0"}, Status.RAW, Flow.RECEIVED),
        ({"at": None, "timestamp": ONE_THING, "interval_s": 900}, Status.RAW, Flow.DELIVERED),
        ({"timestamp": ONE_THING, "usage_point": "UP-1"}, Status.RAW, Flow.DELIVERED),
    ],
)
def test_an_object_has_the_words_of_a_json_record(words: dict[str, object], quality: Status, flow: Flow) -> None:
    body = json.dumps({"value": 9, "at": ONE_THING} | words).encode()
    (found,) = MESSAGES.take("gridwright/UP-1/kwh", body, NOW).decoded.few
    assert (found.at_s, found.counts) == (int(datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()), 9000)
    assert (found.meaning.quality, found.meaning.reading_type.flow) == (quality, flow)


@pytest.mark.parametrize(
    ("topic", "body", "field"),
    [
        ("kwh", b'{"value": true, "at": "2026-11-24T12:00:00Z"}', "value"),
        ("voltage", b"true", "value"),
        ("kwh", b'{"value": 1, "at": "2026-11-24T12:00:00Z", "timestamp": "2026-11-24T12:15:00Z"}', "timestamp"),
        ("kwh", b'{"value": 1, "at": "2026-11-24T12:00:00Z", "at": "2026-11-24T12:15:00Z"}', "at"),
        ("kwh", b'{"value": 1, "kwh": 2, "at": "2026-11-24T12:00:00Z"}', "value"),
        ("kwh", b'{"value": 1, "usage_point": "UP-2", "at": "2026-11-24T12:00:00Z"}', "usage_point"),
        ("kwh", b'{"value": 1, "quality": "guessed", "at": "2026-11-24T12:00:00Z"}', "quality"),
        ("kwh", b'{"value": 1, "interval_s": "long", "at": "2026-11-24T12:00:00Z"}', "interval_s"),
        ("kwh", b'{"value": 1, "unit": 7, "at": "2026-11-24T12:00:00Z"}', "unit"),
        ("register_kwh", b'{"value": 1, "ts": 1764000000}', "ts"),
    ],
)
def test_an_object_that_contradicts_itself_is_refused(topic: str, body: bytes, field: str) -> None:
    verdicts = MESSAGES.take(f"gridwright/UP-1/{topic}", body, NOW).decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected) == (0, 1)
    assert verdicts.listed[0].fault.field == field


# --- Sparkplug's metrics ----------------------------------------------------------------------------------------------

AT = int(NOW.timestamp() * 1000) - 3_600_000
USUAL = LineMapping(usual_fields())


def taken(*metrics: bytes, kind: str = "DBIRTH", mapping: LineMapping = USUAL) -> Taken:
    return Messages(mapping).take(f"spBv1.0/plant/{kind}/gateway/UP-1", payload(AT, 1, list(metrics)), NOW)


def why(one: Taken) -> list[tuple[str, str]]:
    return [(each.metric, each.reason) for each in one.ignored]


def test_members_of_a_template_are_read_by_name() -> None:
    inner = template(metric("energy_kwh", datatype=10, double=0.7, at_ms=AT))
    one = taken(metric("meter/feed", datatype=19, other=inner))
    assert (one.decoded.verdicts.accepted, one.decoded.verdicts.rejected, one.ignored) == (1, 0, ())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (metric("meter/thing", double=3.0), ("meter/thing", NO_MEANING)),
        (metric("feed", other=template(metric("thing", double=3.0))), ("feed/thing", NO_MEANING)),
        (metric("meter/energy_kwh", text="0.7"), ("meter/energy_kwh", "it is a text, and no number")),
        (metric("energy_kwh", other={17: b""}), ("energy_kwh", "it is a data set, and no number")),
        (metric("energy_kwh", other={16: b"x"}), ("energy_kwh", "it is bytes, and no number")),
        (metric("log", other={16: b"x"}), ("log", NO_MEANING)),
    ],
)
def test_what_is_not_stored_is_told(body: bytes, told: tuple[str, str]) -> None:
    one = taken(body, metric("meter/voltage", double=230.0))
    assert (one.decoded.verdicts.accepted, one.decoded.verdicts.rejected) == (1, 0)
    assert why(one) == [told]
    assert "[line_protocol.fields]" in one.ignored[0].to_dict()["remedy"]


@pytest.mark.parametrize("name", ["bdSeq", "Node Control/Rebirth", "Device Control/Reboot"])
def test_what_the_specification_itself_sends_is_not_told(name: str) -> None:
    assert taken(metric(name, whole=1)).ignored == ()


@pytest.mark.parametrize("name", ["thing", "meter/thing", "UP-1"])
def test_what_is_listed_in_ignore_is_not_told(name: str) -> None:
    mapping = LineMapping(usual_fields(), ignore=frozenset({name}))
    assert taken(metric("meter/thing", double=3.0), mapping=mapping).ignored == ()


def test_a_metric_may_be_named_in_full() -> None:
    mapping = LineMapping(usual_fields() | {"l1/thing": Said(unit="V")})
    one = taken(metric("L1/thing", double=230.0), metric("L2/thing", double=231.0), mapping=mapping)
    assert (one.decoded.verdicts.accepted, why(one)) == (1, [("L2/thing", NO_MEANING)])


def test_a_value_of_the_past_without_a_time_is_refused() -> None:
    one = taken(metric("meter/energy_kwh", double=1.0, historical=True))
    assert (one.decoded.verdicts.accepted, one.decoded.verdicts.listed[0].fault.field) == (0, "timestamp")


def test_each_is_told_once_a_birth_and_is_new_once() -> None:
    told, of = Told(), "spBv1.0/plant/{}/gateway/{}"
    data, birth = read_topic(of.format("DDATA", "UP-1")), read_topic(of.format("DBIRTH", "UP-1"))
    one = taken(metric("thing", double=3.0)).ignored
    both = taken(metric("thing", double=3.0), metric("other", double=3.0)).ignored
    assert told.news(birth, one) == (one, True)
    assert told.news(data, one) == ((), False)
    assert told.news(data, both) == (both[1:], True)
    assert told.news(birth, both) == (both, False), "told again by its birth, and kept before"
    assert told.news(read_topic(of.format("DDATA", "UP-2")), one) == (one, True), "of another device"
    assert told.news(read_topic("spBv1.0/plant/NBIRTH/gateway"), ()) == ((), False)
    assert told.news(data, one) == (one, False)


# --- Quality ----------------------------------------------------------------------------------------------------------


def quality(code: int, number: int = 3) -> dict[int, bytes]:
    """Return what `other` of a metric is for one with the property `Quality` behind another."""
    values = (field(1, 12) + field(8, b"kWh"), field(1, 3) + field(number, code))
    return {9: field(1, b"unit") + field(1, b"Quality") + b"".join(field(2, value) for value in values)}


@pytest.mark.parametrize(
    ("code", "accepted", "rejected", "ignored"), [(192, 1, 0, 0), (0, 0, 1, 0), (500, 0, 0, 1), (64, 1, 0, 0)]
)
@pytest.mark.parametrize("number", [3, 4])
def test_what_the_sender_does_not_vouch_for_is_not_stored_and_is_told(
    code: int, accepted: int, rejected: int, ignored: int, number: int
) -> None:
    one = taken(metric("energy_kwh", datatype=10, double=0.7, at_ms=AT, other=quality(code, number)))
    verdicts = one.decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected, len(one.ignored)) == (accepted, rejected, ignored)
    if rejected:
        assert verdicts.listed[0].to_dict()["value"] == "energy_kwh 0.7"


def unit(text: str, key: str = "engUnit") -> dict[int, bytes]:
    """Return what `other` of a metric is for one whose properties tell its unit."""
    return {9: field(1, key.encode()) + field(2, field(1, 12) + field(8, text.encode()))}


@pytest.mark.parametrize(
    ("name", "told", "counts"),
    [
        ("energy_kwh", unit("Wh"), 44),
        ("energy_kwh", unit("kWh"), 44_000),
        ("energy_kwh", {}, 44_000),
        ("power", unit("kW"), 44_000),
        ("power", unit("W", "Unit"), 44),
        ("power", unit("horses"), 44),
        ("power_factor", unit("1"), 44_000),
    ],
)
def test_the_unit_that_properties_tell_counts(name: str, told: dict[int, bytes], counts: int) -> None:
    (one,) = taken(metric(name, double=44.0, at_ms=AT, other=told)).decoded.few
    assert one.counts == counts


def test_a_unit_of_something_else_refuses_the_value() -> None:
    verdicts = taken(metric("voltage", double=230.0, at_ms=AT, other=unit("kW"))).decoded.verdicts
    assert (verdicts.accepted, verdicts.rejected) == (0, 1)
    assert "kW, which does not measure voltage" in str(verdicts.listed[0].to_dict())


def test_members_of_a_template_are_as_good_as_it_is() -> None:
    inner = template(metric("energy_kwh", datatype=10, double=0.7, at_ms=AT))
    one = taken(metric("meter", datatype=19, other=quality(0) | inner))
    assert (one.decoded.verdicts.accepted, one.decoded.verdicts.rejected) == (0, 1)


def test_of_several_samples_of_an_interval_the_latest_counts_wherever_it_stands() -> None:
    samples = [(60_000, 231.0), (120_000, 232.0), (0, 230.0)]
    one = taken(*(metric("voltage", double=volts, at_ms=AT + after) for after, volts in samples), kind="DDATA")
    assert [each.counts for each in one.decoded.few] == [2300, 2310, 2320]
    now_last = taken(metric("voltage", double=9.0), metric("voltage", double=8.0, at_ms=AT - 1), kind="DDATA")
    assert [each.counts for each in now_last.decoded.few] == [80, 90]
