"""An Arrow body is measured before it is unpacked, taken whole or refused, and its columns are judged by their type."""

from __future__ import annotations

import gzip
import io
import json
import struct
import tracemalloc
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import ipc

from gridwright.api.answer import Refused
from gridwright.api.body import Bodies, Room, unpack
from gridwright.api.edge.decode import READINGS, Decoders, Kept
from gridwright.api.ingest.arrow import decode_arrow, decode_csv
from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.api.ingest.table import Decoded
from gridwright.settings import Settings

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DEFAULTS = Said(interval_s=900)
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIMIT = 1 << 20
STREAM = "application/vnd.apache.arrow.stream"


def columns(rows: int = 2, **others: Any) -> dict[str, Any]:  # noqa: ANN401 - Arrow arrays
    """Return sound columns, but for the others."""
    at = pa.array([int(NOON.timestamp()) + 900 * row for row in range(rows)], pa.timestamp("s", "UTC"))
    return {"usage_point": pa.array(["UP-1"] * rows), "start": at, "kwh": pa.array([0.25] * rows)} | others


def written(told: dict[str, Any], *, file: bool = False, batches: int = 1, packed: str | None = None) -> bytes:
    """Return Arrow IPC of columns, with all of them in each batch."""
    table, out = pa.table(told), io.BytesIO()
    new = ipc.new_file if file else ipc.new_stream
    with new(out, table.schema, options=ipc.IpcWriteOptions(compression=packed)) as writer:
        for _ in range(batches):
            writer.write_table(table)
    return out.getvalue()


def decoded(body: bytes, *, file: bool = False) -> Decoded:
    """Decode it within a small limit."""
    return decode_arrow(body, DEFAULTS, NOW, file=file, limit=LIMIT)


def refused(body: bytes, *, file: bool = False) -> dict[str, Any]:
    """Return the problem."""
    with pytest.raises(Refused) as caught:
        decoded(body, file=file)
    told: dict[str, Any] = json.loads(caught.value.answer.body)
    return told


def rows(found: Decoded) -> list[tuple[str, int, float]]:
    """Return whose, when and how many counts."""
    return [
        (part.points[point], at, count)
        for part in found.series
        for point, at, count in zip(part.point.tolist(), part.at.tolist(), part.value.tolist(), strict=True)
    ]


# --- what would not fit -----------------------------------------------------------------------------------------------


def block(values: int) -> Any:  # noqa: ANN401 - an Arrow array
    """Return one list of zeros."""
    return pa.ListArray.from_arrays(pa.array([0, values], pa.int32()), pa.array(np.zeros(values)))


@pytest.mark.parametrize("file", [False, True])
@pytest.mark.parametrize("packed", ["zstd", "lz4"])
@pytest.mark.parametrize("name", ["kwh", "nobody_knows"])
def test_a_body_that_unpacks_to_more_than_the_limit_is_refused_while_it_is_packed(
    name: str, packed: str, file: bool
) -> None:
    body = written(columns(1, **{name: block(4_000_000)}), file=file, packed=packed)
    tracemalloc.start()
    before = pa.default_memory_pool().max_memory()
    told = refused(body, file=file)
    assert (told["status"], told["limit_bytes"]) == (413, LIMIT)
    assert "unpacked" in told["detail"]
    assert (tracemalloc.get_traced_memory()[1] < LIMIT, pa.default_memory_pool().max_memory()) == (True, before)
    tracemalloc.stop()


def test_a_dictionary_counts_as_well() -> None:
    names = pa.array(["x" * 2_000_000])
    told = refused(written(columns(1, usage_point=names.dictionary_encode()), packed="zstd"))
    assert (told["status"], told["limit_bytes"]) == (413, LIMIT)


def test_the_edge_refuses_it_too() -> None:
    body = written(columns(1, kwh=block(10_000_000)), packed="zstd")
    with pytest.raises(Refused) as caught:
        Decoders(Settings()).decode(Kept(READINGS, STREAM, "", body), NOW)
    assert caught.value.answer.status == 413


