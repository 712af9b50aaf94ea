"""The end of an interval tells its length, by every entrance; what it contradicts is refused, and named."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import ipc

from gridwright.api.blocks import NAMES
from gridwright.api.ingest.arrow import decode_arrow, decode_csv
from gridwright.api.ingest.ends import NO_MOMENT
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.lines import LineMapping, usual_fields
from gridwright.api.ingest.meaning import GIVEN, QUALITIES, Said, meaning_of
from gridwright.api.ingest.table import Decoded
from gridwright.domain.panel import Panel
from gridwright.domain.quality import PROVISIONAL, Method, Status, pack
from gridwright.domain.reading_type import DELIVERED_ENERGY, Flow, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.csv_writer import CSV_WRITER
from gridwright.listen.messages import Messages

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
START = datetime(2026, 10, 24, 22, tzinfo=UTC)  # a Sunday in Berlin on which the clocks change
USUAL = Said(interval_s=900)
REGISTER = DELIVERED_ENERGY.register().code
SENT = [method for method in Method if method not in PROVISIONAL]
Decode = Callable[[list[dict[str, Any]], Said], Decoded]


def by_csv(records: list[dict[str, Any]], said: Said) -> Decoded:
    fields = list(dict.fromkeys(field for record in records for field in record))
    lines = [",".join(f"{record.get(field, '')}" for field in fields) for record in records]
    return decode_csv("\n".join([",".join(fields), *lines, ""]).encode(), said, NOW)


def by_arrow(records: list[dict[str, Any]], said: Said) -> Decoded:
    fields = list(dict.fromkeys(field for record in records for field in record))
    table = pa.table({field: [record.get(field) for record in records] for field in fields})
    sink = pa.BufferOutputStream()
    with ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return decode_arrow(sink.getvalue().to_pybytes(), said, NOW)


BY: dict[str, Decode] = {
    "json": lambda records, said: decode_json(msgspec.json.encode(records), said, NOW),
    "ndjson": lambda records, said: decode_ndjson(b"\n".join(map(msgspec.json.encode, records)), said, NOW),
    "many": lambda records, said: decode_json(msgspec.json.encode(records * 20), said, NOW),
    "csv": by_csv,
    "arrow": by_arrow,
}
entrances = pytest.mark.parametrize("decode", BY.values(), ids=BY)


def lengths(decoded: Decoded) -> set[int]:
    return {one.interval_s for one in decoded.series} | {one.meaning.interval_s for one in decoded.few}


def record(minutes: int | None, **fields: Any) -> dict[str, Any]:  # noqa: ANN401 - any field
    end = {} if minutes is None else {"end": (START + timedelta(minutes=minutes)).isoformat()}
    return {"usage_point": "UP-1", "start": START.isoformat(), "kwh": 1.0} | end | fields


@entrances
@pytest.mark.parametrize(("minutes", "length"), [(60, 3600), (30, 1800), (1, 60), (None, 900)])
def test_the_end_tells_the_length(decode: Decode, minutes: int | None, length: int) -> None:
    assert lengths(decode([record(minutes)], USUAL)) == {length}


@entrances
def test_each_row_has_the_length_of_its_own_end(decode: Decode) -> None:
    rows = [record(60), record(15, usage_point="UP-2"), record(60, interval_s=3600, usage_point="UP-3")]
    decoded = decode(rows, USUAL)
    assert (lengths(decoded), decoded.verdicts.rejected) == ({900, 3600}, 0)


WRONG = {
    "another length": ({"minutes": 60, "interval_s": 900}, "another length than interval_s"),
    "before its start": ({"minutes": -15}, "does not end after its start"),
    "at its start": ({"minutes": 0}, "does not end after its start"),
    "no instant": ({"minutes": None, "end": "soon"}, "no instant"),
    "no zone": ({"minutes": None, "end": "2026-10-24T23:00:00"}, "zone|instant"),
    "parts of seconds": ({"minutes": None, "end": "2026-10-24T22:15:00.500000+00:00"}, "whole number of seconds"),
    "a register over a time": ({"minutes": 15, "kwh": None, "value": 5, "reading_type": REGISTER}, "one instant"),
}


@entrances
@pytest.mark.parametrize(("fields", "reason"), WRONG.values(), ids=WRONG)
def test_an_end_that_contradicts_is_refused_and_named(decode: Decode, fields: dict[str, Any], reason: str) -> None:
    wrong = {field: value for field, value in record(**fields).items() if value is not None}
    right = {**wrong, "usage_point": "UP-2", "end": wrong["start"] if "reading_type" in wrong else ""}
    right = {field: value for field, value in right.items() if value != "" and field != "interval_s"}
    decoded = decode([wrong, right], USUAL)
    assert decoded.verdicts.accepted == decoded.verdicts.rejected == decoded.records / 2
    (fault,) = {(one.fault.field, one.value) for one in decoded.verdicts.listed}
    assert fault[0] == "end"
    assert fault[1][:10] == str(wrong["end"])[:10]
    assert decoded.verdicts.listed[0].fault.remedy
    told = decoded.verdicts.listed[0].fault.reason
    assert any(part in told for part in reason.split("|")), told


@pytest.mark.parametrize("decode", [BY["json"], BY["many"], BY["arrow"]], ids=["json", "many", "arrow"])
def test_the_end_of_a_list_is_that_of_its_last_interval(decode: Decode) -> None:
    rows = [record(60, kwh=[1.0, 2.0, 3.0, 4.0]), record(60, kwh=[1.0, 2.0], usage_point="UP-2")]
    rows += [record(60, kwh=[1.0] * 7, usage_point="UP-3"), record(60, kwh=[1.0] * 4, interval_s=1800)]
    decoded = decode(rows, USUAL)
    assert lengths(decoded) == {900, 1800}
    assert decoded.verdicts.rejected == decoded.records / 2
    assert {one.fault.field for one in decoded.verdicts.listed} == {"end"}


def test_a_message_of_one_value_follows_its_end() -> None:
    messages = Messages(LineMapping(usual_fields()), ("v1/{usage_point}/{quantity}",))
    body = {"value": 1.0, "start": START.timestamp(), "end": START.timestamp() + 3600}
    taken = messages.take("v1/UP-1/kwh", msgspec.json.encode(body), NOW).decoded
    assert (lengths(taken), taken.verdicts.accepted) == ({3600}, 1)
    refused = messages.take("v1/UP-1/kwh", msgspec.json.encode(body | {"interval_s": 900}), NOW).decoded
    assert (refused.verdicts.rejected, refused.verdicts.listed[0].fault.field) == (1, "end")
    register = messages.take("v1/UP-1/register_kwh", msgspec.json.encode(body), NOW).decoded.verdicts
    assert (register.rejected, register.listed[0].fault.reason) == (1, NO_MOMENT.reason)
    read = messages.take("v1/UP-1/register_kwh", msgspec.json.encode(body | {"end": body["start"]}), NOW).decoded
    assert read.verdicts.accepted == 1


def export(quality: int, interval: timedelta, values: list[float]) -> bytes:
    shape = (1, len(values))
    panel = Panel(("UP-1",), START, interval, np.array([values]), np.full(shape, quality, np.uint8))
    read = RegisterReading("UP-1", START, 1000.0, reading_type=ReadingType(flow=Flow.RECEIVED).register())
    return b"".join(CSV_WRITER.write([panel], [read], {"UP-1": UsagePoint("UP-1", "Europe/Berlin")}))


@given(
    st.sampled_from([status for status in Status if status.name.lower() in GIVEN]),
    st.sampled_from(SENT),
    st.sampled_from([5, 15, 30, 60]),
    st.lists(st.integers(0, 10**6), min_size=4, max_size=40),
)
def test_our_own_export_is_taken_as_it_was(status: Status, method: Method, minutes: int, counts: list[int]) -> None:
    quality, interval = pack(status, method), timedelta(minutes=minutes)
    decoded = decode_csv(export(quality, interval, [float(count) for count in counts]), USUAL, NOW)
    assert (decoded.verdicts.accepted, decoded.verdicts.rejected) == (len(counts) + 1, 0)
    panel, register = sorted(decoded.series, key=lambda one: -one.interval_s)
    assert (panel.interval_s, set(panel.quality.tolist())) == (minutes * 60, {quality})
    assert panel.value.tolist() == counts
    assert (register.size, register.reading_type.flow) == (1, Flow.RECEIVED)


@pytest.mark.parametrize("status", [status for status in Status if status.name.lower() in GIVEN])
@pytest.mark.parametrize("method", SENT)
def test_the_words_of_answers_are_taken_back(status: Status, method: Method) -> None:
    said = Said(quality=NAMES[status, method], interval_s=900)
    assert meaning_of(said).quality == pack(status, method)


def test_what_was_never_sent_is_no_quality() -> None:
    assert not any(Status(byte & 0x0F) in {Status.MISSING, Status.REJECTED} for byte in QUALITIES.values())
