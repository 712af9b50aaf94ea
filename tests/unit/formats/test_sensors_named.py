"""Frequency and power factor: what the formats and entrances call them, and the way back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.api.ingest.meaning import Said, meaning_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import FREQUENCY, POWER_FACTOR, ReadingType, from_code
from gridwright.drivers.profile import ValueSpec
from gridwright.drivers.values import Scale
from gridwright.formats.cim_codes import Codes, codes_of
from gridwright.formats.cim_codes import meaning_of as cim_meaning
from gridwright.formats.registry import writer_named
from tests.unit.formats.markup_reading import read

START = datetime(2025, 3, 1, 14, tzinfo=UTC)
HALF = timedelta(minutes=30)
KINDS = pytest.mark.parametrize(
    ("kind", "unit", "uom", "value"), [(FREQUENCY, "Hz", 33, 49.985), (POWER_FACTOR, "pf", 65, -0.947)]
)


@KINDS
def test_it_is_known_by_its_unit(kind: ReadingType, unit: str, uom: int, value: float) -> None:
    assert from_code(kind.code) == kind
    told = meaning_of(Said(unit=unit, interval_s=900))
    assert (told.reading_type, told.power) == (kind, 3)
    found = cim_meaning(Codes(accumulation=12, commodity=1, uom=uom), decimals=3)
    assert not isinstance(found, str)
    assert (found.reading_type, found.places, codes_of(kind).uom) == (kind, 3, uom)
    assert Scale(ValueSpec("14.7.0", kind, digits=2), unit).count(f"{value}") == round(value * 1000)


@KINDS
@pytest.mark.parametrize("name", ["csv", "nem12", "cim-xml", "green-button"])
def test_it_comes_back_from_a_file_as_it_was(kind: ReadingType, unit: str, uom: int, value: float, name: str) -> None:
    del unit, uom
    writer, counts = writer_named(name), round(value * 1000)
    if name == "nem12" and kind is FREQUENCY:
        assert writer.why_not(kind, 1800, 0)
        return
    panel = Panel(("NMI0000001",), START, HALF, np.full((1, 48), float(counts)), reading_type=kind)
    back = read(b"".join(writer.write([panel], [], {})))
    assert (back.rejected, len(back.values)) == (0, 48)
    assert {
        (key[1].split("/")[2], round(scaled * 10 ** int(key[1].split("/")[4]), 6))
        for key, scaled in back.values.items()
    } == {(str(kind.quantity), value)}
