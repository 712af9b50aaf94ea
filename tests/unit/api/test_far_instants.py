"""Instants that no reading can have, at every entrance: each is told with line, field and value, and costs itself."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.edge.decode import Decoders, Kept
from gridwright.api.entrance import decode
from gridwright.api.entrance_lines import V1, V2
from gridwright.api.ingest.lines import mapping_of
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded
from gridwright.domain.interval import MICRO
from gridwright.listen.messages import Messages
from gridwright.settings import LineProtocolSettings, Settings, StoreSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD_S = 1_740_787_200
DECODERS = Decoders(Settings(store=StoreSettings(url="sqlite://")))
PER_S = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
FAR = {
    "12025-01-01T00:00:00Z": "it lies in the future",
    "9999-12-31T23:59:59Z": "it lies in the future",
    "0001-01-01T00:00:00Z": "it lies before the year 2000",
    "-0001-01-01T00:00:00Z": "it lies before the year 2000",
    str(GOOD_S * 10**9): "it may count nanoseconds",
    str(GOOD_S * 10**6): "it may count microseconds",
    "2025-02-30T00:00:00Z": "this is no instant",
    "9" * 30: "this is no instant",
}


def body(kind: str, stamps: list[object]) -> bytes:
    records = [{"usage_point": "U", "start": stamp, "kwh": 1.0} for stamp in stamps]
    if kind == "json":
        return json.dumps(records).encode()
    if kind == "ndjson":
        return "\n".join(map(json.dumps, records)).encode()
    return ("usage_point,start,kwh\n" + "".join(f"U,{stamp},1.0\n" for stamp in stamps)).encode()


def arrow(instants: pa.Array) -> Decoded:
    size = len(instants)
    table = pa.table({"usage_point": ["U"] * size, "start": instants, "kwh": [1.0] * size})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return decode("stream", sink.getvalue(), Said(interval_s=900), NOW)


def lines(stamps: list[object], precision: str, path: str = V2) -> Decoded:
    text = "\n".join(f"energy,usage_point=U kwh=1 {stamp}" for stamp in stamps)
    return DECODERS.decode(Kept(path, "", f"precision={precision}", text.encode()), NOW)


@pytest.mark.parametrize("kind", ["json", "ndjson", "csv"])
@pytest.mark.parametrize("stamp", FAR)
def test_records_tell_a_far_instant_as_what_it_is(kind: str, stamp: str) -> None:
    done = decode(kind, body(kind, [GOOD_S, stamp, GOOD_S + 900]), Said(interval_s=900), NOW).verdicts
    (told,) = done.listed
    assert (done.accepted, told.index, told.fault.field) == (2, 1, "start")
    assert FAR[stamp] in told.fault.reason
    assert told.fault.remedy
    assert told.value


@pytest.mark.parametrize("stamp", FAR)
def test_messages_tell_a_far_instant_as_what_it_is(stamp: str) -> None:
    messages = Messages(mapping_of(LineProtocolSettings(), 900), ("meters/{usage_point}/{quantity}",))
    payload = json.dumps({"at": stamp, "value": 1.0}).encode()
    done = messages.take("meters/U/energy", payload, NOW).decoded.verdicts
    assert done.accepted == 0
    assert FAR[stamp] in done.listed[0].fault.reason


@pytest.mark.parametrize("unit", PER_S)
@pytest.mark.parametrize("far", [2**63 - 1, -(2**63) + 1])
def test_arrow_timestamps_do_not_wrap_around(unit: str, far: int) -> None:
    """Seconds and milliseconds beyond 64 bits of microseconds came out somewhere else, and told another value."""
    done = arrow(pa.array([GOOD_S * PER_S[unit], far], pa.timestamp(unit, tz="UTC"))).verdicts
    (told,) = done.listed
    assert done.accepted == 1
    assert told.fault.reason == ("it lies in the future" if far > 0 else "it lies before the year 2000")
    assert unit == "ns" or str(told.value) == str(far)


@pytest.mark.parametrize(("unit", "rounds"), [("s", 5**6), ("ms", 5**3)])
def test_an_arrow_timestamp_that_wrapped_into_our_time_is_refused(unit: str, rounds: int) -> None:
    """It was taken as a reading of March 2025."""
    wraps = (GOOD_S * MICRO + rounds * 2**64) * PER_S[unit] // MICRO
    assert (wraps * MICRO // PER_S[unit]) % 2**64 == GOOD_S * MICRO
    done = arrow(pa.array([wraps], pa.timestamp(unit, tz="UTC"))).verdicts
    assert (done.accepted, done.listed[0].fault.reason) == (0, "it lies in the future")


@given(st.sampled_from(sorted(PER_S)), st.integers(-(2**63), 2**63 - 1))
def test_no_arrow_timestamp_is_taken_for_another(unit: str, count: int) -> None:
    done = arrow(pa.array([count], pa.timestamp(unit, tz="UTC")))
    seconds, rest = divmod(count, PER_S[unit])
    fits = 946_684_800 <= seconds <= NOW.timestamp() + 300 and seconds % 900 == 0 and rest * MICRO // PER_S[unit] == 0
    assert done.verdicts.accepted == int(fits)


@pytest.mark.parametrize("path", [V1, V2])
@pytest.mark.parametrize("precision", ["ns", "us", "ms", "s", "n", "u", "m", "h"])
def test_lines_tell_a_stamp_of_another_unit_and_keep_the_good(path: str, precision: str) -> None:
    per_s = {**PER_S, "n": 10**9, "u": 10**6}.get(precision)
    good = GOOD_S * per_s if per_s else GOOD_S // {"m": 60, "h": 3600}[precision]
    others = [GOOD_S * each for each in PER_S.values() if GOOD_S * each != good]
    wrong = [*others, 2**63, -(2**63) - 1, 10**30, "1e18", f"{good}Z"]
    done = lines([good, *wrong, good], precision, path).verdicts
    assert (done.accepted, done.rejected) == (2, len(wrong))
    assert all(one.fault.reason and one.fault.remedy and str(one.value) for one in done.listed)
    told = {str(one.value): one.fault for one in done.listed}
    assert told[str(10**30)].reason == "it lies too far away at this precision"
    assert "precision=" in told[str(10**30)].remedy
    assert told["1e18"].reason == "this is no instant"


def test_milliseconds_sent_as_nanoseconds_are_told_to_say_their_precision() -> None:
    done = lines([GOOD_S * 1000], "ns").verdicts
    assert "precision" in done.listed[0].fault.remedy