def test_rows_are_counted_even_if_they_take_no_room() -> None:
    told = refused(
        written({"usage_point": pa.nulls(1_000_001), "start": pa.nulls(1_000_001), "kwh": pa.nulls(1_000_001)})
    )
    assert (told["status"], told["limit_records"]) == (413, 1_000_000)
    many = written(columns(1), batches=10_001)
    with pytest.raises(Refused) as caught:
        decode_arrow(many, DEFAULTS, NOW)
    assert "10,000 batches" in caught.value.answer.body.decode()


@pytest.mark.parametrize("copies", [2, 20])
def test_intervals_of_lists_are_counted(copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("intervals", "json"):
        monkeypatch.setattr(f"gridwright.api.ingest.{module}.MAX_INTERVALS", copies * 4 - 1)
    blocks = pa.array([[0.1] * 4] * copies)
    assert refused(written(columns(copies, kwh=blocks)))["status"] == 413
    records = [{"usage_point": "UP-1", "start": NOON.isoformat(), "kwh": [0.1] * 4}] * copies
    with pytest.raises(Refused) as caught:
        decode_json(json.dumps(records).encode(), DEFAULTS, NOW)
    assert caught.value.answer.status == 413


def test_views_that_all_show_one_long_text_are_not_laid_out() -> None:
    told = refused(written(columns(200, usage_point=pa.array(["x" * 10_000] * 200, pa.string_view()))))
    assert told["status"] == 413
    short = pa.array(["UP-1", "a name that is longer than twelve"], pa.string_view())
    assert {name for name, _, _ in rows(decoded(written(columns(2, usage_point=short))))} == set(short.to_pylist())


def test_packed_bodies_within_the_limit_are_taken_and_what_nobody_knows_is_left_packed() -> None:
    body = written(columns(2, other=pa.array([{"a": [1]}, {"a": [2]}])), packed="zstd")
    assert decoded(body).verdicts.accepted == 2


# --- what is not all there --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        written(columns()) + written(columns()),
        unpack(gzip.compress(written(columns())) + gzip.compress(written(columns())), LIMIT, Room(Bodies())),
        written(columns()) + b"junk",
        written(columns()) + b"\0",
    ],
)
def test_bytes_behind_the_end_are_told(body: bytes) -> None:
    told = refused(body)
    assert (told["status"], "behind the end" in told["detail"]) == (400, True)


def test_a_stream_that_was_cut_is_told_wherever_that_was() -> None:
    body = written(columns(), batches=2)
    whole = refused(body[:-8])
    assert (whole["status"], "no end marker" in whole["detail"], "2 batches" in whole["detail"]) == (400, True, True)
    assert all(refused(body[:end])["status"] == 400 for end in range(len(body)))
    assert decoded(body).records == 4


def test_a_file_is_all_that_lies_between_its_marks() -> None:
    body = written(columns(), file=True, batches=2)
    assert (decoded(body, file=True).records, rows(decoded(body, file=True))) == (
        4,
        rows(decoded(written(columns(), batches=2))),
    )
    assert all(refused(body[:end], file=True)["status"] == 400 for end in range(len(body)))
    assert refused(body + body, file=True)["status"] == 400
    assert refused(body + b"junk", file=True)["status"] == 400
    assert refused(written(columns()), file=True)["status"] == 400


def test_streams_of_writers_before_arrow_0_15_are_taken() -> None:
    out, table = io.BytesIO(), pa.table(columns())
    with ipc.new_stream(out, table.schema, options=ipc.IpcWriteOptions(use_legacy_format=True)) as writer:
        writer.write_table(table)
    assert decoded(out.getvalue()).verdicts.accepted == 2


def test_bytes_that_are_no_frames_are_refused() -> None:
    body = written(columns(), packed="lz4")
    for at in range(0, len(body), 3):
        for change in (0x01, 0x80, 0xFF):
            changed = body[:at] + bytes([body[at] ^ change]) + body[at + 1 :]
            with suppress(Refused):
                decoded(changed)
    assert refused(struct.pack("<Ii", 0xFFFFFFFF, -5) + b"x" * 40)["status"] == 400
    assert refused(b"")["detail"] == "the body is empty"


