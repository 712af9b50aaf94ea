"""Columns that are called by their unit alone: V, A, °C are no energy."""

from __future__ import annotations

import pytest

from gridwright.domain.errors import AmbiguousInput
from tests.unit.formats.csv_reading import Read, read

HOURS = [f"2025-06-01T{hour:02d}:00:00Z" for hour in range(24)]


def table(columns: str, row: str) -> Read:
    return read("\n".join([f"meter,start,{columns}", *(f"M-1,{at},{row}" for at in HOURS), ""]))


def kinds(found: Read) -> set[str]:
    return {str(one.reading_type.quantity) for piece in found.pieces for one in piece.series}


@pytest.mark.parametrize(
    ("name", "quantity"),
    [
        ("V", "voltage"),
        ("kV", "voltage"),
        ("A", "current"),
        ("mA", "current"),
        ("W", "power"),
        ("var", "reactive-power"),
        ("Hz", "frequency"),
        ("°C", "temperature"),
        ("kWh", "energy"),
        ("X", "energy"),
    ],
)
def test_a_unit_alone_is_the_unit(name: str, quantity: str) -> None:
    assert kinds(table(name, "23.5")) == {quantity}


def test_beside_each_other_each_is_its_own() -> None:
    assert kinds(table("V,A,W", "230.1,2.5,575.2")) == {"voltage", "current", "power"}
    assert kinds(table("kWh,V", "0.5,230.1")) == {"energy", "voltage"}


def test_meters_that_are_called_by_letters_are_no_amperes() -> None:
    with pytest.raises(AmbiguousInput, match="several columns may hold the readings: A, B"):
        table("A,B", "1.5,2.5")
