"""Sparkplug B: payloads by the numbers of its `.proto` file, births, aliases, gaps and deaths."""

from __future__ import annotations

from contextlib import suppress

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.protocols.sparkplug import Birth, Change, Delivery, Sessions, SparkplugError, read_payload, read_topic
from gridwright.protocols.sparkplug.payload import DEEPEST, LONGEST_NAME, MAX_METRICS, TOO_DEEP
from gridwright.protocols.sparkplug.session import ONCE, rebirth_command
from tests.unit.protocols.sparkplug_writer import field, metric, payload, template

AT = 1_700_000_000_000


AGAIN, LOSSY = Delivery(again=True), Delivery(kept=False)


def take(
    sessions: Sessions, kind: str, seq: int, *metrics: bytes, device: str = "", at: int = AT, how: Delivery = ONCE
) -> Change:
    topic = f"spBv1.0/plant/{kind}/gateway" + (f"/{device}" if device else "")
    return sessions.take(read_topic(topic), read_payload(payload(at, seq, list(metrics))), how)


def told(change: Change) -> list[tuple[str, float | str | None]]:
    return [(one.name, one.value) for one in change.metrics]


@pytest.mark.parametrize(
    ("datatype", "bits", "value"),
    [
        (1, 0xFF, -1),
        (2, 0x8000, -32_768),
        (3, 0xFFFFFFFF, -1),
        (3, 5, 5),
        (4, 2**64 - 2, -2),
        (7, 2**32 - 1, 2**32 - 1),
    ],
)
def test_signs_follow_from_the_datatype(datatype: int, bits: int, value: int) -> None:
    assert told(take(Sessions(), "NBIRTH", 0, metric("x", datatype=datatype, whole=bits))) == [("x", value)]


def test_data_uses_the_aliases_types_and_times_of_the_birth() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0)
    take(sessions, "DBIRTH", 1, metric("power", alias=3, datatype=3, whole=10), device="M-1")
    take(sessions, "DBIRTH", 2, metric("voltage", alias=3, datatype=10, double=230.0), device="M-2")
    change = take(sessions, "DDATA", 3, metric(alias=3, whole=2**32 - 7), device="M-1")
    assert (told(change), change.rebirth, change.metrics[0].at_ms) == ([("power", -7)], False, AT)
    assert told(take(sessions, "DDATA", 4, metric(alias=3, double=229.5), device="M-2")) == [("voltage", 229.5)]


def test_data_has_the_units_of_its_birth_also_of_one_that_was_kept() -> None:
    sessions, told_unit = Sessions(), {9: field(1, b"engUnit") + field(2, field(8, b"Wh"))}
    inner = template(metric("energy", alias=4, double=2.0, other=told_unit))
    take(sessions, "NBIRTH", 0)
    born = take(sessions, "DBIRTH", 1, metric("energy", alias=3, other=told_unit), metric("m", other=inner), device="M")
    assert born.birth is not None
    again = Sessions()
    again.restore(msgspec.json.decode(msgspec.json.encode(born.birth), type=Birth))
    for one in (sessions, again):
        data = take(one, "DDATA", 2, metric(alias=3, double=1.0), metric(alias=4, double=1.0), device="M")
        assert [(each.name, each.unit) for each in data.metrics] == [("energy", "Wh"), ("m/energy", "Wh")]
    earlier = msgspec.json.decode(b'{"group":"g","node":"n","device":"","at_ms":1,"bd_seq":1,"metrics":[]}', type=Birth)
    assert earlier.units == ()
    changed = take(sessions, "DBIRTH", 3, metric("energy", alias=3), metric("m", other=inner), device="M")
    assert changed.birth is not None, "another unit is news that is kept"


def test_a_node_that_nobody_saw_born_is_asked_for_it() -> None:
    change = take(Sessions(), "NDATA", 5, metric(alias=3, double=1.0))
    assert (change.metrics, change.rebirth, change.unknown) == ((), True, (3,))


def test_a_gap_asks_for_a_birth_and_the_same_again_does_not() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 255, metric("kwh", alias=1, datatype=10, double=0.0))
    assert not take(sessions, "NDATA", 0, metric(alias=1, double=1.0)).rebirth
    assert not take(sessions, "NDATA", 0, metric(alias=1, double=1.0)).rebirth
    gap = take(sessions, "NDATA", 2, metric(alias=1, double=3.0))
    assert (gap.rebirth, told(gap)) == (True, [("kwh", 3.0)])


def test_after_its_death_a_node_must_be_born_again() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0, metric("kwh", alias=1, datatype=10, double=0.0))
    assert take(sessions, "NDEATH", 0).died
    assert take(sessions, "NDATA", 1, metric(alias=1, double=1.0)).rebirth
    assert not take(sessions, "NBIRTH", 0).rebirth


