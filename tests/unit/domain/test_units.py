"""Units as people write them: milli is told from mega by its letters, whatever else the case does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.reading_type import BASE_UNIT, DELIVERED_ENERGY, VOLTAGE, Quantity
from gridwright.domain.units import UNITS, WRITTEN, amount, base_amount, unit_named


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("mWh", "mWh"),
        ("mW", "mW"),
        ("mWH", "mWh"),
        (" mWh ", "mWh"),
        ("mwh", "MWh"),
        ("mw", "MW"),
        ("MWH", "MWh"),
        ("Mwh", "MWh"),
        ("KWH", "kWh"),
        ("kwh", "kWh"),
        ("watt", "W"),
        ("M3", "m³"),
        ("°c", "°C"),
        ("ma", "mA"),
        ("度", "kWh"),
        ("mWx", None),
        ("furlong", None),
        ("", None),
    ],
)
def test_a_unit_is_named_as_the_table_writes_it(text: str, unit: str | None) -> None:
    assert unit_named(text) == unit


@given(st.sampled_from(sorted(UNITS)), st.lists(st.booleans(), min_size=5, max_size=5))
def test_case_never_changes_the_quantity(unit: str, large: list[bool]) -> None:
    written = "".join(one.upper() if up else one.lower() for one, up in zip(unit, large, strict=False))
    named = unit_named(written)
    assert named is not None
    assert UNITS[named][0] is UNITS[unit][0]
    assert written.startswith("mW") == (named in {"mW", "mWh"})


def test_every_unit_is_told_and_every_quantity_has_its_base_unit() -> None:
    assert set(WRITTEN.replace(" or", ",").split(", ")) == set(UNITS)
    assert {quantity: UNITS[unit] for quantity, unit in BASE_UNIT.items()} == {one: (one, 0) for one in Quantity}


def test_counts_are_told_exactly_as_they_were_written() -> None:
    fine = DELIVERED_ENERGY.finer(-3)
    assert (base_amount(2301.0, VOLTAGE), base_amount(9.0, fine), base_amount(7.0, fine.finer(3))) == (
        230.1,
        0.009,
        7e3,
    )
    assert (amount(2301.0, VOLTAGE), amount(9.0, fine), amount(7.0, fine.finer(3))) == (230.1, 9e-6, 7.0)
