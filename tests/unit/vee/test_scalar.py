"""E09: monthly registers, estimated as California rounds them, or between two reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import InputError
from gridwright.domain.quality import Method
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter
from gridwright.vee.scalar import average_daily_use, counted_on, estimate_read

JUNE = datetime(2025, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KWH_METER = Meter("M", dials=5, lsb_wh=1000)


def a_read(day: float, kwh: float, *, device: str = "M") -> RegisterReading:
    return RegisterReading("P", JUNE + DAY * day, kwh * 1000, device)


def test_the_rounding_cascade() -> None:
    """Case C13: ADU 3.345 becomes 3.35, times 17 days is 56.95, of which 56 are counted."""
    assert counted_on(12345, Decimal("3.345"), 17) == 12401
    assert counted_on(12345, Decimal("3.345"), 17, Decimal(40)) == 12346
    read = estimate_read([a_read(0, 12345)], JUNE + 17 * DAY, KWH_METER, adu_kwh=Decimal("3.345"))
    assert (read.value, read.quality) == (12_401_000, q.pack(q.Status.ESTIMATED, Method.SCALAR))


@pytest.mark.parametrize(
    ("reads", "day", "kwh"),
    [
        ([(0, 100), (30, 400)], 10, 200),
        ([(0, 100), (30, 401)], 10, 200),
        ([(0, 100), (10, 165), (30, 400)], 10, 165),
        ([(0, 99_950), (30, 250)], 10, 50),
        ([(0, 99_950), (30, 250)], 40, 350),
        ([(0, 100), (30, 401)], 40, 501),
    ],
    ids=["line", "rounded", "read", "rollover", "onwards-over-rollover", "onwards"],
)
def test_reads_on_another_date(reads: list[tuple[float, float]], day: int, kwh: float) -> None:
    read = estimate_read([a_read(*one) for one in reads], JUNE + day * DAY, KWH_METER)
    assert read.value == kwh * 1000


def test_parts_of_a_day_count() -> None:
    """Half a day of 10 kWh a day is 5; from March to April in Berlin an hour is missing of the 31 days."""
    reads = [a_read(0, 100), a_read(10, 200)]
    assert estimate_read(reads, JUNE + 10.5 * DAY, KWH_METER).value == 205_000
    month = [a_read(0, 100), a_read(31 - 1 / 24, 410)]
    assert estimate_read(month, JUNE + 41 * DAY, KWH_METER).value == 510_000


def test_a_counter_ends_with_its_meter() -> None:
    reads = [a_read(0, 100), a_read(10, 200), a_read(20, 7, device="N")]
    assert estimate_read(reads, JUNE + 15 * DAY, KWH_METER).value == 250_000
    with pytest.raises(InputError, match="one register read of P tells no daily use"):
        estimate_read(reads, JUNE + 25 * DAY, KWH_METER)


def test_what_cannot_be_known_is_told() -> None:
    with pytest.raises(InputError, match="no register read before 2025-05-31"):
        estimate_read([a_read(0, 1)], JUNE - DAY, KWH_METER)
    with pytest.raises(InputError, match="first: none"):
        estimate_read([], JUNE, KWH_METER)
    with pytest.raises(InputError, match="0 days have no average daily use"):
        average_daily_use(Decimal(3), 0)


def test_watt_hour_registers_count_watt_hours() -> None:
    fine = Meter("M", dials=8, lsb_wh=1)
    assert estimate_read([a_read(0, 1)], JUNE + 2 * DAY, fine, adu_kwh=Decimal("3.345")).value == 7_700
