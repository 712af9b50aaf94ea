"""The usual names of fields in line protocol: each means something, and what has no quantity is told as unknown."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gridwright.api.entrance_lines import PlainWay
from gridwright.api.ingest import compiled
from gridwright.api.ingest.lines import LineMapping, Words, decode_alike, decode_lines, usual_fields
from gridwright.api.ingest.meaning import meaning_of
from gridwright.api.ingest.names import Directory
from gridwright.api.ingest.plain import PlainLines

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


@pytest.mark.parametrize("decode", [decode_lines, decode_alike])
@pytest.mark.parametrize("neighbours", [1, 40])
def test_a_line_with_a_tag_twice_is_refused_and_its_neighbours_are_taken(decode: Any, neighbours: int) -> None:  # noqa: ANN401
    """It named two usage points, and went to the second without a word."""
    sound = [f"energy,usage_point=UP-1 energy_kwh=0.25 {1740830400 - 900 * at}" for at in range(neighbours)]
    wrong = "energy,usage_point=UP-1,usage_point=UP-2 energy_kwh=0.25 1740830400"
    decoded = decode("\n".join([*sound, wrong]).encode(), MAPPING, "s", NOW)
    if decoded is None:
        assert decode is decode_alike  # the long way tells
        return
    assert (decoded.verdicts.accepted, decoded.verdicts.rejected) == (neighbours, 1)
    (verdict,) = decoded.verdicts.listed
    assert (verdict.line, verdict.fault.reason) == (neighbours + 1, "the tag is there twice")


def test_plain_lines_with_a_tag_twice_go_the_long_way() -> None:
    pytest.importorskip("numba", reason="lines are compiled where numba is installed")
    compiled.load()
    plain, town = PlainLines(MAPPING), Directory({"UP-1": 1, "UP-2": 2})
    sound = b"energy,usage_point=UP-1 energy_kwh=0.25 1740830400\n"
    wrong = b"energy,usage_point=UP-1,usage_point=UP-2 energy_kwh=0.25 1740830400\n"
    for body, taken in ((sound, True), (wrong, False), (sound + wrong, False)):
        for _ in range(3):  # as a server that has learned from it
            assert (PlainWay(plain, MAPPING, "s").read(body, town, NOW) is not None) is taken
