"""What others do between two pieces of a file is theirs: the import goes on beside it, and takes nothing back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats import registry
from gridwright.formats.nem12 import Nem12Reader
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.import_trusted import import_trusted
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.store import Store, open_store

START, NOW = datetime(2024, 12, 31, 14, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
HALF, DAY = timedelta(minutes=30), timedelta(days=1)
WHOLE = Interval(START - 30 * DAY, START + 30 * DAY)
SITE = SiteDefaults()
THEIRS = UsagePoint("NMI0000002", "Europe/Berlin", capacity_kw=900.0, attributes={"name": "Anna"})
DAYS = 3
E1 = replace(DELIVERED_ENERGY, channel="E1")


def a_file(folder: Path) -> Path:
    """Three days of two usage points, of which each is a piece of its own."""
    lines = ["100,NEM12,202501010000,MDP1,RET1"]
    for point in (1, 2):
        lines.append(f"200,NMI000000{point},E1,E1,E1,N1,METER1,kWh,30,")
        for day in range(1, DAYS + 1):
            numbers = ",".join(f"{0.5 + 0.01 * (slot % 7):.2f}" for slot in range(48))
            lines.append(f"300,2025010{day},{numbers},A,,,20250201000000,")
    path = folder / "meters.csv"
    path.write_text("\n".join([*lines, "900", ""]))
    return path


def added(store: Store) -> None:
    """Somebody adds the usage point of the second piece, with what is known of it, and what was measured before."""
    store.registry.save_points(ME, [THEIRS])
    values = np.asarray(500 + 10 * (np.arange(20 * 48) % 7), np.float64)
    before = Panel((THEIRS.id,), START - 20 * DAY, HALF, values[None], reading_type=E1)
    store.readings.save(ME, before, known_at=NOW)
    wrong = Panel((THEIRS.id,), START, HALF, np.array([[4_000_000.0]]), reading_type=E1)
    store.readings.save(ME, wrong, known_at=NOW)


def brought(store: Store, path: Path, how: Callable[..., object], between: Callable[[], object]) -> None:
    """Import a file, and let somebody else act behind its first piece."""
    done = list[int]()

    def act(*_: int) -> None:
        if not done and store.readings.series(ME):
            done.append(1)
            assert [each.id for each in store.registry.points(ME)] == ["NMI0000001"]
            between()

    how(store, ME, path, known_at=NOW, progress=act)
    assert done


def left(store: Store) -> dict[str, Any]:
    assert correct(store, ME, SITE, now=NOW).failed == 0
    images = {
        str(image): store.readings.load(ME, None, WHOLE, reading_type=E1, image=image).values.tobytes()
        for image in Image
    }
    doubts = sorted((each.code, each.usage_point, str(each.period)) for each in store.findings.load(ME))
    return {"points": store.registry.points(ME), "doubts": doubts, **images}


def trusted(*given: Any, **more: Any) -> object:  # noqa: ANN401 - as the job has them
    store, access, path = given
    return import_trusted(store, access, path, site=SITE, **more)


@pytest.mark.parametrize("how", [ingest_file, trusted], ids=["taken", "trusted"])
def test_a_usage_point_that_others_add_meanwhile_stays_as_they_have_it(
    tmp_path: Path, how: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its name, zone and capacity were set back to what an unknown one has, and its earlier readings were passed by."""
    monkeypatch.setattr(registry, "READERS", (Nem12Reader(chunk_bytes=1),))
    path = a_file(tmp_path)
    address = f"sqlite:///{tmp_path}/town.db"
    with open_store(address) as store, open_store(address) as theirs:
        brought(store, path, how, lambda: added(theirs))
        assert store.registry.point(ME, THEIRS.id) == THEIRS
        found = left(store)
    with open_store("sqlite://") as calm:
        ingest_file(calm, ME, path, known_at=NOW)
        first = calm.registry.points(ME, ["NMI0000001"])
    with open_store("sqlite://") as calm:
        calm.registry.save_points(ME, [*first, THEIRS])
        kind_of_file(calm, path)
        expected = left(calm)
    assert found == expected


def kind_of_file(store: Store, path: Path) -> None:
    """Bring the first piece, what somebody else adds, and the rest, one after the other."""
    lines = path.read_text().splitlines()
    head, end = lines[:1], lines[-1:]
    for number, part in enumerate((lines[1 : 2 + DAYS], lines[2 + DAYS : -1])):
        some = path.with_name(f"part-{number}.csv")
        some.write_text("\n".join([*head, *part, *end, ""]))
        ingest_file(store, ME, some, known_at=NOW)
        if number == 0:
            added(store)
