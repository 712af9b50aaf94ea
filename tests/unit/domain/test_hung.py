"""Under which installation a register read counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gridwright.domain.hung import counting, counts, factor_between
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import FOREVER, Installation

START = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def hung(serial: str, begun: int, ended: int | None, factor: int) -> Installation:
    until = FOREVER if ended is None else START + ended * DAY
    return Installation("P", serial, Interval(START + begun * DAY, until), Decimal(factor))


# M-1 until day 6, away until day 10 while M-2 hung there, then again behind other transformers.
HISTORY = [hung("M-1", 0, 6, 1), hung("M-2", 6, 10, 20), hung("M-1", 10, None, 40)]


def read(serial: str, day: float, value: float = 0.0, epoch: int = 0) -> RegisterReading:
    return RegisterReading("P", START + day * DAY, value, serial, epoch)


@pytest.mark.parametrize(
    ("serial", "day", "said"),
    [
        ("M-1", 0, True),
        ("M-1", 6, True),  # its final read
        ("M-1", 6.01, False),
        ("M-1", 9.99, False),
        ("M-1", 10, True),
        ("M-1", -0.01, False),
        ("M-2", 6, True),
        ("M-2", 10.5, False),
        ("00m-2 ", 7, True),
        ("M-3", 7, False),
        ("", 7, True),
        ("", -1, True),
    ],
)
def test_a_read_counts_while_its_meter_hung_there(serial: str, day: float, *, said: bool) -> None:
    assert counts(HISTORY, read(serial, day)) is said
    assert counts([], read(serial, day))


@pytest.mark.parametrize(
    ("serial", "since", "until", "factor"),
    [
        ("M-1", 1, 6, 1.0),
        ("M-1", 6, 10, None),
        ("M-1", 5, 11, None),
        ("M-1", 10, 12, 40.0),
        ("M-2", 6, 10, 20.0),
        ("M-2", 9, 11, None),
        ("", 7, 8, 20.0),
        ("", 9, 11, None),
        ("", -2, -1, 1.0),
    ],
)
def test_a_difference_takes_the_factor_of_its_own_meter(
    serial: str, since: float, until: float, factor: float | None
) -> None:
    assert factor_between(HISTORY, read(serial, since), read(serial, until)) == factor
    assert factor_between([], read(serial, since), read(serial, until)) == 1.0


def test_what_is_left_out_between_two_reads_ends_no_epoch() -> None:
    chain = [
        read("M-1", 5, 90, 0),
        read("M-2", 6, 7, 1),
        read("M-1", 7, 95, 2),
        read("M-1", 8, 96, 2),
        read("M-2", 8.5, 9, 3),
        read("M-2", 9, 2, 4),  # reset
    ]
    kept = counting(HISTORY, chain)
    assert [(each.end_device, each.value, each.epoch) for each in kept] == [
        ("M-1", 90, 0),
        ("M-2", 7, 1),
        ("M-2", 9, 1),
        ("M-2", 2, 2),
    ]
