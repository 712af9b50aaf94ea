"""Edits: who may let them go, what they lay down, and what they refuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.api.shapes.edits import EditShape
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import TEMPERATURE, VOLTAGE, Accumulation, Flow, Quantity, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.meters.edit_readings import (
    EditPolicy,
    EditWish,
    approve_edit,
    draft_edit,
    propose_edit,
    reject_edit,
    withdraw_edit,
)
from gridwright.jobs.upkeep.archive_months import archive_months, bring_back, restore_month
from gridwright.store import Store, open_store

START = datetime(2026, 3, 1, tzinfo=UTC)
NOW = START + timedelta(days=3)
QUARTER = timedelta(minutes=15)
HOUR = Interval(START, START + timedelta(hours=1))
ANN, BOB = Access("ann", Role.OPERATOR), Access("bob", Role.OPERATOR)
POLICY = EditPolicy(10.0)
NET = ReadingType(Quantity.ENERGY, Flow.NET, Accumulation.DELTA)


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://", clock=lambda: NOW) as opened:
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1"), UsagePoint("UP-2")])
        values = np.array([[100.0, 300.0, 0.0, 400.0, *np.full(88, 250.0), np.nan, *np.full(3, 250.0)]])
        opened.readings.save(LOCAL_OWNER, Panel(("UP-1",), START, QUARTER, values), known_at=START)
        opened.dirty.clear(LOCAL_OWNER, opened.dirty.ranges(LOCAL_OWNER))
        yield opened


def wish(total: str | None = "2", **other: object) -> EditWish:
    return EditWish("UP-1", HOUR, "agreed by telephone", total=None if total is None else Decimal(total), **other)  # type: ignore[arg-type]


def propose(store: Store, asked: EditWish, who: Access = ANN) -> Edit:
    return propose_edit(store, who, asked, policy=POLICY, now=NOW)


def test_a_small_edit_counts_at_once_and_leaves_the_raw_readings(store: Store) -> None:
    made = propose(store, wish())
    assert (made.state, made.decided_by) == (EditState.APPLIED, "ann")
    assert made.values == (250.0, 750.0, 0.0, 1000.0)
    assert made.before == (100.0, 300.0, 0.0, 400.0)
    assert (made.difference, made.moved) == (1200.0, 1200.0)
    raw = store.readings.load(LOCAL_OWNER, "UP-1", HOUR)
    np.testing.assert_array_equal(raw.values, [[100.0, 300.0, 0.0, 400.0]])
    assert [each.period for each in store.dirty.ranges(LOCAL_OWNER)] == [Interval(START, START + timedelta(days=1))]
    assert store.edits.applied(LOCAL_OWNER, ["UP-1", "UP-2"], HOUR) == [made]
    assert store.edits.applied(LOCAL_OWNER, ["UP-1"], Interval(HOUR.end, NOW)) == []


def test_a_large_edit_needs_a_second_person(store: Store) -> None:
    made = propose(store, wish("100"))
    assert made.state is EditState.PROPOSED
    assert store.dirty.ranges(LOCAL_OWNER) == []
    with pytest.raises(Conflict, match="cannot approve"):
        approve_edit(store, ANN, made.id, now=NOW)
    done = approve_edit(store, BOB, made.id, now=NOW, note="seen the photograph")
    assert (done.state, done.decided_by, done.note) == (EditState.APPLIED, "bob", "seen the photograph")
    with pytest.raises(Conflict, match="is applied"):
        approve_edit(store, BOB, made.id, now=NOW)
    with pytest.raises(Conflict, match="alone"):
        withdraw_edit(store, ANN, made.id, reason="misread", now=NOW)
    later = NOW + timedelta(hours=1)
    gone = withdraw_edit(store, BOB, made.id, reason="misread", now=later)
    assert gone.state is EditState.WITHDRAWN
    shape = EditShape.of(gone)
    assert (shape.author, shape.created, shape.approved_by, shape.approved) == ("ann", NOW, "bob", NOW)
    assert (shape.withdrawn_by, shape.withdrawn) == ("bob", later)
    assert store.edits.applied(LOCAL_OWNER, ["UP-1"], HOUR) == []
    told = [record.detail["state"] for record in store.audit.records(LOCAL_OWNER) if "state" in record.detail]
    assert told[::-1] == ["proposed", "applied", "withdrawn"]


def test_two_changes_that_cancel_out_are_still_two_changes(store: Store) -> None:
    made = propose(store, wish(None, values=[0.1, 20.3, 0.0, 0.4]))
    assert (made.state, made.moved) == (EditState.PROPOSED, 20_000.0)


@pytest.mark.parametrize(
    ("period", "unknown"),
    [
        (Interval(START + timedelta(hours=23), START + timedelta(days=1)), 1),
        (Interval(START + timedelta(days=1), START + timedelta(days=2)), 96),
        (Interval(START - timedelta(days=1), START), 96),
    ],
    ids=["a hole", "behind the series", "before the series"],
)
def test_where_nothing_is_known_one_person_is_not_enough(store: Store, period: Interval, unknown: int) -> None:
    made = propose(store, EditWish("UP-1", period, "agreed by telephone", total=Decimal("0.75")))
    assert (made.state, made.unknown) == (EditState.PROPOSED, unknown)
    assert "nothing is known yet" in POLICY.why_not_alone(made)
    with pytest.raises(Conflict, match="cannot approve"):
        approve_edit(store, ANN, made.id, now=NOW)
    assert approve_edit(store, BOB, made.id, now=NOW).state is EditState.APPLIED


@pytest.mark.parametrize(
    ("total", "state", "days"),
    [("24", "applied", 4), ("16", "applied", 4), ("1", "proposed", 4), ("40", "proposed", 4), ("24", "proposed", 2)],
    ids=["usual", "nearly", "next to nothing", "much more", "nobody can tell what is usual"],
)
def test_behind_the_series_one_person_may_put_what_is_usual(store: Store, total: str, state: str, days: int) -> None:
    """24 kWh a day were measured: 1 kWh moves 23, though it is little."""
    period = Interval(NOW + timedelta(days=2), NOW + timedelta(days=3))
    there = Panel(("UP-2",), period.start - timedelta(days=days), QUARTER, np.full((1, 96 * days), 250.0))
    store.readings.save(LOCAL_OWNER, there, known_at=NOW)
    later = period.end + timedelta(days=1)
    asked = EditWish("UP-2", period, "read by the customer", total=Decimal(total))
    made = propose_edit(store, ANN, asked, policy=POLICY, now=later)
    assert (str(made.state), made.unknown) == (state, 96)
    if made.state is EditState.PROPOSED:
        told = POLICY.why_not_alone(made)
        assert "10 kWh (edits.alone_kwh)" in told
        assert "what is usual" in told
    else:
        assert withdraw_edit(store, ANN, made.id, reason="misread", now=later).state == "withdrawn"


def test_filling_day_by_day_adds_up(store: Store) -> None:
    """Each day is 6 kWh away from the usual 24: the second needs another person."""
    there = Panel(("UP-2",), START - timedelta(days=4), QUARTER, np.full((1, 96 * 4), 250.0))
    store.readings.save(LOCAL_OWNER, there, known_at=NOW)
    days = [Interval(START + timedelta(days=at), START + timedelta(days=at + 1)) for at in (0, 1)]
    made = [propose(store, EditWish("UP-2", day, "read by the customer", total=Decimal(18))) for day in days]
    assert [each.state for each in made] == [EditState.APPLIED, EditState.PROPOSED]


def test_what_a_second_person_let_go_is_not_taken_back_alone_however_small(store: Store) -> None:
    """Each day moves 6 kWh of 10: the second needed somebody else, and so does taking it back."""
    there = Panel(("UP-2",), START - timedelta(days=4), QUARTER, np.full((1, 96 * 6), 250.0))
    store.readings.save(LOCAL_OWNER, there, known_at=NOW)
    days = [Interval(START + timedelta(days=at), START + timedelta(days=at + 1)) for at in (0, 1)]
    alone, agreed = (propose(store, EditWish("UP-2", day, "read by the customer", total=Decimal(18))) for day in days)
    assert approve_edit(store, BOB, agreed.id, now=NOW).moved == 6_000.0
    with pytest.raises(Conflict, match="cannot take it back alone"):
        withdraw_edit(store, ANN, agreed.id, reason="misread", now=NOW)
    assert withdraw_edit(store, ANN, alone.id, reason="misread", now=NOW).state is EditState.WITHDRAWN
    assert withdraw_edit(store, BOB, agreed.id, reason="misread", now=NOW).state is EditState.WITHDRAWN


def test_a_hole_that_is_estimated_is_known(store: Store) -> None:
    period = Interval(START + timedelta(hours=23), START + timedelta(days=1))
    final = Panel(("UP-1",), period.start, QUARTER, np.full((1, 4), 250.0))
    store.readings.save(LOCAL_OWNER, final, known_at=NOW, image=Image.FINAL)
    made = propose(store, EditWish("UP-1", period, "agreed by telephone", total=Decimal(2)))
    assert (made.state, made.moved) == (EditState.APPLIED, 1000.0)


def test_a_month_in_the_archive_alone_is_not_edited_as_if_it_were_empty(tmp_path: Path) -> None:
    """The whole day says 24 kWh; one person must not make it nothing, whatever the database still holds of it."""
    day = Interval(START, START + timedelta(days=1))
    wish = EditWish("UP-1", day, "agreed by telephone", total=Decimal(0))
    with open_store(tmp_path / "town.db", clock=lambda: NOW) as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1"), UsagePoint("UP-2")])
        for start in (START, START + timedelta(days=31)):
            full = Panel(("UP-1",), start, QUARTER, np.full((1, 96), 250.0))
            store.readings.save(LOCAL_OWNER, full, known_at=START)
        store.dirty.clear(LOCAL_OWNER, store.dirty.ranges(LOCAL_OWNER))
        april = parse_month("2026-04")
        archive_months(store, LOCAL_OWNER, str(tmp_path / "away"), before=april, drop_before=april)
        with pytest.raises(Conflict, match=r"UP-1: 2026-03 is in the archive .*away") as caught:
            propose_edit(store, ANN, wish, policy=POLICY, now=NOW)
        assert caught.value.remedy == "gridwright archive restore 2026-03"
        with pytest.raises(Conflict, match="archive"):
            draft_edit(store, ANN, wish, now=NOW)
        assert store.edits.find(LOCAL_OWNER) == []
        restore_month(store, LOCAL_OWNER, april - 1)
        made = propose_edit(store, ANN, wish, policy=POLICY, now=NOW)
        assert (made.state, made.moved) == (EditState.PROPOSED, 24_000.0)


def test_a_month_that_late_readings_brought_back_is_edited_as_any_other(tmp_path: Path) -> None:
    day = Interval(START, START + timedelta(days=1))
    wish = EditWish("UP-1", day, "agreed by telephone", total=Decimal(25))
    april = parse_month("2026-04")
    with open_store(tmp_path / "town.db", clock=lambda: NOW) as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1")])
        full = Panel(("UP-1",), START, QUARTER, np.full((1, 96), 250.0))
        store.readings.save(LOCAL_OWNER, full, known_at=START)
        store.dirty.clear(LOCAL_OWNER, store.dirty.ranges(LOCAL_OWNER))
        archive_months(store, LOCAL_OWNER, str(tmp_path / "away"), before=april, drop_before=april)
        late = Panel(("UP-1",), day.end, QUARTER, np.full((1, 4), 250.0))
        store.readings.save(LOCAL_OWNER, late, known_at=NOW)
        with pytest.raises(Conflict, match="is in the archive"):
            propose_edit(store, ANN, wish, policy=POLICY, now=NOW)
        assert bring_back(store, LOCAL_OWNER) > 0
        made = propose_edit(store, ANN, wish, policy=POLICY, now=NOW)
        assert (made.state, made.moved) == (EditState.APPLIED, 1000.0)


def test_small_edits_add_up_to_a_large_one(store: Store) -> None:
    first, second = propose(store, wish("9")), propose(store, wish("4"))
    assert (first.state, second.state) == (EditState.APPLIED, EditState.PROPOSED)
    assert propose(store, wish("4"), BOB).state is EditState.APPLIED


def test_a_rejected_edit_changes_nothing(store: Store) -> None:
    made = propose(store, wish("100"))
    with pytest.raises(InputError, match="reason"):
        reject_edit(store, BOB, made.id, reason=" ", now=NOW)
    assert reject_edit(store, BOB, made.id, reason="another meter", now=NOW).state is EditState.REJECTED
    assert store.dirty.ranges(LOCAL_OWNER) == []
    with pytest.raises(Conflict):
        withdraw_edit(store, ANN, made.id, reason="late", now=NOW)


def test_what_counts_already_is_the_ground_of_the_next_edit(store: Store) -> None:
    final = Panel(("UP-1",), START, QUARTER, np.array([[100.0, 300.0, 350.0, 400.0]]))
    store.readings.save(LOCAL_OWNER, final, known_at=NOW, image=Image.FINAL)
    assert draft_edit(store, ANN, wish(), now=NOW).before == (100.0, 300.0, 350.0, 400.0)


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (wish(None), "either a value"),
        (wish("1", values=[1.0]), "either a value"),
        (wish(None, values=[1.0]), "1 values for 4"),
        (wish(None, values=[1.0, 2.0, float("nan"), 1.0]), "value 3"),
        (wish(None, values=[1.0, 2.0, 0.12345, 1.0]), "value 3, 0.12345"),
        (wish("-1"), "below zero"),
        (EditWish("UP-1", Interval(START, NOW + QUARTER), "x", total=Decimal(1)), "not come yet"),
        (EditWish("UP-1", Interval(START + timedelta(minutes=5), HOUR.end), "x", total=Decimal(1)), "whole intervals"),
        (EditWish("UP-1", HOUR, "  ", total=Decimal(1)), "reason"),
    ],
)
def test_an_edit_that_cannot_be(store: Store, asked: EditWish, words: str) -> None:
    with pytest.raises(InputError) as caught:
        propose(store, asked)
    assert words in f"{caught.value}"
    assert store.edits.find(LOCAL_OWNER) == []


@pytest.mark.parametrize(
    ("there", "total", "made"),
    [
        # 0.8 kWh in all: to -1 it is 1.8 kWh less, 0.45 kWh in each.
        ([100.0, 300.0, 0.0, 400.0], "-1", (-350.0, -150.0, -450.0, -50.0)),
        ([-100.0, 300.0, -400.0, 0.0], "1", (200.0, 600.0, -100.0, 300.0)),
        ([-100.0, -300.0, 0.0, 0.0], "-0.401", (-101.0, -300.0, 0.0, 0.0)),
        ([100.0, 300.0, 0.0, 400.0], "1.6", (200.0, 600.0, 0.0, 800.0)),
        ([np.nan] * 4, "-0.4", (-100.0,) * 4),
    ],
)
def test_a_total_of_net_energy_may_be_below_zero(
    store: Store, there: list[float], total: str, made: tuple[float, ...]
) -> None:
    values = np.array([[*there, 1.0]])
    store.readings.save(LOCAL_OWNER, Panel(("UP-2",), START, QUARTER, values, reading_type=NET), known_at=START)
    asked = EditWish("UP-2", HOUR, "photographed", total=Decimal(total), reading_type=NET)
    drawn = draft_edit(store, ANN, asked, now=NOW)
    assert sum(drawn.values) == float(total) * 1000
    assert all(abs(one - other) <= 1 for one, other in zip(drawn.values, made, strict=True))


def test_where_nothing_was_read_there_is_nothing_to_edit(store: Store) -> None:
    with pytest.raises(NotFound, match="no readings"):
        propose(store, wish("1", reading_type=VOLTAGE))
    viewer = Access("eve", Role.VIEWER)
    with pytest.raises(AccessDenied):
        propose(store, wish(), viewer)
    theirs = Access("tom", Role.OPERATOR, frozenset({"UP-2"}))
    with pytest.raises(AccessDenied):
        propose(store, wish(), theirs)


def test_a_temperature_is_edited_in_degrees_and_has_no_total(store: Store) -> None:
    cold = Panel(("UP-1",), START, QUARTER, np.full((1, 4), -300.0), reading_type=TEMPERATURE)
    store.readings.save(LOCAL_OWNER, cold, known_at=START)
    made = propose(store, wish(None, values=[-3.0, -2.5, -2.25, 0.0], reading_type=TEMPERATURE))
    assert made.values == (-300.0, -250.0, -225.0, 0.0)
    with pytest.raises(InputError, match="no meaning"):
        propose(store, wish("1", reading_type=TEMPERATURE))


def test_a_total_is_laid_down_to_the_last_watt_hour() -> None:
    with open_store("sqlite://", clock=lambda: NOW) as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1")])
        store.readings.save(LOCAL_OWNER, Panel(("UP-1",), START, QUARTER, np.array([[1.0, 3, 0, 7]])), known_at=START)

        @given(st.decimals(0, 10**6, places=3))
        def check(total: Decimal) -> None:
            made = draft_edit(store, ANN, wish(str(total)), now=NOW)  # a draft is not stored
            assert sum(made.values) == int(total * 1000)
            assert min(made.values) >= 0

        check()


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1e16, 0, 0, 0], "value 1, 1e+16, is more than can be kept"),
        ([0, -0.05, 0, 0], "value 2, -0.05, is below zero"),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_place_and_remedy(store: Store, values: list[float], told: str) -> None:
    with pytest.raises(InputError, match=re.escape(told)) as refused:
        draft_edit(store, ANN, wish(None, values=values), now=NOW)
    assert refused.value.remedy


def test_a_total_beyond_all_counts_is_refused(store: Store) -> None:
    with pytest.raises(InputError, match="more than can be kept"):
        draft_edit(store, ANN, wish("1e16"), now=NOW)


def test_more_than_the_connection_carries_needs_a_second_person(store: Store) -> None:
    """6 kWh in a quarter of an hour are 24 kW: less than one person may move, more than 17 kW and a tenth."""
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=17.0)])
    made = propose(store, wish(None, values=[6, 0.3, 0, 0.4]))
    assert made.state is EditState.PROPOSED
    assert POLICY.why_not_alone(made) == "puts 6 kWh into 15 minutes, 24 kW, where the connection carries 17 kW"
    assert approve_edit(store, BOB, made.id, now=NOW).state is EditState.APPLIED
    assert propose(store, wish(None, values=[4.5, 0.3, 0, 0.4])).state is EditState.APPLIED


def test_what_is_refused_is_told_by_the_clock_of_the_place(store: Store) -> None:
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", "Europe/Berlin")])
    short = Interval(START + timedelta(minutes=5), START + timedelta(minutes=20))
    with pytest.raises(InputError, match=re.escape("2026-03-01T01:05:00+01:00/2026-03-01T01:20:00+01:00 does not")):
        draft_edit(store, ANN, EditWish("UP-1", short, "x", values=[1.0]), now=NOW)
