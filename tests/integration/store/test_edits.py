"""Edits on every database: each step stays on record, also of rows that were written before all were kept."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from sqlalchemy import select, update

from gridwright.domain.access import Access, Role
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.interval import Interval
from gridwright.domain.usage_point import UsagePoint
from gridwright.store import Store
from gridwright.store.schema.trust import edit as table

NOW, HOUR = datetime(2025, 6, 1, 12, tzinfo=UTC), timedelta(hours=1)
ANN, BOB, EVE = (Access(name, Role.ADMIN) for name in ("ann", "bob", "eve"))
PERIOD = Interval(NOW - HOUR, NOW)


def an_edit(code: str, author: Access, at: datetime) -> Edit:
    return Edit(code, "UP-1", PERIOD, HOUR, (1.0,), (None,), author.actor, "read on site", at)


def step(store: Store, who: Access, edit: Edit, state: EditState, at: datetime) -> Edit:
    after = edit.to(state, by=who.actor, now=at)
    store.edits.advance(who, edit, after)
    return after


def test_who_approved_stays_known_when_somebody_withdraws(store: Store) -> None:
    store.registry.save_points(ANN, [UsagePoint("UP-1")])
    first = an_edit("E-1", ANN, NOW)
    store.edits.add(ANN, first)
    applied = step(store, BOB, first, EditState.APPLIED, NOW + HOUR)
    gone = step(store, EVE, applied, EditState.WITHDRAWN, NOW + 2 * HOUR)
    found = store.edits.edit(ANN, "E-1")
    assert found == gone
    assert (found.approved_by, found.approved) == ("bob", NOW + HOUR)
    assert (found.withdrawn_by, found.withdrawn) == ("eve", NOW + 2 * HOUR)
    assert store.edits.withdrawn(ANN, ["UP-1"], PERIOD) == [gone]
    assert store.edits.applied(ANN, ["UP-1"], PERIOD) == []


def test_of_old_rows_the_last_step_is_known(store: Store) -> None:
    store.registry.save_points(ANN, [UsagePoint("UP-1")])
    first = an_edit("E-1", ANN, NOW)
    store.edits.add(ANN, first)
    applied = step(store, BOB, first, EditState.APPLIED, NOW + HOUR)
    with store._engine.begin() as connection:
        detail = json.loads(connection.execute(select(table.c.detail)).scalar_one())
        del detail["approved"]
        connection.execute(update(table).values(detail=json.dumps(detail)))
    assert store.edits.edit(ANN, "E-1") == applied
    step(store, EVE, applied, EditState.WITHDRAWN, NOW + 2 * HOUR)
    assert store.edits.edit(ANN, "E-1").approved_by == "bob"


def test_what_somebody_applied_alone_is_found_by_who_asks(store: Store) -> None:
    store.registry.save_points(ANN, [UsagePoint("UP-1"), UsagePoint("UP-2")])
    for number, (who, second) in enumerate([(ANN, ANN), (ANN, BOB), (BOB, BOB), (ANN, ANN)]):
        made = an_edit(f"E-{number}", who, NOW + number * HOUR)
        store.edits.add(who, made)
        step(store, second, made, EditState.APPLIED, NOW + number * HOUR)
    alone = store.edits.applied_alone
    assert [each.id for each in alone(ANN, ["UP-1", "UP-2"], NOW - HOUR)] == ["E-0", "E-3"]
    assert [each.id for each in alone(ANN, ["UP-1"], NOW)] == ["E-3"]
    assert [each.id for each in alone(BOB, ["UP-1"], NOW - HOUR)] == ["E-2"]
    assert alone(ANN, ["UP-2"], NOW - HOUR) == []
