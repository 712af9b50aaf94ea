"""Estimates are led to the ends of their gap: what the ends are off by fades with the distance from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.vee.rungs import bridge

ENDS = st.one_of(st.just(np.nan), st.floats(-1e4, 1e4))


def one_run(length: int, left: float, right: float, fade: float) -> np.ndarray:
    """Return the formula itself, of one run."""
    k, steps = np.arange(1, length + 1.0), length + 1.0
    whole = 1 - fade ** (2 * steps)
    near = fade**k if np.isnan(right) else (fade**k - fade ** (2 * steps - k)) / whole
    far = fade ** (steps - k) if np.isnan(left) else (fade ** (steps - k) - fade ** (steps + k)) / whole
    return np.asarray(near * np.nan_to_num(left) + far * np.nan_to_num(right))


@given(st.lists(st.tuples(st.integers(1, 120), ENDS, ENDS), min_size=1, max_size=6), st.floats(0.05, 0.9))
def test_long_and_short_runs_follow_the_formula(runs: list[tuple[int, float, float]], fade: float) -> None:
    length = np.array([run[0] for run in runs], np.intp)
    ends = np.array([run[1] for run in runs]), np.array([run[2] for run in runs])
    wanted = np.concatenate([one_run(*run, fade) for run in runs])
    # What is less than a millionth of an end may be left out.
    assert bridge(length, ends, fade) == pytest.approx(wanted, abs=2.1e-2, rel=1e-9)


def test_what_is_not_remembered_adds_nothing_and_what_never_fades_is_a_line() -> None:
    length, ends = np.array([3, 50]), (np.array([8.0, np.nan]), np.array([4.0, 2.0]))
    assert bridge(length, ends, 0.0).tolist() == [0.0] * 53
    line = bridge(length, ends, 1.0)
    assert line[:3] == pytest.approx([7, 6, 5], rel=1e-5)
    assert line[3:] == pytest.approx(2.0, rel=1e-5)
