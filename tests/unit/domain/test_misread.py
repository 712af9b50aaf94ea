"""One wrong read between two good ones is set aside; what is a rise, a fall or an exchange stays."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.misread import misreads, set_aside
from gridwright.domain.register import RegisterReading

START = datetime(2026, 10, 14, tzinfo=UTC)
DAY = timedelta(days=1)


def reads(*values: float, meters: str = "", epochs: tuple[int, ...] = ()) -> list[RegisterReading]:
    """One read a day; `meters`: a letter for each."""
    return [
        RegisterReading("A", START + DAY * day, value, meters[day : day + 1] or "M", epochs[day] if epochs else 0)
        for day, value in enumerate(values)
    ]


def within_100_kwh(before: RegisterReading, after: RegisterReading) -> bool:
    return after.value - before.value <= 100_000 * ((after.at - before.at) / DAY)


@pytest.mark.parametrize(
    ("values", "wrong"),
    [
        ((1_599_899, 162_045, 1_627_741), [1]),  # a digit is missing
        ((1_599_899, 1_699_899, 1_627_741), [1]),  # too high, by what the connection carries
        ((1_599_899, 1_613_484, 1_627_741), []),
        ((1_599_899, 1_599_899, 1_599_899), []),
        ((1_599_899, 0, 14_257), []),  # it was reset, and stands far below
        ((1_599_899, 0, 1_800_000), []),  # more than two days carry: nobody can tell
        ((10, 5, 20, 6, 30), [1, 3]),  # the read between is borne out by the one it comes back to
        ((10, 5), []),
        ((5, 10), []),
    ],
)
def test_which_reads_are_wrong(values: tuple[float, ...], wrong: list[int]) -> None:
    assert misreads(reads(*values), within_100_kwh) == wrong


def test_the_reads_of_an_exchange_are_no_misreads() -> None:
    assert misreads(reads(10, 5, 20, meters="MNM"), within_100_kwh) == []
    first, final, last = reads(1_000, 0, 1_500)
    opening = RegisterReading("A", first.at, 0, "M", 1)
    assert misreads([first, opening, last], within_100_kwh) == []
    assert misreads([opening, first, final, last], within_100_kwh) == [2]


@pytest.mark.parametrize("epochs", [(0, 1, 1, 1), (0, 1, 0, 0), (0, 0, 0, 0)])
def test_what_is_set_aside_ends_no_epoch(epochs: tuple[int, ...]) -> None:
    kept, aside = set_aside(reads(10, 5, 20, 30, epochs=epochs), within_100_kwh)
    assert [(read.value, read.epoch) for read in kept] == [(10, 0), (20, 0), (30, 0)]
    assert [(one.before.value, one.read.value, one.after.value) for one in aside] == [(10, 5, 20)]


@given(st.lists(st.integers(0, 40_000), min_size=3, max_size=9), st.data())
def test_one_wrong_read_between_two_good_ones_changes_no_total(rises: list[int], data: st.DataObject) -> None:
    total, values = 0, []
    for rise in rises:
        total += rise
        values.append(float(total))
    place = data.draw(st.integers(1, len(values) - 2))
    wrong = data.draw(st.integers(0, 2 * total + 1))
    good = [*values]
    values[place] = float(wrong)
    kept, _ = set_aside(reads(*values), within_100_kwh)
    counted = sum(after.value - before.value for before, after in pairwise(kept))
    assert counted == good[-1] - good[0]
