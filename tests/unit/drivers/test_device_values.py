"""Decimal texts to exact counts, and what no meter can have measured."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import DeviceNonsense
from gridwright.domain.reading_type import (
    DELIVERED_ENERGY,
    DELIVERED_REGISTER,
    POWER,
    VOLTAGE,
    Quantity,
    ReadingType,
    reading_type,
)
from gridwright.drivers.profile import Measures, ValueSpec
from gridwright.drivers.values import Scale, default_unit

REGISTER = ValueSpec("1.8.0", DELIVERED_REGISTER, 6)


def count(text: str, kind: ReadingType = DELIVERED_REGISTER, unit: str = "kWh", digits: int = 6) -> int | None:
    return Scale(ValueSpec("1.8.0", kind, digits), unit).count(text)


@given(st.integers(0, 999_999_999))
def test_a_register_of_three_decimals_is_exact(wh: int) -> None:
    assert count(f"{wh // 1000:06d}.{wh % 1000:03d}") == wh


@given(st.decimals(0, 999_999, places=3))
def test_the_decimal_point_is_no_float(value: Decimal) -> None:
    assert count(f"{value:.3f}") == int(value * 1000)


@pytest.mark.parametrize(
    ("text", "kind", "unit", "expected"),
    [
        ("000123.4", DELIVERED_REGISTER, "kWh", 123_400),
        ("000123,4", DELIVERED_REGISTER, "kWh", 123_400),
        ("123.", DELIVERED_REGISTER, "Wh", 123),
        ("0.5", DELIVERED_REGISTER, "MWh", 500_000),
        ("0000001", DELIVERED_REGISTER, "kwh", 1000),
        ("230.4", VOLTAGE, "V", 2304),
        ("-01.5", POWER, "kW", -1500),
        ("-0.000", DELIVERED_REGISTER, "kWh", 0),
        ("+0.001", DELIVERED_REGISTER, "kWh", 1),
        ("----.-", DELIVERED_REGISTER, "kWh", None),
        ("", DELIVERED_REGISTER, "kWh", None),
        ("0.0004", DELIVERED_REGISTER.finer(-1), "kWh", 4),
    ],
)
def test_numbers_as_meters_write_them(text: str, kind: ReadingType, unit: str, expected: int | None) -> None:
    assert count(text, kind, unit) == expected


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("-000001.5", "negative"),
        ("1234567.8", "more than 6 digits"),
        ("0.0004", "finer"),
        ("1e5", "no number"),
        ("12.3.4", "no number"),
        ("NaN", "no number"),
        ("0x10", "no number"),
        ("١٢", "no number"),
        ("1" * 60, "no number"),
    ],
)
def test_what_cannot_be_true_is_nonsense(text: str, what: str) -> None:
    with pytest.raises(DeviceNonsense, match=what):
        count(text)


def test_what_no_float_can_count_is_nonsense() -> None:
    with pytest.raises(DeviceNonsense, match="too large"):
        count("9" * 12, DELIVERED_REGISTER.finer(-9), digits=12)


@pytest.mark.parametrize("unit", ["kvarh", "V", "kW", "", "bananas"])
def test_a_unit_of_another_quantity_is_nonsense(unit: str) -> None:
    with pytest.raises(DeviceNonsense, match="no unit of energy"):
        Scale(REGISTER, unit)


@pytest.mark.parametrize(
    ("minutes", "exponent", "text", "expected"), [(15, 0, "00.400", 100), (15, -2, "00.001", 25), (60, 0, "00.001", 1)]
)
def test_mean_power_becomes_energy(minutes: int, exponent: int, text: str, expected: int) -> None:
    spec = ValueSpec("1.5.0", DELIVERED_ENERGY.finer(exponent), 2, measures=Measures.MEAN_POWER)
    assert Scale(spec, default_unit(spec), interval_s=minutes * 60).count(text) == expected


def test_mean_power_is_never_rounded() -> None:
    spec = ValueSpec("1.5.0", DELIVERED_ENERGY, 2, measures=Measures.MEAN_POWER)
    with pytest.raises(DeviceNonsense, match="finer"):
        Scale(spec, "kW", interval_s=900).count("00.001")


def test_units_left_out_are_the_usual_ones() -> None:
    assert default_unit(REGISTER) == "kWh"
    assert default_unit(ValueSpec("32.7.0", VOLTAGE, 3)) == "V"
    assert default_unit(ValueSpec("3.8.0", reading_type(Quantity.REACTIVE_ENERGY), 3)) == "kvarh"
