from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from gridwright.domain.errors import InputError
from gridwright.store.days.pack import pack, pack_counts, unpack_counts, unpack_quality

NAN = float("nan")


@pytest.mark.parametrize(
    ("row", "width", "first_bytes"),
    [
        ([1, 2], 2, b"\x01\x00\x02\x00"),
        ([-1, NAN], 2, b"\xff\xff\x00\x80"),
        ([32_767, -32_767], 2, b"\xff\x7f\x01\x80"),
        ([-32_768, 0], 4, b"\x00\x80\xff\xff\x00\x00\x00\x00"),
        ([40_000, NAN], 4, b"\x40\x9c\x00\x00\x00\x00\x00\x80"),
        ([-(2**31), 0], 8, b"\x00\x00\x00\x80\xff\xff\xff\xff" + bytes(8)),
        ([2**31, NAN], 8, b"\x00\x00\x00\x80" + bytes(4) + bytes(7) + b"\x80"),
    ],
)
def test_bytes_and_width(row: list[float], width: int, first_bytes: bytes) -> None:
    assert pack_counts(np.array([row], float), ["a"]) == ([width], [first_bytes])


def test_only_the_row_that_needs_it_takes_eight_bytes() -> None:
    widths, counts = pack_counts(np.array([[1.0, 70_000], [1, 2**40], [NAN, NAN]]), ["a", "b", "c"])
    assert widths == [4, 8, 4]
    back = unpack_counts(counts, widths, 2)
    assert np.array_equal(back, np.array([[1.0, 70_000], [1, 2**40], [NAN, NAN]]), equal_nan=True)


@pytest.mark.parametrize("value", [0.5, 1e-9, 2.0**60, float("inf")])
def test_what_is_no_whole_count_names_the_point_and_slot(value: float) -> None:
    with pytest.raises(InputError, match=r"usage point b, slot 1 .*whole count.*finer exponent"):
        pack_counts(np.array([[1.0, 2.0], [3.0, value]]), ["a", "b"])


@given(
    hnp.arrays(
        np.float64,
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=6),
        elements=st.one_of(st.just(NAN), st.integers(-(2**53), 2**53).map(float), st.integers(-9, 9).map(float)),
    )
)
def test_what_is_packed_comes_back(values: npt.NDArray[np.float64]) -> None:
    names = [str(row) for row in range(len(values))]
    quality = (np.arange(values.size, dtype=np.uint8) // 3).reshape(values.shape)
    packed = pack(values, quality, names)
    slots = values.shape[1]
    assert np.array_equal(unpack_counts(packed.counts, packed.widths, slots), values, equal_nan=True)
    assert np.array_equal(unpack_quality(packed.quality_all, packed.quality, slots), quality)


def test_one_quality_byte_where_all_slots_share_it() -> None:
    packed = pack(np.zeros((2, 3)), np.array([[5, 5, 5], [5, 5, 0]], np.uint8), ["a", "b"])
    assert (packed.quality_all, packed.quality) == ([5, None], [None, b"\x05\x05\x00"])
