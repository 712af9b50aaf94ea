"""Whatever bytes arrive, a decoder answers: verdicts or a refusal, never a failure of its own."""

from __future__ import annotations

import gzip
import io
import json
import os
from contextlib import suppress
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridwright.api.answer import Refused
from gridwright.api.authenticate import Credential, credential_of
from gridwright.api.body import PIECE, SMALL, Bodies, Room, unpack, unpack_small
from gridwright.api.entrance import TYPES, decode
from gridwright.api.ingest.form import TAKEN, decode_form
from gridwright.api.ingest.meaning import Said
from gridwright.domain.errors import NotAuthenticated

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RECORDS = [
    {"usage_point": "UP-1", "start": "2026-11-25T10:00:00Z", "kwh": 0.25, "interval_s": 900},
    {"meter": "M-1", "at": 1_764_000_000, "register_kwh": 12.5, "quality": "actual"},
]


def arrow(*, file: bool) -> bytes:
    table = pa.table(
        {"usage_point": ["UP-1", None], "start": [1_764_000_000, 1], "kwh": [0.25, None], "unit": ["Wh", ""]}
    )
    out = io.BytesIO()
    with (pa.ipc.new_file if file else pa.ipc.new_stream)(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


SOUND = {
    "json": json.dumps(RECORDS).encode(),
    "ndjson": "\n".join(map(json.dumps, RECORDS)).encode(),
    "csv": b'usage_point,start,kwh,interval_s\nUP-1,2026-11-25T10:00:00Z,0.25,900\n"UP,2",x,"y\n',
    "stream": arrow(file=False),
    "file": arrow(file=True),
}


@st.composite
def damaged(draw: st.DrawFn, sound: bytes) -> bytes:
    """Cut, insert, overwrite and repeat pieces of a sound body."""
    body = bytearray(sound)
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, len(body)))
        piece = draw(
            st.one_of(
                st.binary(max_size=6), st.sampled_from([b",", b"{", b"}", b'"', b"\n", b"null", b"1e999", b"NaN"])
            )
        )
        gone = draw(st.integers(0, 8))
        body[at : at + gone] = piece
    return bytes(body)


@pytest.mark.parametrize("kind", sorted(set(TYPES.values())))
@settings(max_examples=200 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 60)
@given(data=st.data())
def test_any_body_is_answered(kind: str, data: st.DataObject) -> None:
    body = data.draw(damaged(SOUND[kind]))
    with suppress(Refused):
        decoded = decode(kind, body, Said(interval_s=900), NOW)
        assert decoded.verdicts.accepted == sum(part.size for part in decoded.series) + len(decoded.few)
        assert decoded.verdicts.accepted + decoded.verdicts.rejected == decoded.records


@pytest.mark.parametrize("media", [*TAKEN, "multipart/form-data; boundary=b", "text/plain", ""])
@given(
    body=damaged(
        b'--b\r\nContent-Disposition: form-data; name="meter_id"\r\n\r\nM-1\r\n--b--\r\nmeter_id=M-1&reading=5'
    )
)
@example(body=b'{"meter_id": {"a": 1}, "reading": [1]}')
@example(body=b"meter_id=M-1&reading=1e400")
@example(body=b"meter_id=M-1&reading=5&at=1e400")
def test_any_form_is_answered(media: str, body: bytes) -> None:
    with suppress(Refused):
        decode_form(body, media, NOW)


def test_small_gzip_is_unpacked_at_once_and_all_else_is_looked_at() -> None:
    small = gzip.compress(b"line\n" * 1000)
    assert unpack_small(small, PIECE) == unpack(small, PIECE, Room(Bodies())) == b"line\n" * 1000
    assert unpack_small(gzip.compress(b""), PIECE) == b""
    two, bomb, large = small + small, gzip.compress(bytes(PIECE + 1)), gzip.compress(os.urandom(SMALL))
    for other in (two, bomb, large, small[:-1], b"", b"no gzip"):
        assert unpack_small(other, 2 * PIECE) is None
    assert unpack_small(small, 100) is None


@given(st.binary(max_size=200))
def test_any_gzip_is_answered(body: bytes) -> None:
    with suppress(Refused):
        assert len(unpack(body, 1000, Room(Bodies()))) <= 1000


@given(st.lists(st.tuples(st.sampled_from([b"authorization", b"x-api-key", b"cookie"]), st.binary(max_size=60))))
@example([(b"authorization", b"Basic dTp4")])
def test_any_header_is_a_credential_or_none(headers: list[tuple[bytes, bytes]]) -> None:
    with suppress(NotAuthenticated):
        assert isinstance(credential_of(headers), Credential)
