"""The cascade: what changed is judged again, final images and day totals follow, and run again it does nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.calendar import day_number
from gridwright.domain.day_totals import DayTotals
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.event import POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, default_quality
from gridwright.domain.reading_type import VOLTAGE
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.adopt_rules import adopt_rules
from gridwright.jobs.cascade.correct import correct, correct_part
from gridwright.jobs.cascade.correct_scope import scopes
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, approve_edit, propose_edit, withdraw_edit
from gridwright.store import Store, open_store
from gridwright.vee import rule_book
from tests.edited import STRICT

if TYPE_CHECKING:
    from collections.abc import Iterator

HOUR = timedelta(hours=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 56
NOW = START + timedelta(days=DAYS)
LOW = """
version = "3"

[[group]]
name = "estimates"
source = "estimation"

[group.rules.V13_low_limit]
floor_kw = 5
"""
SITE = SiteDefaults()
POINTS = ("UP-1", "UP-2")


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(LOCAL_OWNER, [UsagePoint(name, capacity_kw=17.0) for name in POINTS])
        opened.readings.save(LOCAL_OWNER, usual(), known_at=NOW)
        yield opened


def usual() -> Panel:
    hours = np.arange(24 * DAYS)
    wave = 400 + 150 * np.sin(2 * np.pi * hours / 24) + 20 * np.sin(hours * 1.7)
    return Panel(POINTS, START, HOUR, np.rint(np.vstack([wave, wave + 7])))


def one_value(wh: float) -> Panel:
    return Panel(("UP-1",), START + timedelta(days=50, hours=12), HOUR, np.array([[wh]]))


def codes(store: Store) -> set[tuple[str, str]]:
    return {(finding.usage_point, finding.code) for finding in store.findings.load(LOCAL_OWNER)}


def test_clean_readings_leave_no_finding_and_nothing_dirty(store: Store) -> None:
    done = correct(store, LOCAL_OWNER, SITE, now=NOW)
    assert (done.points, done.new) == (2, 0)
    assert store.dirty.ranges(LOCAL_OWNER) == []


def test_a_correction_takes_its_finding_away(store: Store) -> None:
    right = usual().row("UP-1").values[0, 50 * 24 + 12]
    store.readings.save(LOCAL_OWNER, one_value(-5000.0), known_at=NOW)
    assert correct(store, LOCAL_OWNER, SITE, now=NOW).new >= 1
    assert any(point == "UP-1" for point, _ in codes(store))
    store.readings.save(LOCAL_OWNER, one_value(right), known_at=NOW + HOUR)
    correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
    assert codes(store) == set()


def test_the_second_run_does_nothing(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, one_value(-5000.0), known_at=NOW)
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    before = codes(store)
    again = correct(store, LOCAL_OWNER, SITE, now=NOW)
    assert (again.ranges, again.new) == (0, 0)
    assert codes(store) == before


def test_readings_that_have_no_rule_are_not_dirty_for_ever(store: Store) -> None:
    volts = Panel(("UP-1",), START, HOUR, np.full((1, 24), 2301.0), reading_type=VOLTAGE)
    store.readings.save(LOCAL_OWNER, volts, known_at=NOW)
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    assert store.dirty.ranges(LOCAL_OWNER) == []


def test_a_silent_point_is_no_failure(store: Store) -> None:
    lonely = Panel(("UP-2",), START + timedelta(days=400), HOUR, np.array([[1.0]]))
    store.readings.save(LOCAL_OWNER, lonely, known_at=NOW)
    done = correct(store, LOCAL_OWNER, SITE, now=NOW + timedelta(days=500))
    assert done.ranges == 3


def final(store: Store, point: str = "UP-1") -> Panel:
    return store.readings.load(LOCAL_OWNER, point, usual().period, interval=HOUR, image=Image.FINAL)


def totals(store: Store, point: str = "UP-1") -> DayTotals:
    first = day_number(START.date())
    return store.day_totals.load(LOCAL_OWNER, [point], range(first, first + DAYS))


def gap(panel: Panel, first: int, last: int) -> Panel:
    values = panel.values.copy()
    values[:, first:last] = np.nan
    return panel.with_values(values, default_quality(values))


def test_an_estimate_gives_way_to_the_reading_that_comes_late(store: Store) -> None:
    with open_store("sqlite://") as late:
        late.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=17.0)])
        whole = usual().row("UP-1")
        late.readings.save(LOCAL_OWNER, gap(whole, 720, 730), known_at=NOW)
        correct(late, LOCAL_OWNER, SITE, now=NOW)
        before = final(late)
        assert (q.status_of(before.quality[0, 720:730]) == q.Status.ESTIMATED).all()
        assert totals(late).estimated.sum() == 10
        late.readings.save(LOCAL_OWNER, whole, known_at=NOW + HOUR)
        correct(late, LOCAL_OWNER, SITE, now=NOW + HOUR)
        np.testing.assert_array_equal(final(late).values, whole.values)
        assert (totals(late).estimated.sum(), totals(late).measured.sum()) == (0, 24 * DAYS)
        assert late.rerates.pending(LOCAL_OWNER)[-1].period.overlaps(whole.slice(720, 730).period)
        kept = late.readings.load(LOCAL_OWNER, "UP-1", usual().period, image=Image.FINAL, as_of=NOW)
        np.testing.assert_array_equal(kept.values, before.values)


def test_a_final_estimate_stays_and_an_edit_lies_over_everything(store: Store) -> None:
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    agreed = usual().row("UP-1").slice(100, 102)
    values, byte = agreed.values + 11, q.pack(q.Status.ESTIMATED_FINAL, q.Method.AGREED)
    last_word = agreed.with_values(values, np.full(values.shape, byte, np.uint8))
    store.readings.save(LOCAL_OWNER, last_word, known_at=NOW, image=Image.FINAL)
    store.readings.save(LOCAL_OWNER, agreed.with_values(agreed.values + 1), known_at=NOW + HOUR)
    correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
    np.testing.assert_array_equal(final(store).values[:, 100:102], values)


def test_every_record_of_a_cascade_carries_its_id(store: Store) -> None:
    store.readings.save(LOCAL_OWNER, one_value(-5000.0), known_at=NOW)
    (scope,) = scopes(store, LOCAL_OWNER, store.dirty.ranges(LOCAL_OWNER))
    before = len(store.audit.records(LOCAL_OWNER))
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    made = store.audit.records(LOCAL_OWNER)[:-before]
    assert len(made) >= 3
    assert {record.detail.get("cascade") for record in made} == {scope.cascade}


def test_whoever_is_overtaken_keeps_nothing(store: Store) -> None:
    site = SiteDefaults()
    ranges = store.dirty.ranges(LOCAL_OWNER)
    (scope,) = scopes(store, LOCAL_OWNER, ranges)
    store.readings.save(LOCAL_OWNER, one_value(77.0), known_at=NOW + HOUR)
    assert correct_part(store, LOCAL_OWNER, site, scope, NOW) is None
    assert store.readings.image_types(LOCAL_OWNER) == []
    assert len(store.dirty.ranges(LOCAL_OWNER)) == 2


def test_a_silence_of_months_is_bridged(store: Store) -> None:
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    lonely = Panel(("UP-2",), START + timedelta(days=DAYS + 90), HOUR, np.full((1, 24), 400.0))
    store.readings.save(LOCAL_OWNER, lonely, known_at=NOW)
    correct(store, LOCAL_OWNER, SITE, now=NOW + timedelta(days=200))
    bridged = store.readings.load(LOCAL_OWNER, "UP-2", Interval(START, lonely.end), image=Image.FINAL)
    assert not bridged.missing.any()


def a_gap(store: Store) -> Panel:
    """Save the usual readings without half a day, carried through, and return them whole."""
    whole = usual().row("UP-1")
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=17.0)])
    store.readings.save(LOCAL_OWNER, gap(whole, 720, 732), known_at=NOW)
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    return whole


def test_registers_that_arrive_later_make_the_estimate_exact() -> None:
    with open_store("sqlite://") as store:
        whole = a_gap(store)
        estimated = final(store).values[0, 720:732].sum()
        moved = whole.values[0, 720:732].sum() + 500
        reads = [
            RegisterReading("UP-1", START + timedelta(days=30), 1_000_000.0),
            RegisterReading("UP-1", START + timedelta(days=30, hours=12), 1_000_000.0 + moved),
        ]
        store.registers.save(LOCAL_OWNER, reads, known_at=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
        assert final(store).values[0, 720:732].sum() == moved != estimated
        # The same reads again are no news.
        store.registers.save(LOCAL_OWNER, reads, known_at=NOW)
        assert store.dirty.ranges(LOCAL_OWNER) == []


def test_an_outage_learnt_later_turns_the_estimate_into_zero() -> None:
    with open_store("sqlite://") as store:
        a_gap(store)
        at = START + timedelta(days=30)
        events = [
            EndDeviceEvent("M-1", kind, moment, NOW, "UP-1")
            for kind, moment in ((POWER_OFF, at), (POWER_ON, at + timedelta(hours=12)))
        ]
        store.devices.save_events(LOCAL_OWNER, events)
        correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
        assert final(store).values[0, 720:732].sum() == 0
        assert (q.method_of(final(store).quality[0, 720:732]) == q.Method.ZERO).all()


def test_an_applied_edit_is_final_and_a_withdrawn_one_is_not() -> None:
    with open_store("sqlite://") as store:
        whole = a_gap(store)
        estimated = final(store).values
        period = whole.slice(720, 732).period
        wish = EditWish("UP-1", period, "the display was photographed", total=Decimal(3))
        edit = propose_edit(store, LOCAL_OWNER, wish, policy=EditPolicy(), now=NOW)
        correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
        assert final(store).values[0, 720:732].sum() == 3000
        assert totals(store).edited.sum() == 12
        withdraw_edit(store, LOCAL_OWNER, edit.id, reason="another meter", now=NOW + 2 * HOUR)
        correct(store, LOCAL_OWNER, SITE, now=NOW + 3 * HOUR)
        np.testing.assert_array_equal(final(store).values, estimated)
        assert store.readings.load(LOCAL_OWNER, "UP-1", period).missing.all()


def hidden(store: Store) -> list[Finding]:
    return [each for each in store.findings.load(LOCAL_OWNER) if each.code == "V00_hidden"]


def an_edit_before_the_data(store: Store, total: str, *, day: int = 50) -> tuple[Edit, Panel]:
    """Import all but a day, let two people edit that day before anything is judged, and import it afterwards."""
    whole = usual().row("UP-1")
    gap = whole.slice(day * 24, day * 24 + 24)
    values = whole.values.copy()
    values[:, day * 24 : day * 24 + 24] = np.nan
    store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=17.0)])
    store.readings.save(LOCAL_OWNER, whole.with_values(values), known_at=NOW)
    wish = EditWish("UP-1", gap.period, "agreed by telephone", total=Decimal(total))
    edit = propose_edit(store, Access("ann", Role.OPERATOR), wish, policy=EditPolicy(0), now=NOW + HOUR)
    assert edit.state is EditState.PROPOSED
    edit = approve_edit(store, Access("bob", Role.OPERATOR), edit.id, now=NOW + HOUR)
    correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
    return edit, gap


def test_readings_that_come_under_an_edit_are_told_once_and_for_as_long_as_it_lies_over_them() -> None:
    with open_store("sqlite://") as store:
        edit, gap = an_edit_before_the_data(store, "30")
        assert hidden(store) == []
        for hours in (2, 3):
            store.readings.save(LOCAL_OWNER, gap, known_at=NOW + 2 * HOUR)
            store.dirty.touch(LOCAL_OWNER, ["UP-1"], gap.reading_type, gap.period)
            correct(store, LOCAL_OWNER, SITE, now=NOW + hours * HOUR)
            (found,) = hidden(store)
            assert (found.period, found.severity, found.slots) == (gap.period, Severity.WARN, 24)
            assert edit.id in found.message
            assert f"{np.abs(gap.values[0] - edit.values).sum() / 1000:g} kWh" in found.message
        assert final(store).values[0, 50 * 24 : 51 * 24].sum() == 30_000
        both = store.findings.load(LOCAL_OWNER, resolved=True)
        assert len([each for each in both if each.code == "V00_hidden"]) == 1

        bob = Access("bob", Role.OPERATOR)
        withdraw_edit(store, bob, edit.id, reason="measured by now", now=NOW + 4 * HOUR)
        correct(store, LOCAL_OWNER, SITE, now=NOW + 4 * HOUR)
        assert hidden(store) == []


def test_a_day_behind_the_last_reading_is_told_too() -> None:
    with open_store("sqlite://") as store:
        _, gap = an_edit_before_the_data(store, "30", day=DAYS - 1)
        store.readings.save(LOCAL_OWNER, gap, known_at=NOW + 2 * HOUR)
        correct(store, LOCAL_OWNER, SITE, now=NOW + 2 * HOUR)
        assert [each.period for each in hidden(store)] == [gap.period]


def test_what_an_edit_knew_of_or_hides_little_of_is_no_news() -> None:
    with open_store("sqlite://") as store:
        edit, gap = an_edit_before_the_data(store, "9")
        close = gap.with_values(np.array([edit.values]) + 1)
        store.readings.save(LOCAL_OWNER, close, known_at=NOW + 2 * HOUR)
        correct(store, LOCAL_OWNER, SITE, now=NOW + 2 * HOUR)
        assert hidden(store) == []
        # An edit of what was measured before it: that is what edits are for, and two people looked at it.
        wish = EditWish("UP-1", gap.period, "the meter ran backwards", total=Decimal(90))
        large = propose_edit(store, LOCAL_OWNER, wish, policy=EditPolicy(1000), now=NOW + 3 * HOUR)
        assert large.state is EditState.APPLIED
        correct(store, LOCAL_OWNER, SITE, now=NOW + 3 * HOUR)
        assert hidden(store) == []
        # What comes after it lies under the later edit alone.
        store.readings.save(LOCAL_OWNER, gap, known_at=NOW + 4 * HOUR)
        correct(store, LOCAL_OWNER, SITE, now=NOW + 4 * HOUR)
        (found,) = hidden(store)
        assert large.id in found.message


def test_the_settings_say_how_much_an_edit_may_hide() -> None:
    with open_store("sqlite://") as store:
        _, gap = an_edit_before_the_data(store, "30")
        store.readings.save(LOCAL_OWNER, gap, known_at=NOW + 2 * HOUR)
        correct(store, LOCAL_OWNER, SiteDefaults(edit_alone_kwh=50.0), now=NOW + 2 * HOUR)
        assert hidden(store) == []


def test_what_was_entered_and_estimated_is_judged_by_the_rules_for_it() -> None:
    """Each source has groups of its own: the packaged one for edits, and a limit that a site sets for estimates."""
    with open_store("sqlite://") as store:
        whole = a_gap(store)
        correct(store, LOCAL_OWNER, SITE, now=NOW)
        before = codes(store)
        period = whole.slice(720, 722).period
        wish = EditWish("UP-1", period, "the display was photographed", values=[0.2, 60.0])
        edit = propose_edit(store, LOCAL_OWNER, wish, policy=EditPolicy(1000), now=NOW)
        second = Access("bea", Role.ADMIN)
        approve_edit(store, second, edit.id, now=NOW, note="seen")  # more than the connection carries
        correct(store, LOCAL_OWNER, SITE, now=NOW + HOUR)
        assert codes(store) - before == {("UP-1", "V12_capacity")}
        (found,) = [each for each in store.findings.load(LOCAL_OWNER) if each.code == "V12_capacity"]
        assert (found.period, found.slots) == (whole.slice(721, 722).period, 1)
        assert found.message.startswith("as entered: 60 kWh")
        assert final(store).values[0, 721] == 60_000
        withdraw_edit(store, second, edit.id, reason="misread", now=NOW + 2 * HOUR)
        correct(store, LOCAL_OWNER, SITE, now=NOW + 2 * HOUR)
        assert codes(store) == before

        store.dirty.touch(LOCAL_OWNER, ["UP-1"], whole.reading_type, period)
        correct(store, LOCAL_OWNER, SiteDefaults(rules=rule_book(LOW, "a test")), now=NOW + 3 * HOUR)
        (found,) = [each for each in store.findings.load(LOCAL_OWNER) if each.code == "V13_low_limit"]
        assert (found.period, found.slots) == (whole.slice(720, 732).period, 12)
        assert found.message.startswith("as estimated: ")


def test_other_rules_judge_the_last_weeks_again(store: Store) -> None:
    correct(store, LOCAL_OWNER, SITE, now=NOW)
    strict = rule_book(STRICT, "a test")
    assert adopt_rules(store, LOCAL_OWNER, None, now=NOW).points == 0
    assert store.dirty.ranges(LOCAL_OWNER) == []
    for rules, touched in ((strict, 2), (strict, 0), (None, 2)):
        assert adopt_rules(store, LOCAL_OWNER, rules, now=NOW).points == touched
        ranges = store.dirty.ranges(LOCAL_OWNER)
        assert len(ranges) == touched
        assert all(each.from_day == (NOW - timedelta(days=42)).date() for each in ranges)
        store.dirty.clear(LOCAL_OWNER, ranges)


def test_hours_that_begin_at_another_minute_from_a_day_on_are_added_up() -> None:
    """The day whose first hour begins at a quarter past midnight lies on no grid from midnight on."""
    with open_store("sqlite://") as store:
        store.registry.save_points(LOCAL_OWNER, [UsagePoint("UP-1", capacity_kw=17.0)])
        for start in (START, START + timedelta(days=1, minutes=15)):
            hours = Panel(("UP-1",), start, HOUR, np.full((1, 24), 500.0))
            store.readings.save(LOCAL_OWNER, hours.slice(0, 23), known_at=NOW)
        assert (done := correct(store, LOCAL_OWNER, SITE, now=NOW)).failed == 0, done
        assert totals(store).total[0, 1] >= 23 * 500
