"""Which columns of a table are registers, which count on: by their name, else by their values, and said so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from gridwright.domain.errors import AmbiguousInput
from gridwright.domain.reading_type import Accumulation
from tests.unit.formats.csv_reading import read

RISING = tuple(f"{12_345 + 6 * day + day * 7 % 5}.5" for day in range(9))
UNEVEN = ("0.5", "0.7", "0.3", "0.9", "0.2", "0.25", "0.8", "0.1", "0.4")


def daily(name: str, values: Sequence[str], hours: int = 24, time: str = "time") -> str:
    stamps = (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours * row) for row in range(len(values)))
    lines = (f"U-1,{stamp:%Y-%m-%dT%H:%MZ},{value}" for stamp, value in zip(stamps, values, strict=True))
    return "\n".join([f"usage_point,{time},{name}", *lines, ""])


def kind_of_column(text: str) -> tuple[str, bool]:
    """Return the kind of the only value column, and whether it was assumed."""
    (told,) = [each for each in read(text).dialect.evidence if each.what.startswith("kind of")]
    return told.value, told.because.startswith("assumed")


REGISTERS = (
    "register_kwh",
    "register",
    "Register_Wh",
    "meter_reading",
    "cumulative_kwh",
    "totalizer",
    "counter_kwh",
    "lifetime_energy",
    "index",
    "1.8.0",
    "1-0:1.8.0*255",
    "Zählerstand",
    "Zaehlerstand_kWh",
    "Ablesewert",
    "kumulierte_Energie",
    "Meterstand",
    "Lectura",
    "Mätarställning",
    "Målerstand",
)


@pytest.mark.parametrize("name", REGISTERS)
def test_a_name_that_means_a_register_decides(name: str) -> None:
    """However few rows there are: one is enough, as in a file of monthly reads, and no usage point is called so."""
    for values in (RISING, RISING[:2], RISING[:1]):
        found = read(daily(name, values))
        assert found.only.points == ("U-1",)
        assert found.only.reading_type.accumulation is Accumulation.CUMULATIVE
        assert kind_of_column(daily(name, values)) == ("cumulative", False)
    assert kind_of_column(daily(name, UNEVEN, 1)) == ("interval", True)


@pytest.mark.parametrize(
    ("name", "hours", "kind"),
    [
        ("reading", 24, "cumulative"),
        ("reading", 1, "cumulative"),
        ("total_kwh", 1, "cumulative"),
        ("import_kwh", 24, "cumulative"),
        ("kWh", 24, "cumulative"),
        ("total_consumption", 24, "cumulative"),
        ("import_kwh", 1, "interval"),
        ("kWh", 1, "interval"),
        ("usage_kwh", 24, "interval"),
        ("register_usage_kwh", 24, "interval"),
        ("Verbrauch", 24, "interval"),
        ("consumption", 24, "interval"),
    ],
)
def test_what_a_name_does_not_decide_is_assumed_and_told(name: str, hours: int, kind: str) -> None:
    assert kind_of_column(daily(name, RISING, hours)) == (kind, True)
    assert kind_of_column(daily(name, UNEVEN, hours)) == ("interval", True)
    assert kind_of_column(daily(name, RISING[:3], hours)) == ("interval", True), "two rises tell nothing"
    new_meter = [str(row) for row in range(1, 10)]
    assert kind_of_column(daily(name, new_meter, hours)) == ("interval", True), "use may rise like this, too"
    assert kind_of_column(daily(name, RISING, hours, "interval_start")) == ("interval", True)


def test_the_unit_of_a_register_shows_in_its_steps() -> None:
    """A register of 12,345 kWh does not count Wh because it is large and whole."""
    whole = [str(12_345 + 7 * day) for day in range(9)]
    assert read(daily("register", whole)).told("unit of register") == "kWh"
    assert read(daily("register", [str(12_345_000 + 7_000 * day) for day in range(9)])).told("unit of register") == "Wh"


@pytest.mark.parametrize("kind", ["", "cumulative"])
def test_a_column_register_holds_reads_where_nothing_else_does(kind: str) -> None:
    assert read(daily("register", RISING), kind=kind).only.reading_type.accumulation is Accumulation.CUMULATIVE
    codes = daily("register,amount", [f"{1 + row % 2},{value}" for row, value in enumerate(UNEVEN)])
    pieces = read(codes, interval_minutes=60).pieces
    channels = [series.reading_type.channel for piece in pieces for series in piece.series]
    assert channels == ["", "2"], "few whole numbers beside readings are codes of registers"
    with pytest.raises(AmbiguousInput, match="amount, register"):
        read(daily("register,amount", [f"{value},{row}" for row, value in enumerate(RISING)]))