def test_the_will_of_an_earlier_session_ends_nothing() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0, metric("bdSeq", datatype=4, whole=0), metric("kwh", alias=1, datatype=10, double=0.0))
    late = take(sessions, "NDEATH", 0, metric("bdSeq", datatype=4, whole=255))
    assert (late.died, take(sessions, "NDATA", 1, metric(alias=1, double=1.0)).rebirth) == (False, False)
    assert take(sessions, "NDEATH", 0, metric("bdSeq", datatype=4, whole=1)).died, "its birth was missed"
    assert take(sessions, "NDATA", 2, metric(alias=1, double=1.0)).rebirth


def test_a_birth_that_was_kept_names_the_data_after_a_restart() -> None:
    before, after = Sessions(), Sessions()
    births = [
        take(before, "NBIRTH", 0, metric("bdSeq", datatype=4, whole=3)).birth,
        take(before, "DBIRTH", 1, metric("power", alias=3, datatype=3, whole=10), device="M-1").birth,
    ]
    for birth in births:
        assert birth is not None
        after.restore(birth)
    change = take(after, "DDATA", 17, metric(alias=3, whole=2**32 - 7), device="M-1")
    assert (told(change), change.rebirth) == ([("power", -7)], False)
    again = take(after, "DBIRTH", 1, metric("power", alias=3, datatype=3, whole=10), device="M-1")
    assert again.birth is None, "nothing in it is new, so nothing must be kept"


def test_data_from_before_a_birth_that_comes_again_keeps_its_meaning() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0, metric("kwh", alias=1, datatype=10, double=0.0))
    take(sessions, "NBIRTH", 0, metric("voltage", alias=1, datatype=10, double=230.0), at=AT + 1000)
    older = take(sessions, "NDATA", 7, metric(alias=1, double=5.0), at=AT + 500, how=AGAIN)
    assert (told(older), older.rebirth) == ([("kwh", 5.0)], False)
    assert told(take(sessions, "NDATA", 1, metric(alias=1, double=231.0), at=AT + 1500)) == [("voltage", 231.0)]
    stale = take(sessions, "NBIRTH", 0, metric("kwh", alias=1, datatype=10, double=0.0), how=AGAIN)
    assert stale.birth is None
    assert told(take(sessions, "NDATA", 2, metric(alias=1, double=232.0), at=AT + 1600)) == [("voltage", 232.0)]


def test_births_that_a_broker_does_not_keep_count_only_while_we_hear_them() -> None:
    sessions = Sessions()
    unreliable = Delivery(reliable=False)
    take(sessions, "NBIRTH", 0, metric("kwh", alias=1, datatype=10, double=0.0), how=unreliable)
    assert told(take(sessions, "NDATA", 1, metric(alias=1, double=5.0))) == [("kwh", 5.0)]
    sessions.doubt()
    assert take(sessions, "NDATA", 2, metric(alias=1, double=5.0)).unknown == (1,)


def test_data_that_waited_for_a_birth_is_named_by_it() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0, metric("kwh", alias=1, datatype=10, double=0.0))
    take(sessions, "NBIRTH", 0, metric("voltage", alias=1, datatype=10, double=230.0), at=AT + 1000)
    waited = Delivery(again=True, waited=True)
    assert told(take(sessions, "NDATA", 7, metric(alias=1, double=5.0), at=AT + 500, how=waited)) == [("voltage", 5.0)]


def test_after_a_break_names_count_only_where_the_broker_kept_everything() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0, metric("kwh", alias=1, datatype=10, double=0.0))
    sessions.doubt()
    lossy = take(sessions, "NDATA", 1, metric(alias=1, double=5.0), how=LOSSY)
    assert (lossy.metrics, lossy.unknown, lossy.rebirth) == ((), (1,), True)
    kept = take(sessions, "NDATA", 2, metric(alias=1, double=5.0))
    assert (kept.rebirth, told(kept)) == (False, [("kwh", 5.0)])
    take(sessions, "NBIRTH", 0, metric("voltage", alias=1, datatype=10, double=230.0), at=AT + 1000)
    sure = take(sessions, "NDATA", 1, metric(alias=1, double=231.0), at=AT + 1500, how=LOSSY)
    assert (sure.rebirth, told(sure)) == (False, [("voltage", 231.0)])


# --- templates --------------------------------------------------------------------------------------------------------


def test_members_of_a_template_are_metrics_with_its_name_before_theirs() -> None:
    sessions = Sessions()
    take(sessions, "NBIRTH", 0)
    born = template(metric("kwh", datatype=10, double=1.0), metric("power", alias=8, datatype=3, whole=1))
    take(sessions, "DBIRTH", 1, metric("feed", alias=7, datatype=19, other=born), device="M-1")
    data = template(metric("kwh", double=2.0), metric(alias=8, whole=2**32 - 7))
    change = take(sessions, "DDATA", 2, metric(alias=7, other=data), device="M-1")
    assert (told(change), change.rebirth) == ([("feed/kwh", 2.0), ("feed/power", -7)], False)


