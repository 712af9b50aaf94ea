"""The usual names of fields in line protocol: each means something, and what has no quantity is told as unknown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gridwright.api.ingest.lines import LineMapping, Words, decode_lines, usual_fields
from gridwright.api.ingest.meaning import meaning_of

NOW = datetime(2025, 3, 1, 12, tzinfo=UTC)
ENERGY, POWER = "electricity/delivered/reactive-energy/delta/0", "electricity/none/reactive-power/instantaneous/0"
MAPPING, WORDS = LineMapping(usual_fields()), Words("em")


def meaning(name: str) -> tuple[str, int]:
    """Return what one field becomes: the code of its type, and the power of ten of its unit."""
    said = MAPPING.said(name, WORDS)
    assert said is not None
    found = meaning_of(said)
    return found.reading_type.code, found.power


@pytest.mark.parametrize("name", sorted(usual_fields()))
def test_each_usual_name_means_something(name: str) -> None:
    assert meaning(name)[0].startswith("electricity/")


@pytest.mark.parametrize(
    ("name", "code", "power"),
    [
        ("reactive_kvarh", ENERGY, 3),
        ("kvarh", ENERGY, 3),
        ("reactive_energy_varh", ENERGY, 0),
        ("reactive_received_kvarh", ENERGY.replace("delivered", "received"), 3),
        ("reactive_register_kvarh", ENERGY.replace("delta", "cumulative"), 3),
        ("var", POWER, 0),
        ("kvar", POWER, 3),
        ("reactive_power_kvar", POWER, 3),
        ("reactive_var", POWER, 0),
    ],
)
def test_reactive_energy_and_power_go_by_their_usual_names(name: str, code: str, power: int) -> None:
    assert meaning(name) == (code, power)
    decoded = decode_lines(f"em,usage_point=UP-1 {name}=1.5 1740830400".encode(), MAPPING, "s", NOW)
    assert (decoded.records, decoded.verdicts.rejected) == (1, 0)


@pytest.mark.parametrize(
    ("name", "quantity"), [("frequency", "frequency"), ("pf", "power-factor"), ("power_factor", "power-factor")]
)
def test_frequency_and_power_factor_go_by_their_usual_names(name: str, quantity: str) -> None:
    assert meaning(name) == (f"electricity/none/{quantity}/instantaneous/-3", 3)
    decoded = decode_lines(f"em,usage_point=UP-1 {name}=-0.9,kwh=0.25 1740830400".encode(), MAPPING, "s", NOW)
    assert (decoded.verdicts.accepted, decoded.verdicts.rejected) == (2, 0)
