"""Where intervals may begin and end among reads of which some are less than a minute apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.minute_marks import DENSE_S, End, ends, ends_nothing

AT = st.lists(st.integers(0, 600), min_size=1, max_size=60, unique=True).map(sorted)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ([0, 60, 121, 178], [0, 60, 121, 178]),  # each minute, some a second or two beside it
        ([0, 20, 40, 60, 80], [0, 60]),
        ([5, 25, 45, 65, 85], [5, 60]),
        ([0, 880, 900], [0, 900]),  # the read just before a quarter gives way to the one at it
        ([0, 880, 910], [0, 900]),
        ([0, 880], [0, 880]),
        ([0, 50, 115], [0, 115]),  # nobody knows what stood there at 60
    ],
)
def test_it_is_at_reads_and_at_full_minutes_between_near_ones(at: list[int], expected: list[int]) -> None:
    assert [end.at_s for end in ends(at)] == expected


def test_a_mark_between_two_reads_names_both() -> None:
    assert ends([5, 55, 65])[1] == End(60, 1, 2)


def test_nothing_lies_between_reads_up_to_which_nothing_was_counted() -> None:
    assert [end.at_s for end in ends([0, 880, 910], apart={2})] == [0, 880, 910]


@given(AT)
def test_each_is_there_once_in_order_with_the_reads_around_it(at: list[int]) -> None:
    found = ends(at)
    assert [end.at_s for end in found] == sorted({end.at_s for end in found})
    for end in found:
        assert at[end.before] <= end.at_s <= at[end.after]
        assert end.after - end.before == (at[end.before] != end.at_s)


@given(AT, st.integers(1, DENSE_S))
def test_a_read_that_ends_nothing_changes_nothing(at: list[int], later: int) -> None:
    new = at[-1] + later
    assert (ends([*at, new]) == ends(at)) >= ends_nothing(at[-1], new)