def test_a_birth_of_templates_that_was_kept_names_their_data_after_a_restart() -> None:
    before, after = Sessions(), Sessions()
    born = template(metric("power", alias=8, datatype=3, whole=1))
    birth = take(before, "NBIRTH", 0, metric("feed", alias=7, datatype=19, other=born)).birth
    assert birth is not None
    after.restore(birth)
    data = template(metric(alias=8, whole=2**32 - 7))
    assert told(take(after, "NDATA", 1, metric(alias=7, other=data))) == [("feed/power", -7)]


def test_a_member_has_time_and_history_of_its_template_where_it_tells_none() -> None:
    both = template(metric("own", double=1.0, at_ms=AT - 5), metric("its", double=2.0))
    change = take(Sessions(), "NBIRTH", 0, metric("feed", at_ms=AT - 9, historical=True, other=both))
    assert [(one.name, one.at_ms, one.historical) for one in change.metrics] == [
        ("feed/own", AT - 5, True),
        ("feed/its", AT - 9, True),
    ]


def test_what_is_of_the_past_and_tells_no_time_is_not_set_to_that_of_the_payload() -> None:
    past = metric("kwh", double=1.0, historical=True)
    change = take(Sessions(), "NBIRTH", 0, past, metric("volt", double=2.0))
    assert [one.at_ms for one in change.metrics] == [None, AT]


def test_a_definition_of_a_template_holds_no_readings() -> None:
    defaults = template(metric("kwh", datatype=10, double=0.0), definition=True)
    assert told(take(Sessions(), "NBIRTH", 0, metric("_types_/Meter", datatype=19, other=defaults))) == []


def nested(depth: int) -> bytes:
    """Return a metric within `depth` templates."""
    inner = metric("x", double=1.0)
    for _ in range(depth):
        inner = metric("t", datatype=19, other=template(inner))
    return inner


def test_templates_are_read_to_a_depth_and_what_is_deeper_is_told() -> None:
    assert told(take(Sessions(), "NBIRTH", 0, nested(DEEPEST))) == [("t/" * DEEPEST + "x", 1.0)]
    (deeper,) = take(Sessions(), "NBIRTH", 0, nested(DEEPEST + 40)).metrics
    assert (deeper.name, deeper.value, deeper.unread) == ("/".join("t" * (DEEPEST + 1)), None, TOO_DEEP)


def test_no_payload_grows_by_its_templates_without_bound() -> None:
    many = template(*[b""] * MAX_METRICS)
    with pytest.raises(SparkplugError, match="more than"):
        read_payload(payload(AT, 0, [metric("t", other=many)]))
    long = metric("t" * LONGEST_NAME, other=template(metric("x", double=1.0)))
    with pytest.raises(SparkplugError, match="characters"):
        take(Sessions(), "NBIRTH", 0, long)


@pytest.mark.parametrize(("number", "what"), [(16, "bytes"), (17, "a data set"), (19, "an extension"), (99, "empty")])
def test_a_value_that_is_not_read_is_named(number: int, what: str) -> None:
    (one,) = read_payload(payload(AT, 0, [metric("x", other={number: b"ab"})])).metrics
    assert (one.value, one.unread) == (None, what)


def test_no_value_on_purpose_is_nothing_unread() -> None:
    (one,) = read_payload(payload(AT, 0, [metric("x") + b"\x38\x01"])).metrics
    assert (one.value, one.unread) == (None, "")


def test_the_rebirth_command_is_a_payload_of_its_own_kind() -> None:
    (one,) = read_payload(rebirth_command(AT)).metrics
    assert (one.name, one.datatype, one.value) == ("Node Control/Rebirth", 11, 1.0)


@pytest.mark.parametrize(
    "topic", ["spBv1.0/plant/NDATA", "spBv1.0//NDATA/x", "other/plant/NDATA/x", "spBv1.0/p/WHAT/x"]
)
def test_other_topics_are_told(topic: str) -> None:
    with pytest.raises(SparkplugError):
        read_topic(topic)


@given(st.binary(max_size=80))
def test_any_bytes_are_a_payload_or_an_error(body: bytes) -> None:
    with suppress(SparkplugError):
        read_payload(body)


@given(st.data())
def test_a_damaged_payload_never_crashes(data: st.DataObject) -> None:
    body = bytearray(payload(AT, 1, [metric("energy", alias=2, datatype=10, double=1.5), metric("s", text="x")]))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255))
    with suppress(SparkplugError):
        Sessions().take(read_topic("spBv1.0/plant/NBIRTH/gateway"), read_payload(bytes(body)))
