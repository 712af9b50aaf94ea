"""What a JSON body lists is counted before it is decoded, so that one long list is refused and takes no memory."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.answer import Refused
from gridwright.api.ingest import listed
from gridwright.api.ingest.json import decode_json, decode_ndjson
from gridwright.api.ingest.listed import MOST, lists_more
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded

NOW = datetime(2025, 3, 1, tzinfo=UTC)
ONES = b"1," * (MOST + 2) + b"1"
RECORD = b'{"usage_point": "a", "start": "2025-01-01T00:00:00Z", "kwh": '
Decode = Callable[[bytes, Said, datetime], Decoded]


def commas(value: Any) -> int:  # noqa: ANN401 - JSON
    """Count the commas of lists, one by one."""
    if isinstance(value, dict):
        return sum(map(commas, value.values()))
    return max(len(value) - 1, 0) + sum(map(commas, value)) if isinstance(value, list) else 0


names = st.text(st.sampled_from('a,:{}[]"\\ é'), max_size=6)
json_values = st.recursive(
    names | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, min_size=1, max_size=4),
    max_leaves=30,
)


@given(json_values, st.booleans(), st.integers(1, 9))
def test_commas_of_lists_are_told_from_all_others(value: Any, ascii_only: bool, piece: int) -> None:  # noqa: ANN401
    text = json.dumps(value, ensure_ascii=ascii_only).encode()
    usual, listed.PIECE = listed.PIECE, piece
    try:
        assert not lists_more(text, commas(value) + text.count(b"{"))
        assert not commas(value) or lists_more(text, commas(value) - 1)
    finally:
        listed.PIECE = usual


@pytest.mark.parametrize(
    ("decode", "body"),
    [
        (decode_json, b"[" + RECORD + b"[" + ONES + b"]}]"),
        (decode_json, b"[" + ONES + b"]"),
        (decode_json, b'{"readings": [' + ONES + b"]}"),
        (decode_json, b"[" + RECORD + b"[" + ONES + b"]}, broken"),
        (decode_json, b'[{"stray": "}, "}, ' + RECORD + b"[" + ONES + b"]}, {]"),
        (decode_json, b'[{"colons": "' + b":" * 3 * MOST + b'"}, ' + RECORD + b"[" + ONES + b"]}]"),
        (decode_ndjson, RECORD + b"[" + ONES + b"]}\n"),
        (decode_ndjson, b"broken\n" + RECORD + b"[" + ONES + b"]}\n"),
        (decode_ndjson, b'stray"\n' + RECORD + b"[" + ONES + b"]}\n"),
    ],
    ids=["intervals", "numbers", "wrapped", "cut-off", "stray-quote", "colons", "line", "line-beside", "line-behind"],
)
def test_a_list_too_long_is_refused_in_less_memory_than_it_would_take(decode: Decode, body: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Refused) as refused:
            decode(body, Said(), NOW)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refused.value.answer.status == 413
    assert b"more than 1,000,000" in refused.value.answer.body
    # Decoded, each of two million numbers would take a float and its place in a list: 32 bytes.
    assert most < 4 * len(body) + 32 * (1 << 20)


@pytest.mark.parametrize("decode", [decode_json, decode_ndjson])
def test_of_a_record_with_too_many_fields_it_is_told_what_is_wrong(decode: Decode) -> None:
    more = b", ".join(b'"f%d": 1' % number for number in range(2000))
    decoded = decode(b'{"kwh": "x", ' + more + b"}", Said(), NOW)
    (verdict,) = decoded.verdicts.listed
    assert verdict.fault is not None
    assert verdict.fault.field == "kwh"


def test_many_sound_records_with_commas_in_their_names_are_taken() -> None:
    record = b'{"usage_point": "a%s", "start": "2025-01-01T00:00:00Z", "kwh": 1}' % (b"," * 90)
    body = b",".join([record] * 24_000)
    assert body.count(b",") > MOST
    assert decode_json(b"[" + body + b"]", Said(), NOW).records == 24_000
