"""A broken record in a list of many costs none of its neighbours, however it is broken."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.api.answer import Refused
from gridwright.api.ingest.broken_list import broken_list
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
DEFAULTS = Said(interval_s=900)
BROKEN = {
    "cut off in a string": b'{"usage_point":"UP-1","start":"2026-01-0',
    "not closed": b'{"usage_point":"UP-1","start":"2026-01-01T01:45:00Z","kwh":1',
    "a quote is missing": b'{"usage_point":"UP-1,"start":"2026-01-01T01:45:00Z","kwh":1}',
    "single quotes": b"{'usage_point':'UP-1','kwh':1}",
    "no number": b'{"usage_point":"UP-1","start":"2026-01-01T01:45:00Z","kwh":NaN}',
    "a comma too many": b'{"usage_point":"UP-1","start":"2026-01-01T01:45:00Z","kwh":1,}',
    "a nested object is open": b'{"a":{"usage_point":"UP-1"',
    "an open brace": b"{",
    "a closing brace": b"}",
    "a closing bracket": b"]",
    "words": b"this is no JSON",
    "half a member": b'"kwh":',
    "nothing": b"",
    "null": b"null",
    "a number": b"7",
    "a list": b"[1,2]",
    "what looks like two records": b'{"usage_point":"a},{b","start":"2026-01-01T01:45:00Z","kwh":"z"}',
    "nested lists": b'{"usage_point":"UP-1","x":{"y":[1,{"z":2}]},"start":"2026-01-01T01:45:00Z","kwh":"z"}',
    "a control character": b'{"usage_point":"UP\x01-1","start":"2026-01-01T01:45:00Z","kwh":1}',
    "no UTF-8": b'{"usage_point":"U\xff-1","start":"2026-01-01T01:45:00Z","kwh":1}',
}
# A comma at an end of the list separates nothing.
CASES = [(name, place) for name, broken in BROKEN.items() for place in (0, 6, 999) if broken or place == 6]
AROUND = {
    "list": b"[%s]",
    "envelope": b'{"readings": [%s]}',
    "more around it": b'{"n":1,"readings":[%s],"from":"here"}',
}


def sound(count: int) -> list[bytes]:
    """Return sound records, a quarter of an hour apart."""
    moments = [(START + timedelta(minutes=15 * at)).isoformat() for at in range(count)]
    return [json.dumps({"usage_point": "UP-1", "start": at, "kwh": 0.25, "interval_s": 900}).encode() for at in moments]


def places(decoded: Decoded) -> tuple[int, list[int]]:
    """Return how many were accepted, and which were not."""
    return decoded.verdicts.accepted, [one.index for one in decoded.verdicts.listed]


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize(("name", "place"), CASES)
def test_the_others_are_kept_and_it_is_named(name: str, place: int, around: bytes) -> None:
    records = sound(1000)
    records[place] = BROKEN[name]
    assert places(decode_json(around % b", ".join(records), DEFAULTS, NOW)) == (999, [place])


@pytest.mark.parametrize("broken", [text for text in BROKEN.values() if text])
def test_a_broken_line_costs_only_itself(broken: bytes) -> None:
    records = sound(1000)
    records[6] = broken
    assert places(decode_ndjson(b"\n".join(records), DEFAULTS, NOW)) == (999, [6])


@pytest.mark.parametrize("around", AROUND.values(), ids=AROUND)
@pytest.mark.parametrize("at", [0, 1, 5, 8])
@pytest.mark.parametrize(
    "strange", [[b"[1]", b"null"], [b"7", b'"words"', b"[1,[2]]", b"true"], [b"null"] * 3, [b"[1]", b""]]
)
def test_values_that_are_no_records_count_one_by_one_beside_a_broken_one(
    strange: list[bytes], at: int, around: bytes
) -> None:
    records = sound(8)
    records[at:at] = strange
    records.append(BROKEN["no number"])
    bad = [*range(at, at + len(strange)), len(records) - 1]
    assert places(decode_json(around % b", ".join(records), DEFAULTS, NOW)) == (8, bad)


def test_a_list_that_ends_too_early_keeps_what_came() -> None:
    text = b"[" + b",".join(sound(10))
    decoded = decode_json(text, DEFAULTS, NOW)
    assert places(decoded) == (10, [10])
    assert decoded.verdicts.listed[0].fault.reason == "the list has no end"
    assert places(decode_json(text[:-20], DEFAULTS, NOW)) == (9, [9])


@pytest.mark.parametrize(
    ("around", "kept", "told"),
    [
        (b"[%s][%s]", 1, [1]),
        (b"[%s] %s", 2, [2]),
        (b"[%s]\0\0%s", 1, [1]),
        (b"[%s], %s]", 2, []),
        (b"[%s]] %s", 1, [1]),
        (b"[7,%s][%s]", 1, [0, 2]),
        (b'{"readings":[%s],"readings":[nul,%s]}', 2, [1]),
    ],
)
def test_what_stands_behind_the_end_of_a_list_is_taken_or_told(around: bytes, kept: int, told: list[int]) -> None:
    """It was lost without a word."""
    assert places(decode_json(around % tuple(sound(2)), DEFAULTS, NOW)) == (kept, told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'{"readings":[%s],"readings":[%s]}', "the list 'readings' is there twice"),
        (b'{"n":[1],"readings":[%s],"readings":[%s]}', "the list 'readings' is there twice"),
        (b'{"r\\u0065adings":[%s],"readings":[%s]}', "the list 'readings' is there twice"),
        (b'{"readings":[%s,%s],"usage_point":"UP-2","start":"2026-01-01","kwh":1}', "'kwh' stands beside the list"),
        (b'{"interval_s":1800,"readings":[%s,%s]}', "'interval_s' stands beside the list"),
    ],
)
def test_what_stands_around_a_list_and_would_be_lost_is_refused(text: bytes, words: str) -> None:
    with pytest.raises(Refused) as refused:
        decode_json(text % tuple(sound(2)), DEFAULTS, NOW)
    told = json.loads(refused.value.answer.body)
    assert (told["status"], words in told["detail"]) == (400, True)
    assert told["remedy"]


@pytest.mark.parametrize(
    "around", [b'{"timestamp":"now","meter":"G-1","unit":null,"readings":[%s]}', b'{"readings":[%s]}']
)
def test_what_means_nothing_to_the_readings_may_stand_around_them(around: bytes) -> None:
    named = sound(3)
    named[1] = named[1].replace(b"UP-1", b"readings")
    assert places(decode_json(around % b",".join(named), DEFAULTS, NOW)) == (3, [])


@pytest.mark.parametrize(("end", "kept"), [(b"]", 2), (b"}]", 1), (b"", 2), (b',{"meter":tru}]', 2)])
def test_a_sound_record_that_holds_others_stays_one_beside_a_broken_one(end: bytes, kept: int) -> None:
    """Of three or more nested ones those behind the first were stored as readings of their own."""
    first, second, *parts = sound(5)
    hub = first[:-1] + b',"parts":[%s]}' % b",".join(parts)
    assert places(decode_json(b"[%s,%s" % (hub, second) + end, DEFAULTS, NOW))[0] == kept


@pytest.mark.parametrize(("text", "kept"), [(b"1,", 3), (b'{"kwh":1,{', 2)])
def test_more_damage_than_readings_is_refused_before_each_is_looked_into(text: bytes, kept: int) -> None:
    """Each value copied all that stood behind it: a hundred thousand of them took seconds."""
    for decode in (decode_json, decode_ndjson):
        body = text.replace(b",", b"\n") * 100_000 if decode is decode_ndjson else b"[" + text * 100_000 + b"nul]"
        with pytest.raises(Refused) as refused:
            decode(body, DEFAULTS, NOW)
        assert b"over 50,000 records" in refused.value.answer.body
    few = decode_json(b"[" + text * 5_000 + b",".join(sound(3)) + b"]", DEFAULTS, NOW)
    assert few.verdicts.accepted == kept


@pytest.mark.parametrize("text", [b"[%s,]", b"\xef\xbb\xbf[%s]", b'{"readings":[%s,]}'])
def test_what_does_no_harm_is_forgiven(text: bytes) -> None:
    assert places(decode_json(text % b",".join(sound(3)), DEFAULTS, NOW)) == (3, [])


def test_a_missing_comma_keeps_both() -> None:
    first, second, third = sound(3)
    assert places(decode_json(b"[%s %s,%s]" % (first, second, third), DEFAULTS, NOW)) == (3, [])


@pytest.mark.parametrize("text", [b"[" * 100_000, b'[{"a":' * 50_000, b'{"a":' * 100_000])
def test_depth_is_a_fault_of_the_record(text: bytes) -> None:
    decoded = decode_json(text, DEFAULTS, NOW)
    assert decoded.verdicts.accepted == 0
    assert decoded.verdicts.rejected == decoded.records > 0


def test_white_space_is_walked_over_once() -> None:
    # A search that begins anew at every blank would take hours for this.
    assert len(broken_list(b'{"a":' + b" " * 5_000_000 + b"x}").pieces) == 1


def test_more_records_than_fit_in_memory_are_refused() -> None:
    with pytest.raises(Refused) as refused:
        decode_json(b"[" + b"{}," * 1_000_001 + b"{}]", DEFAULTS, NOW)
    assert refused.value.answer.status == 413
    with pytest.raises(Refused):
        decode_ndjson(b"\n" * 1_000_001, DEFAULTS, NOW)
