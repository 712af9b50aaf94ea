"""Laws of the digits that are read as machine words: what they are is what Python reads, one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gridwright.formats.compact import STAMP, read_stamps
from gridwright.formats.digits import read_once, two_digits

DIGITS = st.integers(0, 99)
STAMPS = st.one_of(
    st.datetimes(datetime(1600, 1, 1), datetime(2399, 12, 31)).map(lambda at: f"{at:%Y%m%d%H%M}"),  # noqa: DTZ001
    st.text("0123456789/: ", min_size=STAMP, max_size=STAMP),
    st.sampled_from(("202402300000", "202402292400", "202402292401", "159912312359", "202413010000", "20240101000/")),
)


def second_of(stamp: str) -> int | None:
    """Read a stamp with Python; 24:00 ends its day."""
    ends = stamp.endswith("2400")
    try:
        year, month, day, hour, minute = map(int, (stamp[:4], *(stamp[at : at + 2] for at in (4, 6, 8, 10))))
        start = datetime(year, month, day, 0 if ends else hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    sound = stamp.isascii() and stamp.isdigit() and 1600 <= year <= 2399
    return int(start.timestamp()) + 86_400 * ends if sound else None


@given(st.lists(st.tuples(STAMPS, st.integers(1, 9)), min_size=1, max_size=30))
def test_stamps_are_read_as_python_reads_them_however_often_they_repeat(runs: list[tuple[str, int]]) -> None:
    stamps = [stamp for stamp, count in runs for _ in range(count)]
    text = np.frombuffer("".join(stamps).encode(), np.uint8)
    seconds, good = read_stamps(text, np.arange(len(stamps)) * STAMP)
    assert [int(second) if sound else None for second, sound in zip(seconds, good, strict=True)] == [
        second_of(stamp) for stamp in stamps
    ]


def test_a_stamp_outside_its_text_is_none() -> None:
    text = np.frombuffer(b"202401010000", np.uint8)
    assert read_stamps(text, np.array([-1, 0, 1]))[1].tolist() == [False, True, False]
    assert read_stamps(text[:5], np.array([0]))[1].tolist() == [False]


@given(st.lists(st.tuples(DIGITS, DIGITS), max_size=40))
def test_numbers_of_two_digits_are_told_from_other_words(numbers: list[tuple[int, int]]) -> None:
    text = "".join(f"{one:02d}{other:02d}" for one, other in numbers)
    found, good = two_digits(np.frombuffer(text.encode(), "<u4"))
    assert list(zip(*(part.tolist() for part in found), strict=True)) == numbers
    assert good.all()
    for strange in "/:aZ \x00\xff":
        word = np.frombuffer(f"12{strange}4".encode("latin-1"), "<u4")
        assert not two_digits(word)[1].any()


@given(st.lists(st.integers(0, 2), max_size=60))
def test_rows_that_repeat_the_one_before_are_answered_like_it(codes: list[int]) -> None:
    word = np.array(codes, np.uint32)
    number, good = read_once((word,), lambda rows: (word[rows].astype(np.int64), word[rows] > 0))
    assert number.tolist() == codes
    assert good.tolist() == [code > 0 for code in codes]
