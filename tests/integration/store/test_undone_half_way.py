"""An import or a claim that gives new names, undone at any statement, and done again in the same process: one end."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreError, StoreLocked
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER, RECEIVED_ENERGY, VOLTAGE, Flow
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.import_trusted import import_trusted
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.claim_meter import claim_in_portions
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store
from gridwright.store.session import Unit
from tests.integration.store.conftest import emptied

START, NOW = datetime(2024, 12, 31, 14, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
HALF, DAY = timedelta(minutes=30), timedelta(days=1)
WHOLE = Interval(START - DAY, START + 9 * DAY)
SITE = SiteDefaults()
TIMES = 60 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 2
Act = Callable[[Store, Path], object]


@contextmanager
def failing(at: int, error: type[StoreError]) -> Iterator[list[int]]:
    """Let a statement fail, counted from now on; yields how many there were."""
    with pytest.MonkeyPatch.context() as patch:
        done = [0]
        for name, real in (("fetch", Unit.fetch), ("run_many", Unit.run_many)):

            def counted(unit: Unit, *given: Any, real: Callable[..., Any] = real) -> Any:  # noqa: ANN401 - as the unit's
                done[0] += unit.writes
                if unit.writes and done[0] == at:
                    raise error("the database failed here")
                return real(unit, *given)

            patch.setattr(Unit, name, counted)
        yield done


def a_file(folder: Path) -> Path:
    """Two usage points that nobody knows, with two channels of which nothing was ever stored."""
    path = folder / "meters.csv"
    if not path.exists():
        lines = ["100,NEM12,202501010000,MDP1,RET1"]
        for point in (1, 2):
            for channel in ("E1", "B1"):
                lines.append(f"200,NMI000000{point},E1B1,{channel},{channel},N1,METER{point},kWh,30,")
                for day in (1, 2):
                    numbers = ",".join(f"{0.5 + 0.01 * (slot % 7):.2f}" for slot in range(48))
                    lines.append(f"300,2025010{day},{numbers},A,,,20250201000000,")
        path.write_text("\n".join([*lines, "900", ""]))
    return path


def waiting(store: Store) -> None:
    """Have hours of two kinds and reads of a meter wait, of whose types nothing was ever stored."""
    hours = [START + slot * timedelta(hours=1) for slot in range(48)]
    store.registry.save_points(ME, [UsagePoint("UP-1", capacity_kw=100.0)])
    kinds = ((DELIVERED_ENERGY, 3600), (RECEIVED_ENERGY, 3600), (DELIVERED_REGISTER, 0))
    readings = [
        QuarantinedReading("M-9", at, float(100 + slot * (1 if length else 50)), length, kind)
        for kind, length in kinds
        for slot, at in enumerate(hours)
    ]
    store.quarantine.save(ME, readings, received=NOW)


def others(store: Store) -> None:
    """Store what somebody else measures, of a usage point and of types that nobody knew."""
    for kind in (VOLTAGE, replace(DELIVERED_ENERGY, flow=Flow.NET)):
        panel = Panel(("OTHER",), START, HALF, np.full((1, 4), 230.0), reading_type=kind)
        store.readings.save(ME, panel, known_at=NOW, register=True)


def taken(store: Store, folder: Path) -> object:
    return ingest_file(store, ME, a_file(folder), known_at=NOW, rejects_to=folder / "rejects.csv")


def trusted(store: Store, folder: Path) -> object:
    return import_trusted(store, ME, a_file(folder), site=SITE, known_at=NOW, rejects_to=folder / "rejects.csv")


def claimed(store: Store, _: Path) -> object:
    return claim_in_portions(store, ME, MeterClaim("M-9", "UP-1", since=START), now=NOW)


ACTS: dict[str, tuple[Callable[[Store], object], Act]] = {
    "a file": (lambda _: None, taken),
    "a file that is judged": (lambda _: None, trusted),
    "a claim": (waiting, claimed),
}


def left(store: Store) -> dict[str, Any]:
    """Return by names what is stored, of a sound database."""
    assert correct(store, ME, SITE, now=NOW).failed == 0
    assert {check.name: check.first for check in verify_store(store, ME, deep=True).checks if check.faults} == {}
    points = [point.id for point in store.registry.points(ME)]
    series = {
        (each.usage_point, each.reading_type.code, each.interval): store.readings.load(
            ME, each.usage_point, WHOLE, reading_type=each.reading_type, interval=each.interval
        ).values.tobytes()
        for each in store.readings.series(ME)
    }
    reads = [
        (read.at, read.value, read.epoch, read.end_device)
        for point in points
        for kind in store.registers.kinds(ME, point)
        for read in store.registers.load(ME, point, WHOLE, kind)
    ]
    doubts = sorted((each.code, each.usage_point, str(each.period)) for each in store.findings.load(ME))
    return {"points": points, "series": series, "reads": reads, "doubts": doubts}


@pytest.mark.parametrize("what", ACTS)
@pytest.mark.parametrize("error", [StoreError, StoreLocked], ids=["fails", "deadlock"])
def test_what_is_undone_half_way_and_done_again_ends_alike(
    what: str, error: type[StoreError], address: str, tmp_path: Path
) -> None:
    """A deadlock may be done again by itself: a statement that fails but once does no harm then."""
    begin, act = ACTS[what]
    (tmp_path / "calm").mkdir()
    with open_store("sqlite://") as calm, failing(-1, error) as statements:
        begin(calm)
        statements[0] = 0
        act(calm, tmp_path / "calm")
        count = statements[0]
        others(calm)
        expected = left(calm)
    rng = random.Random(len(what))  # noqa: S311 - a story, no secret
    for time in range(TIMES):
        folder = tmp_path / str(time)
        folder.mkdir()
        again = f"sqlite:///{folder}/store.db" if address.startswith("sqlite") else emptied(address)
        with open_store(again) as store, open_store(again) as theirs:
            begin(store)
            at = 1 + (time * count + rng.randrange(count)) // TIMES
            try:
                with failing(at, error):
                    act(store, folder)
            except StoreError:
                others(theirs)  # who is given the keys that were undone
                act(store, folder)
            else:
                others(theirs)
            assert left(store) == expected, at
            assert left(theirs) == expected, at
