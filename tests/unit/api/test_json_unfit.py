"""What stands where a number, a time or a text should is told in words, with what to write instead."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.unfit import NUMBER, RECORD, TEXT, TIME, TOO_LARGE

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD = '{"usage_point": "A", "start": "2025-01-01T00:00:00Z", "kwh": 1.5, "interval_s": 900}'
SECONDS = "give it in seconds, such as 900"
CASES = [
    ("kwh", "1e400", "1e400", *TOO_LARGE),
    ("kwh", "-1e999", "-1e999", *TOO_LARGE),
    ("value", "1e400", "1e400", *TOO_LARGE),
    ("kwh", '"1,5"', "1,5", "it is text, not a number", NUMBER[1]),
    ("kwh", "true", "true", "it is true or false, not a number", NUMBER[1]),
    ("kwh", "{}", "{}", "it is an object, not a number", NUMBER[1]),
    ("kwh", '[1, "x"]', "x", "value 2 of the list is text, not a number", NUMBER[1]),
    ("kwh", "[1e400]", "1e400", "value 1 of the list is too large", TOO_LARGE[1]),
    ("register_kwh", "[1, 2]", "[1, 2]", "it is a list, not one number", NUMBER[1]),
    ("register_kwh", "1e400", "1e400", *TOO_LARGE),
    ("interval_s", '"x"', "x", "it is text, not a whole number", SECONDS),
    ("start", "true", "true", "it is true or false, not a time", TIME[1]),
    ("unit", "5", "5", "it is a number, not text", TEXT[1]),
]


@pytest.mark.parametrize(("field", "written", "value", "reason", "remedy"), CASES)
def test_what_does_not_fit_is_told(field: str, written: str, value: str, reason: str, remedy: str) -> None:
    record = f'{{"usage_point": "A", "{field}": {written}}}'
    for body, decode in ((f"[{GOOD}, {record}]", decode_json), (f"{GOOD}\n{record}\n", decode_ndjson)):
        decoded = decode(body.encode(), Said(), NOW)
        (verdict,) = decoded.verdicts.listed
        assert decoded.verdicts.accepted == 1
        assert (verdict.index, verdict.fault.field, verdict.value) == (1, field, value)
        assert (verdict.fault.reason, verdict.fault.remedy) == (reason, remedy)


def test_a_record_that_is_none_is_told() -> None:
    (verdict,) = decode_json(f"[{GOOD}, 5]".encode(), Said(), NOW).verdicts.listed
    fault = verdict.fault
    assert (fault.field, fault.reason, fault.remedy) == ("record", "it is a number, not an object", RECORD[1])


@pytest.mark.parametrize("text", ['"\\ud800"', '"' + "9" * 100_000 + 'x"', "[" * 500 + "]" * 500])
def test_whatever_stands_there_is_told(text: str) -> None:
    decoded = decode_json(f'[{GOOD}, {{"usage_point": "A", "kwh": {text}}}]'.encode(), Said(), NOW)
    assert (decoded.verdicts.accepted, len(decoded.verdicts.listed)) == (1, 1)
    assert "`" not in decoded.verdicts.listed[0].fault.reason
