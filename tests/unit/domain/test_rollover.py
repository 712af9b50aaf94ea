from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.register import RegisterReading, Step, register_steps
from gridwright.domain.rollover import UNKNOWN_PACE, Counter, turned_over
from gridwright.domain.usage_point import Meter

START = datetime(2026, 3, 1, tzinfo=UTC)
FIVE = Meter("M-1", dials=5, lsb_wh=1000)
WRAP = 100_000_000.0


def a_read(kwh: float, hours: float) -> RegisterReading:
    return RegisterReading("UP-1", START + timedelta(hours=hours), kwh * 1000, "M-1")


@pytest.mark.parametrize(
    ("before", "after", "hours", "a_day", "turned"),
    [
        (99_990, 554, 720, None, True),
        (99_990, 554, 720, 20_000, True),
        (99_990, 554, 720, 1_000, False),  # thirty times what it counted before
        (99_999, 0, 0.25, None, True),
        (99_950, 0, 24, 1_000, True),  # fifty times as much as in a quiet month, but this near it always turns over
        (99_990, 554, 1, None, False),  # 564 kW: the connection carries no more than 100
        (50_120, 100, 720, None, False),
        (40_120, 100, 720, 2_000_000, False),  # more than half of the range
        (96_000, 100, 720, None, False),  # four hundredths of the range, and nobody knows how fast it counts
        (96_000, 100, 720, 100_000, True),
        (96_000, 100, 720, 10_000, False),  # that month is 300 kWh: it was reset
        (99_990, 0, 0, None, False),
        (100, 200, 24, None, False),
        (123_456, 10, 24, None, False),  # more than five dials show
    ],
)
def test_a_fall_is_a_rollover_where_that_is_possible_and_near(
    before: float, after: float, hours: float, a_day: float | None, turned: bool
) -> None:
    pair = a_read(before, 0), a_read(after, hours)
    assert turned_over(*pair, Counter(FIVE, 100), a_day) == (WRAP if turned else 0)


def test_the_factor_of_a_transformer_counts_towards_what_the_connection_carries() -> None:
    pair = a_read(99_990, 0), a_read(554, 24)
    assert turned_over(*pair, Counter(FIVE, 100)) == WRAP
    assert turned_over(*pair, Counter(FIVE, 100, 40)) == 0


@given(
    start=st.integers(0, 99_999),
    steps=st.lists(st.integers(0, int(UNKNOWN_PACE * 100_000)), min_size=1, max_size=300),
)
def test_whatever_turns_over_counts_the_sum_of_its_increments(start: int, steps: list[int]) -> None:
    total, counter = start, Counter(FIVE, 100)
    for step in steps:
        pair = a_read(total % 100_000, 0), a_read((total + step) % 100_000, 24)
        counted = pair[1].value - pair[0].value
        counted += turned_over(*pair, counter, None) if counted < 0 else 0
        assert counted == step * 1000
        (judged,) = register_steps(pair, meter=FIVE, capacity_kw=100)
        assert (judged.energy, judged.step is Step.ROLLOVER) == (step * 1000, pair[1].value < pair[0].value)
        total += step


@given(before=st.integers(1, 99_999), data=st.data(), a_day=st.none() | st.floats(0, 1e6))
def test_what_was_reset_far_from_its_end_adds_nothing(before: int, data: st.DataObject, a_day: float | None) -> None:
    after = data.draw(st.integers(0, before - 1))
    turned = turned_over(a_read(before, 0), a_read(after, 24 * 30), Counter(FIVE, 1e6), a_day)
    counted = (after - before) % 100_000 * 1000
    most = UNKNOWN_PACE * WRAP if a_day is None else max(WRAP / 1000, min(90 * a_day, WRAP / 2))
    assert turned == (WRAP if counted <= most else 0)
