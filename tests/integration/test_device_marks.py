"""V14 by what files say of the meter: a quality code of IEC 61968-9, a reason of MSCONS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import Store, open_store
from tests.unit.formats.test_cim_xml import a_message, a_meter
from tests.unit.formats.test_marked import FIRST, QUARTER, quarters, reasoned

NOW = datetime(2025, 4, 1, tzinfo=UTC)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        yield opened


@pytest.mark.parametrize("kind", ["cim", "mscons"])
def test_what_a_file_says_of_a_meter_is_a_doubt_about_its_intervals(store: Store, tmp_path: Path, kind: str) -> None:
    store.registry.save_points(ME, [UsagePoint("DE001", "UTC", "residential")])
    store.registry.save_meter(ME, Meter("M1"))
    store.registry.save_installation(ME, install("DE001", "M1", datetime(2024, 1, 1, tzinfo=UTC)))
    path = tmp_path / "a.txt"
    good, bad = ("1.0.0",), ("1.4.9",)
    point = "<UsagePoint><mRID>DE001</mRID></UsagePoint>"
    xml = a_message(a_meter(quarters(*[good] * 8, bad, bad, *[good] * 8), more=point))
    path.write_bytes(xml if kind == "cim" else reasoned(*[""] * 8, *["STS+Z34++ZA0"] * 2, *[""] * 8))
    ingest_file(store, ME, path, known_at=NOW)
    correct(store, ME, SiteDefaults(), now=NOW)
    (found,) = [each for each in store.findings.load(ME, ["DE001"]) if each.code == "V14_status"]
    assert found.period == Interval(FIRST + 8 * QUARTER, FIRST + 10 * QUARTER)
    assert "clock set" in found.message
