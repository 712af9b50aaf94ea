"""Versions of a day that lie far apart in a NEM12 file count as if they lay side by side."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.formats.nem12 import Nem12Reader, precision
from gridwright.formats.source import Decoded, ReadOptions

HEADER = "100,NEM12,202501010000,MDP1,RET1"
STAMPS = ["20250102000000", "20250103000000", "202501031200", "20250104", ""]


def channel(point: int = 1, suffix: str = "E1", minutes: int = 30) -> str:
    return f"200,NMI{point:07d},E1E2,{suffix},{suffix},N1,METER1,kWh,{minutes},"


def day(value: str, stamp: str, *, on: str = "20250101", quality: str = "A", slots: int = 48) -> str:
    return f"300,{on},{','.join([value] * slots)},{quality},,,{stamp},"


def read(data: bytes, chunk_bytes: int) -> list[Decoded]:
    reader, view = Nem12Reader(chunk_bytes=chunk_bytes), memoryview(data)
    dialect = reader.inspect(view, "meter.csv", ReadOptions())
    return [reader.decode(view, chunk, dialect) for chunk in reader.chunks(view, dialect)]


def text(*records: str) -> bytes:
    return "\n".join([HEADER, *records, "900", ""]).encode()


def readings(pieces: list[Decoded]) -> Counter[tuple[object, ...]]:
    """Return every reading with the line that tells it."""
    found: Counter[tuple[object, ...]] = Counter()
    for series in (each for piece in pieces for each in piece.series):
        names = [series.points[entry] for entry in series.point.tolist()]
        values = np.nan_to_num(series.value, nan=-1).tolist()
        rows = zip(names, series.at.tolist(), values, series.quality.tolist(), series.line.tolist(), strict=True)
        found.update((series.reading_type, series.interval_s, *row) for row in rows)
    return found


def notes(pieces: list[Decoded]) -> str:
    return " ".join(note for piece in pieces for note in piece.notes)


@pytest.mark.parametrize("later_first", [True, False])
@pytest.mark.parametrize("between", [0, 3])
def test_the_version_updated_last_counts_in_whichever_piece_it_lies(later_first: bool, between: int) -> None:
    versions = [day("0.5", STAMPS[0]), day("0.7", STAMPS[1], quality="V") + "\n400,1,48,S17,,"]
    first, second = reversed(versions) if later_first else versions
    others = [line for point in range(2, 2 + between) for line in (channel(point), day("0.1", STAMPS[3]))]
    pieces = read(text(channel(), first, *others, channel(), second), 64)
    assert len(pieces) == 2 + between
    values = Counter(value for (*_, value, _, _) in readings(pieces).elements())
    assert values == Counter({700.0: 48, 100.0: 48 * between})
    assert "1 days are here in a later version by their UpdateDateTime, which is taken" in notes(pieces)
    assert f"the first is 20250101 of NMI0000001, line {6 + 2 * between if later_first else 3}" in notes(pieces)
    assert sum(piece.rejected for piece in pieces) == 0


@pytest.mark.parametrize("damage", [("0.7", "0.7x", 1), (",A,", ",Z9,", 1), ("0.7", "0.7x", 48)])
def test_what_cannot_be_read_of_the_last_is_taken_from_another_piece(damage: tuple[str, str, int]) -> None:
    versions = [day("0.5", STAMPS[0]), day("0.7", STAMPS[1]).replace(*damage)]
    for first, second in (versions, versions[::-1]):
        whole = read(text(channel(), first, channel(), second), 1 << 20)
        apart = read(text(channel(), first, channel(), second), 64)
        assert (len(whole), len(apart)) == (1, 2)
        assert readings(apart) == readings(whole)
        assert sum(piece.rejected for piece in apart) == whole[0].rejected > 0
        assert "cannot be read" in notes(apart)


records = st.tuples(
    st.sampled_from([channel(), channel(2), channel(1, "E2"), channel(1, "E1", 15)]),
    st.lists(
        st.tuples(
            st.sampled_from(["0.5", "0.7", "0.9x", ""]),
            st.sampled_from(STAMPS),
            st.sampled_from(["20250101", "20250102", "2025010x"]),
            st.sampled_from(["A", "E", "S17", "V", "Z9", ""]),
            st.sampled_from([1, 2, 45, 47, 48, 96]),
            st.sampled_from([[], ["400,1,48,S17,,"], ["400,1,24,A,,", "400,25,48,N,,"], ["0.1,0.2"]]),
        ),
        max_size=3,
    ),
)


@given(st.lists(records, max_size=6), st.sampled_from(["", '"']), st.booleans(), st.sampled_from([0, 40, 7000]))
def test_where_a_file_is_cut_changes_nothing(
    blocks: list[tuple[str, list[tuple[str, str, str, str, int, list[str]]]]], quote: str, whole: bool, window: int
) -> None:
    lines = [HEADER]
    for head, days in blocks:
        lines.append(head)
        for value, stamp, on, quality, slots, ranges in days:
            lines += [day(value, stamp, on=on, quality=quality, slots=slots), *ranges]
    lines += ["900"] if whole else []
    quoted = (",".join(f"{quote}{field}{quote}" for field in line.split(",")) for line in lines)
    data = "\n".join(quoted).encode()
    if not blocks:
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(precision, "WINDOW", window or precision.WINDOW)
        pieces = read(data, 1)
    together = read(data, 1 << 20)
    assert readings(pieces) == readings(together)
    assert sum(piece.records for piece in pieces) == sum(piece.records for piece in together)
    assert sum(piece.rejected for piece in pieces) == sum(piece.rejected for piece in together)
    told = [{(each.line, each.reason) for piece in some for each in piece.rejects} for some in (pieces, together)]
    assert told[0] == told[1]
