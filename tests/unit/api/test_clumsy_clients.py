"""What hurried programs send: it is understood where it can mean one thing only, and told where it cannot."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import ipc

from gridwright.api.answer import Refused
from gridwright.api.authenticate import credential_of
from gridwright.api.entrance import defaults_of
from gridwright.api.ingest.arrow import decode_arrow, decode_csv
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded
from gridwright.domain.errors import NotAuthenticated
from gridwright.domain.interval import epoch_s

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEFAULTS = Said(interval_s=900)
FORM = "application/x-www-form-urlencoded"
NOON = epoch_s(datetime(2026, 11, 24, 12, tzinfo=UTC))


def refused(decode: Any, *arguments: Any) -> dict[str, Any]:  # noqa: ANN401 - any decoder
    """Return the problem a body is refused with."""
    with pytest.raises(Refused) as caught:
        decode(*arguments)
    told: dict[str, Any] = json.loads(caught.value.answer.body)
    return told


@pytest.mark.parametrize(
    "at",
    [
        "2026-11-24T12:00:00Z",
        "2026-11-24t12:00:00z",
        "2026-11-24T13:00:00+01:00",  # the plus sign arrives as a space
        "2026-11-24T13:00:00.000+0100",
        "2026-11-24T13:00:00%2B01:00",
        "2026-11-24 12:00:00Z",
        str(NOON),
        str(NOON * 1000),
    ],
)
def test_an_instant_of_a_form_in_any_spelling(at: str) -> None:
    (one,) = decode_form(f"meter_id=M-1&reading=5&at={at}".encode(), FORM, NOW).few
    assert one.at_s == NOON


@pytest.mark.parametrize("name", ["M-1", "meter:a.b_C", "-", "M" * 200, "M 1", "M%2D1", "Zähler"])
@pytest.mark.parametrize("reading", ["0", "101.25", "1234567.1234", "0.1005", "999999999999999", "1e3", "-1", "1.", ""])
@pytest.mark.parametrize("at", ["", "&at=2026-11-24T12:15:00Z", "&at=2026-11-31T12:15:00Z", "&at=2026-11-24T24:15:00Z"])
def test_a_plain_form_says_what_it_says_with_more_words(name: str, reading: str, at: str) -> None:
    body = f"meter_id={name}&reading={reading}{at}"
    assert told_of(body) == told_of(f"{body}&unit=kWh&flow=")


def told_of(body: str) -> object:
    """Return all that comes of a form."""
    try:
        decoded = decode_form(body.encode(), FORM, NOW)
    except Refused as problem:
        return problem.answer.status, problem.answer.body
    return decoded.few, decoded.verdicts, decoded.records


@pytest.mark.parametrize("at", ["", "&at=2026-11-24T12:00:00Z"])
def test_what_most_meters_send_is_not_taken_apart_into_fields(at: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("gridwright.api.ingest.form._fields")
    (one,) = decode_form(f"meter_id=M-1&reading=101.25{at}".encode(), FORM, NOW).few
    assert (one.name, one.counts, one.at_s) == ("M-1", 101_250, NOON if at else epoch_s(NOW))


def test_a_form_without_an_offset_is_told_even_if_it_ends_like_one() -> None:
    told = refused(decode_form, b"meter_id=M-1&reading=5&at=2026-11-24 12:00", FORM, NOW)
    assert (told["status"], told["field"], "offset" in told["remedy"]) == (422, "at", True)


def test_a_form_that_is_no_utf_8_is_refused_and_not_stored_under_another_name() -> None:
    assert refused(decode_form, b"meter_id=M%ff&reading=5", FORM, NOW)["status"] == 400
    assert refused(decode_form, b"[" * 50_000, "application/json", NOW)["status"] == 400


@pytest.mark.parametrize("at", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", -9e10])
@pytest.mark.parametrize("copies", [1, 40])
def test_an_instant_outside_of_the_calendar_is_told(at: object, copies: int) -> None:
    record = {"usage_point": "UP-1", "start": at, "kwh": 1}
    decoded = decode_json(json.dumps([record] * copies).encode(), DEFAULTS, NOW)
    assert (decoded.verdicts.rejected, {one.fault.field for one in decoded.verdicts.listed}) == (copies, {"start"})


@pytest.mark.parametrize("copies", [1, 40])
def test_a_reading_is_a_register_at_both_entrances(copies: int) -> None:
    record = {"meter_id": "M-1", "timestamp": "2026-11-24T12:00:00Z", "reading": 1234.5}
    decoded = decode_json(json.dumps([record] * copies).encode(), DEFAULTS, NOW)
    kinds = [one.meaning.reading_type for one in decoded.few] + [one.reading_type for one in decoded.series]
    assert decoded.verdicts.accepted == copies
    assert {kind.accumulation.value for kind in kinds} == {"cumulative"}


def test_a_csv_header_in_capitals() -> None:
    text = b"METER_ID,Timestamp,Reading\nM-1,2026-11-24T12:00:00Z,5\n"
    assert decode_csv(text, DEFAULTS, NOW).verdicts.accepted == 1
    assert refused(decode_csv, b"usage_point,start,kwh\n" + b"x\n" * 1_000_001, DEFAULTS, NOW)["status"] == 413


def arrow(**columns: Any) -> Decoded:  # noqa: ANN401 - Arrow arrays
    """Decode three readings of which some columns are as given."""
    moments = pa.array([datetime(2026, 11, 24, hour, tzinfo=UTC) for hour in (1, 2, 3)], pa.timestamp("us", "UTC"))
    usual = {"usage_point": pa.array(["UP-1"] * 3), "start": moments, "kwh": pa.array([0.1, 0.2, 0.3])}
    table, out = pa.table({**usual, **columns}), io.BytesIO()
    with ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return decode_arrow(out.getvalue(), DEFAULTS, NOW)


def test_arrow_columns_as_tools_write_them() -> None:
    assert arrow().verdicts.accepted == 3
    assert arrow(interval_s=pa.array([900.0] * 3)).verdicts.accepted == 3
    assert arrow(start=pa.array(["2026-11-24T12:00:00z"] * 3, pa.large_string())).verdicts.accepted == 3
    nanoseconds = pa.array([NOON * 1_000_000_000] * 3)
    assert arrow(start=nanoseconds).verdicts.rejected == 3
    beyond = arrow(start=pa.array([2**62, None, NOON * 1_000_000], pa.timestamp("us", "UTC"))).verdicts
    assert (beyond.accepted, beyond.rejected) == (1, 2)


def test_arrow_columns_that_nobody_can_read_are_told() -> None:
    assert refused(lambda: arrow(usage_point=pa.array([{"a": 1}] * 3)))["status"] == 422
    names = pa.array([b"\xff"] * 3, pa.binary()).view(pa.string())
    assert refused(lambda: arrow(usage_point=names))["status"] in {400, 422}
    column = pa.array(["UP-1"])
    twice, out = pa.Table.from_arrays([column, column], ["usage_point", "usage_point"]), io.BytesIO()
    with ipc.new_stream(out, twice.schema) as writer:
        writer.write_table(twice)
    assert "twice" in refused(decode_arrow, out.getvalue(), DEFAULTS, NOW)["detail"]


@pytest.mark.parametrize(
    "shown", [b"Basic \xe9", b"Basic ?", b"Basic " + b"\xff" * 9, b"Bearer ", b"Digest x", b"\xff"]
)
def test_a_header_that_shows_no_key_is_told_and_no_failure(shown: bytes) -> None:
    with pytest.raises(NotAuthenticated):
        credential_of([(b"authorization", shown)])


@pytest.mark.parametrize("written", ["%C2%B2", "9" * 5_000, "x", "1.5", "-900"])
def test_an_interval_in_the_query_that_is_no_number_of_seconds_is_refused(written: str) -> None:
    """A superscript two, and thousands of digits, were an error of the server."""
    with pytest.raises(Refused) as caught:
        defaults_of({"query_string": f"interval_s={written}".encode()}, 900)
    assert caught.value.answer.status == 400