# --- what columns hold ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.float64()), pa.large_list(pa.float64()), pa.list_(pa.float64(), 3), pa.list_(pa.float32())]
)
def test_a_list_holds_consecutive_intervals(kind: pa.DataType) -> None:
    first, lists = int(NOON.timestamp()), [[0.25, None, 0.5], None, [1.0, 2.0, 3.0]]
    found = decoded(written(columns(3, kwh=pa.array(lists, kind), register_kwh=pa.array([None, 7.0, None]))))
    told = sorted((at - first, count) for _, at, count in rows(found))
    assert told == [(0, 250), (900, 7_000), (1_800, 500), (1_800, 1_000), (2_700, 2_000), (3_600, 3_000)]
    assert found.verdicts.to_dict()["rejected"] == 0


def test_lists_are_judged_as_those_of_json() -> None:
    lists: list[list[float | None] | None] = [[0.25, 0.1], [], [None], [0.5, 1e300], None]
    starts = [NOON.isoformat()] * 5
    words = ["900", "900", "900", "900", "900"]
    arrow = decoded(
        written(
            {"usage_point": ["UP-1", "UP-1", "UP-1", "", "UP-2"], "start": starts, "kwh": lists, "interval_s": words}
        )
    )
    records = [
        {"usage_point": name, "start": start, "kwh": kwh, "interval_s": 900}
        for name, start, kwh in zip(["UP-1", "UP-1", "UP-1", "", "UP-2"], starts, lists, strict=True)
    ]
    few = decode_json(json.dumps(records).encode(), DEFAULTS, NOW)
    assert [(one.name, one.at_s, one.counts) for one in few.few] == rows(arrow)
    judged = [[(one.index, one.status, one.fault.field) for one in each.verdicts.listed] for each in (arrow, few)]
    assert sorted(judged[0]) == sorted(judged[1])


def test_a_list_whose_intervals_have_no_length_is_refused() -> None:
    body = written(columns(2, kwh=pa.array([[0.1], [0.2, 0.3]]), interval_s=pa.array([900, 0])))
    found = decode_arrow(body, Said(), NOW)
    assert (found.verdicts.accepted, [one.fault.field for one in found.verdicts.listed]) == (1, ["interval_s"])


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("kwh", pa.array([True, False])),
        ("kwh", pa.array([[True], [False]])),
        ("kwh", pa.array([[[1.0]], [[2.0]]])),
        ("kwh", pa.array([NOON, NOON])),
        ("register_kwh", pa.array([[1.0], [2.0]])),
        ("usage_point", pa.array([{"a": 1}] * 2)),
        ("usage_point", pa.array([True, False])),
        ("usage_point", pa.array([["a"], ["b"]])),
        ("start", pa.array([True, False])),
        ("unit", pa.array([["kWh"], ["kWh"]])),
        ("usage_point", pa.RunEndEncodedArray.from_arrays(pa.array([2], pa.int32()), pa.array(["UP-1"]))),
    ],
)
def test_a_column_of_no_fitting_type_is_named(name: str, column: Any) -> None:  # noqa: ANN401 - an Arrow array
    told = refused(written(columns(2, **{name: column})))
    assert (told["status"], told["field"]) == (422, name)
    assert "kernel" not in told["detail"]
    assert str(column.type)[:20] in told["detail"]


def test_words_that_are_all_null_say_nothing() -> None:
    assert decoded(written(columns(2, unit=pa.nulls(2), quality=pa.array([None, "actual"])))).verdicts.accepted == 2


@pytest.mark.parametrize("text", ["NaN", "nan", "-NaN"])
def test_a_value_that_is_no_number_is_shown(text: str) -> None:
    (csv,) = decode_csv(
        f"usage_point,start,kwh\nUP-1,{NOON.isoformat()},{text}\n".encode(), DEFAULTS, NOW
    ).verdicts.listed
    assert (csv.value, csv.fault.field) == (text, "kwh")
    (arrow,) = decoded(written(columns(1, kwh=pa.array([float("nan")])))).verdicts.listed
    assert (arrow.value, arrow.fault.field) == ("NaN", "kwh")


def test_a_csv_with_nan_for_no_word_is_read_as_before() -> None:
    head, noon = "usage_point,start,kwh,register_kwh,unit,quality", NOON.isoformat()
    text = f"{head}\nUP-1,{noon},nan,5,nan,NaN\nnan,{noon},1,,,\n"
    found = decode_csv(text.encode(), DEFAULTS, NOW)
    assert (found.verdicts.accepted, [one.fault.field for one in found.verdicts.listed]) == (1, ["usage_point"])
