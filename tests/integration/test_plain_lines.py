"""Plain lines in the writer: they wait in the journal as others do, and go the long way where they cannot."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from gridwright.api.entrance_lines import PlainWay, tell_lines
from gridwright.api.ingest import compiled
from gridwright.api.ingest.lines import LineMapping, usual_fields
from gridwright.api.ingest.names import Resolved
from gridwright.api.ingest.plain import PlainLines
from gridwright.api.ingest.table import Decoded
from gridwright.api.quick import go_plain
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import write
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import epoch_s
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.integration.test_group_commit import NOW, QUARTER, START, TOWN, batch, record, value

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytest.importorskip("numba", reason="lines are compiled where numba is installed")


@pytest.fixture(params=["sqlite", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    compiled.load()
    kind = request.param
    address = str(tmp_path / "grid.db") if kind == "sqlite" else emptied(request.getfixturevalue(f"{kind}_url"))
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint(point) for point in sorted(TOWN.points)])
        yield store


def way(step: int = 900) -> PlainWay:
    mapping = LineMapping(usual_fields(), interval_s=step)
    return PlainWay(PlainLines(mapping), mapping, "s")


def lines(point: int, kwh: float, *, step: int = 900) -> bytes:
    last = epoch_s(START)
    body = (f"energy,usage_point=UP-{point} energy_kwh={kwh} {last - slot * step}\n" for slot in range(8, 0, -1))
    return "".join(body).encode()


def taken(store: Store, plain: PlainWay, body: bytes) -> Batch:
    """Build the batch of a body, as a server does that has learned from it."""
    found = plain.read(body, replace(TOWN, points=store.registry.keys(ME)), NOW)
    assert found is not None
    made = Batch(ME, NOW, Decoded(), Resolved(), TOWN, tell_lines)
    go_plain(made, found, body, plain)
    return made


def waiting(store: Store) -> int:
    return store.journal.waiting(ME).readings


def test_they_wait_in_the_journal_and_are_read_like_all_others(store: Store) -> None:
    plain = way()
    outcomes = write(store, [taken(store, plain, lines(1, 0.1)), taken(store, plain, lines(2, 0.2))], NOW)
    write(store, [taken(store, plain, lines(1, 0.3))], NOW)
    assert [one.status for one in outcomes if not isinstance(one, Exception)] == [204, 204]
    assert waiting(store) == 24
    assert (value(store, 1, -1), value(store, 2, -8)) == (300, 200)
    assert (
        len(store.readings.versions(ME, "UP-1", (START - QUARTER).date())) == 2
    )  # what was acknowledged first is kept


def test_what_comes_together_is_one_row(store: Store) -> None:
    plain = way()
    write(store, [taken(store, plain, lines(at, at / 10)) for at in (3, 1, 2)], NOW)
    assert (store.journal.waiting(ME).rows, waiting(store)) == (1, 24)
    assert [value(store, at, -1) for at in (1, 2, 3)] == [100, 200, 300]


def test_of_one_time_that_comes_twice_together_the_later_stays_and_the_other_is_kept(store: Store) -> None:
    plain = way()
    write(store, [taken(store, plain, lines(1, kwh)) for kwh in (0.1, 0.3)], NOW)
    assert store.journal.waiting(ME).rows == 2
    assert value(store, 1, -1) == 300
    assert len(store.readings.versions(ME, "UP-1", (START - QUARTER).date())) == 2


def test_what_comes_between_others_stays_in_its_turn(store: Store) -> None:
    """Two qualities of one time are two rows each: the last word is the last that came."""
    first, other = way(), way()
    batches = [taken(store, first, lines(1, kwh)) for kwh in (0.1, 0.5)]
    between = taken(store, other, lines(1, 0.2).replace(b"usage_point", b"quality=actual,usage_point"))
    write(store, [batches[0], between, batches[1]], NOW)
    assert store.journal.waiting(ME).rows == 3
    assert value(store, 1, -1) == 500


def test_on_another_grid_they_are_judged_one_by_one(store: Store) -> None:
    write(store, [batch(*(record(1, slot, 0.5) for slot in range(-40, 0)))], NOW)
    finer = taken(store, way(300), lines(1, 0.1, step=300))
    (outcome,) = write(store, [finer], NOW)
    assert finer.plain is None
    assert not isinstance(outcome, Exception)
    assert outcome.status == 400  # each is told, as the long way does
    assert b"dropped=8" in outcome.body
    assert waiting(store) == 0


def test_beside_others_they_are_saved_at_once(store: Store) -> None:
    write(store, [taken(store, way(), lines(1, 0.2)), batch(record(2, 0, 0.2))], NOW)
    assert waiting(store) == 0
    assert value(store, 1, -1) == 200


def test_who_sees_few_usage_points_is_judged_by_each(store: Store) -> None:
    made = taken(store, way(), lines(1, 0.2))
    made.access = replace(ME, points=frozenset({"UP-2"}))
    made.unfold = None
    assert made.plain is not None
    few = Batch(made.access, NOW, Decoded(), Resolved(), TOWN, tell_lines)
    go_plain(few, made.plain, lines(1, 0.2), way())
    (outcome,) = write(store, [few], NOW)
    assert not isinstance(outcome, Exception)
    assert outcome.status == 400
    assert waiting(store) == 0
