"""Parts and wholes that are told over other times agree in whole counts, wherever that is possible."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.vee.margins import NOBODY, Margins

PLACES = st.integers(NOBODY, 3)


@settings(max_examples=200, deadline=None)
@given(cells=st.lists(st.tuples(PLACES, PLACES, st.integers(0, 50), st.integers(0, 80)), min_size=1, max_size=40))
def test_whatever_was_counted_margins_of_it_are_met(cells: list[tuple[int, int, int, int]]) -> None:
    """`counted` is one answer; another shape is fitted to its margins, and each stays from zero on."""
    part, whole, counted, shape = (np.array(each) for each in zip(*cells, strict=True))
    told = [np.bincount(key[key >= 0], counted[key >= 0], 4).astype(np.float64) for key in (part, whole)]
    for key, some in zip((part, whole), told, strict=True):
        some[np.bincount(key[key >= 0], minlength=4) == 0] = 0
    made = Margins(part, whole, *told).fit(shape.astype(np.float64))
    assert made is not None
    assert (made >= 0).all()
    assert (made == np.rint(made)).all()
    for key, some in zip((part, whole), told, strict=True):
        assert (np.bincount(key[key >= 0], made[key >= 0], 4) == some).all()


def test_margins_that_contradict_each_other_are_not_met() -> None:
    both = np.array([0, 1]), np.array([0, 0])
    assert Margins(*both, np.array([5.0, 7.0]), np.array([13.0])).fit(np.ones(2)) is None
    assert Margins(*both, np.array([5.0, 7.0]), np.array([12.0])).fit(np.ones(2)) is not None


def test_the_shape_is_kept_where_both_agree_with_it() -> None:
    shape = np.array([10.0, 20.0, 30.0, 40.0])
    made = Margins(np.array([0, 1, 0, 1]), np.array([0, 0, 1, 1]), np.array([80.0, 120.0]), np.array([60.0, 140.0]))
    fitted = made.fit(shape)
    assert fitted is not None
    assert np.abs(fitted - 2 * shape).max() <= 1
