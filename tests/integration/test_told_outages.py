"""An outage that people tell: what follows from it in readings and bills, and that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, InputError
from gridwright.domain.event import POWER, POWER_CANCELLED, POWER_OFF, POWER_ON, EndDeviceEvent
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.grid import interruptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.tell_outage import (
    OutageDone,
    OutageTold,
    PointTold,
    cancel_outage,
    require_likely,
    tell_outage,
)
from gridwright.jobs.meters.claim_meter import claim_in_portions
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.upkeep.check_waiting import check_waiting
from gridwright.jobs.upkeep.health import State
from gridwright.store import Store, open_store
from gridwright.store.field import waiting_events
from tests.integration.store.conftest import emptied

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
START = datetime(2025, 3, 3, tzinfo=UTC)
DAYS = 28
NOW = START + DAYS * DAY
GAP = slice(20 * 24 + 8, 22 * 24 + 8)  # two days and a night
FROM, TO = START + GAP.start * HOUR + HOUR / 4, START + GAP.stop * HOUR - HOUR / 4
TOLD = OutageTold(["UP-1", "UP-2"], FROM, TO, "a digger in the high street")


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Two homes: UP-1 has a hole of two days, UP-2 measured zeros there."""
    lite = request.param == "sqlite"
    address = f"sqlite:///{tmp_path}/store.db" if lite else emptied(str(request.getfixturevalue("postgres_url")))
    with open_store(address) as opened:
        opened.registry.save_points(ME, [UsagePoint(name, "Europe/Berlin") for name in ("UP-1", "UP-2")])
        hours = np.arange(24 * DAYS)
        values = np.tile(np.rint(400 + 150 * np.sin(2 * np.pi * hours / 24)), (2, 1))
        values[0, GAP], values[1, GAP] = np.nan, 0.0
        opened.readings.save(ME, Panel(("UP-1", "UP-2"), START, HOUR, values), known_at=NOW)
        judge(opened)
        yield opened


def judge(store: Store) -> None:
    correct(store, ME, SiteDefaults(), now=NOW)


def final(store: Store) -> np.ndarray:
    period = Interval(START + GAP.start * HOUR, START + GAP.stop * HOUR)
    return np.asarray(store.readings.load(ME, ["UP-1"], period, image=Image.FINAL).values[0])


def refused(done: OutageDone) -> dict[str, str]:
    return {each.usage_point: each.reason for each in done.points if each.outcome == "refused"}


def gone(store: Store, told: OutageTold) -> tuple[int, tuple[str, ...]]:
    done = cancel_outage(store, ME, told, now=NOW)
    return done.events, done.already


def doubts(store: Store, code: str) -> list[str]:
    return [one.finding.usage_point for one in store.findings.page(ME) if one.finding.code == code]


def test_what_is_told_is_zero_and_no_doubt_and_taken_back_it_is_as_before(store: Store) -> None:
    before = final(store)
    assert before.sum() > 10_000
    assert doubts(store, "V16_zero_run") == ["UP-2"]
    assert tell_outage(store, ME, TOLD, now=NOW).events == 4
    assert tell_outage(store, ME, TOLD, now=NOW).events == 0, "told again it is no news"
    judge(store)
    after = final(store)
    assert (after[1:-1] == 0).all()
    assert 0 < after[0] < before[0] / 2, "a quarter of an hour of power is left there"
    assert doubts(store, "V16_zero_run") == []
    assert cancel_outage(store, ME, TOLD, now=NOW).events == 4
    judge(store)
    assert final(store).tolist() == before.tolist()
    assert doubts(store, "V16_zero_run") == ["UP-2"]
    reported = store.devices.events(ME, point="UP-1")
    assert [each.type == POWER_CANCELLED for each in reported].count(True) == 2
    assert len(reported) == 4, "what was told stays on record"


def test_what_was_taken_back_is_not_told_again_and_what_never_was_is_not_taken_back(store: Store) -> None:
    assert "no outage of UP-1 begins at" in refused(cancel_outage(store, ME, TOLD, now=NOW))["UP-1"]
    tell_outage(store, ME, TOLD, now=NOW)
    assert set(refused(cancel_outage(store, ME, OutageTold(["UP-1"], FROM + HOUR), now=NOW))) == {"UP-1"}
    cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW)
    again = refused(tell_outage(store, ME, TOLD, now=NOW))
    assert set(again) == {"UP-1"}, "the other one is kept"
    assert "was taken back" in again["UP-1"]
    later = OutageTold(["UP-1"], FROM + timedelta(seconds=1), TO - timedelta(seconds=1))
    assert tell_outage(store, ME, later, now=NOW).events == 2
    judge(store)
    assert (final(store)[1:-1] == 0).all()


def test_without_its_end_it_proves_nothing_until_that_is_told(store: Store) -> None:
    before = final(store)
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW).events == 1
    judge(store)
    assert final(store).tolist() == before.tolist()
    assert tell_outage(store, ME, TOLD, now=NOW).events == 3
    judge(store)
    assert (final(store)[1:-1] == 0).all()
    quality = store.readings.load(ME, ["UP-1"], Interval(FROM, TO), image=Image.FINAL).quality
    assert np.all(q.method_of(quality[0, 1:-1]) == int(q.Method.ZERO))


def test_a_later_end_takes_the_place_of_the_one_that_was_told(store: Store) -> None:
    """Power that is back ends an outage: the later end beside it was kept, and counted nothing."""
    back, around = TO - 4 * HOUR, Interval(FROM - HOUR, TO + HOUR)

    def lasted() -> list[Interval]:
        events = store.field.events(ME, ["UP-1"], around, POWER)
        return [each.period for each in interruptions(events, around)]

    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, back), now=NOW).events == 2
    assert lasted() == [Interval(FROM, back)]
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, TO), now=NOW).events == 2
    assert lasted() == [Interval(FROM, TO)]
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, TO), now=NOW).events == 0
    judge(store)
    assert (final(store)[1:-1] == 0).all()
    store.devices.save_events(ME, [EndDeviceEvent("M-1", POWER_ON, back - HOUR, NOW, "UP-1")])
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, TO), now=NOW).events == 0
    assert lasted() == [Interval(FROM, back - HOUR)], "a meter's own word stays"


def test_who_may_tell_and_of_whom(store: Store) -> None:
    for role in (Role.VIEWER, Role.BILLER, Role.DEVICE):
        for act in (tell_outage, cancel_outage):
            with pytest.raises(AccessDenied):
                act(store, Access("x", role), TOLD, now=NOW)
    assert store.devices.events(ME) == []
    hers = Access("x", Role.OPERATOR, frozenset({"UP-1"}))
    done = tell_outage(store, hers, replace(TOLD, usage_points=["UP-9", "UP-1", "UP-2"]), now=NOW)
    assert [each.outcome for each in done.points] == ["refused", "kept", "refused"]
    assert {each.usage_point for each in store.devices.events(ME)} == {"UP-1"}
    assert store.waiting_events.devices(ME) == []


def test_at_a_usage_point_nobody_knows_it_waits_and_costs_no_other(store: Store) -> None:
    told = OutageTold(["UP-9", "UP-1"], FROM, TO, "a digger")
    done = tell_outage(store, ME, told, now=NOW)
    assert (done.events, [(each.usage_point, each.outcome) for each in done.points]) == (
        4,
        [("UP-9", "waits"), ("UP-1", "kept")],
    )
    assert tell_outage(store, ME, told, now=NOW) == OutageDone(0, done.points), "told again it is no news"
    assert [(each.end_device, each.events) for each in store.waiting_events.devices(ME)] == [("UP-9", 2)]
    judge(store)
    assert (final(store)[1:-1] == 0).all()
    store.registry.save_points(ME, [UsagePoint("UP-9", "Europe/Berlin")])
    claim_in_portions(store, ME, MeterClaim("UP-9", "UP-9"), now=NOW)
    assert [each.type for each in store.devices.events(ME, point="UP-9")] == [POWER_ON, POWER_OFF]
    assert cancel_outage(store, ME, told, now=NOW).events == 4


def test_the_doctor_counts_what_waits(store: Store) -> None:
    tell_outage(store, ME, OutageTold(["UP-9"], FROM, TO), now=NOW)
    (check,) = [each for each in check_waiting(store, NOW) if each.name == "quarantine"]
    assert (check.state, "2 events without a usage point" in check.found) == (State.WARN, True)
    store.waiting_events.drop(ME, "UP-9", reason="a slip")
    (check,) = [each for each in check_waiting(store, NOW) if each.name == "quarantine"]
    assert check.state is State.OK


def test_registered_and_told_again_what_waited_is_kept(store: Store) -> None:
    told = OutageTold(["UP-9"], FROM, TO)
    tell_outage(store, ME, told, now=NOW)
    store.registry.save_points(ME, [UsagePoint("UP-9", "Europe/Berlin")])
    assert tell_outage(store, ME, told, now=NOW) == OutageDone(2, (PointTold("UP-9"),))
    assert store.waiting_events.devices(ME) == []


def test_what_waits_is_taken_back_and_what_was_let_go_waits_no_more(store: Store) -> None:
    told = OutageTold(["UP-9"], FROM, TO)
    assert set(refused(cancel_outage(store, ME, told, now=NOW))) == {"UP-9"}
    tell_outage(store, ME, OutageTold(["UP-9"], FROM, TO - HOUR), now=NOW)
    assert tell_outage(store, ME, told, now=NOW).events == 2, "its end, and that the earlier one is none"
    assert cancel_outage(store, ME, told, now=NOW).events == 2
    assert gone(store, told) == (0, ("UP-9",))
    assert "was taken back" in refused(tell_outage(store, ME, told, now=NOW))["UP-9"]
    store.registry.save_points(ME, [UsagePoint("UP-9", "Europe/Berlin")])
    assert "was taken back" in refused(tell_outage(store, ME, told, now=NOW))["UP-9"], "though it waits still"
    claim_in_portions(store, ME, MeterClaim("UP-9", "UP-9"), now=NOW)
    assert interruptions(store.devices.events(ME, point="UP-9"), Interval(FROM - HOUR, NOW)) == ()
    slip = OutageTold(["UP-8"], FROM)
    tell_outage(store, ME, slip, now=NOW)
    store.waiting_events.drop(ME, "UP-8", reason="a slip")
    assert "let go: a slip" in refused(tell_outage(store, ME, slip, now=NOW))["UP-8"]
    store.registry.save_points(ME, [UsagePoint("UP-8", "Europe/Berlin")])
    assert tell_outage(store, ME, slip, now=NOW).events == 1


def test_beyond_the_room_of_the_quarantine_it_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting_events.WaitingEventsStore, "room", lambda *_: 3)
    done = tell_outage(store, ME, OutageTold(["UP-9", "UP-8", "UP-1"], FROM, TO), now=NOW)
    assert [each.outcome for each in done.points] == ["waits", "refused", "kept"]
    assert "quarantine is full" in refused(done)["UP-8"]


@given(
    st.lists(
        st.lists(st.sampled_from(["UP-1", "UP-2", "UP-8", "UP-9"]), min_size=1, max_size=5), min_size=1, max_size=4
    )
)
@settings(max_examples=25, deadline=None)
def test_told_by_parts_or_together_and_twice_it_is_the_same(parts: list[list[str]]) -> None:
    """Σ of what is told one by one equals what is told at once, whoever is known."""
    kept = []
    for told in (parts, [list(chain(*parts))], [*parts, *parts]):
        with open_store("sqlite://") as opened:
            opened.registry.save_points(ME, [UsagePoint("UP-1"), UsagePoint("UP-2")])
            for names in told:
                done = tell_outage(opened, ME, OutageTold(names, FROM, TO), now=NOW)
                assert [each.usage_point for each in done.points] == list(dict.fromkeys(names))
                assert all((each.outcome == "kept") is (each.usage_point in {"UP-1", "UP-2"}) for each in done.points)
            waits = [(each.end_device, each.events) for each in opened.waiting_events.devices(ME)]
            placed = {(each.usage_point, each.type) for each in opened.devices.events(ME) if each.usage_point}
            kept.append((waits, placed))
    assert kept[0] == kept[1] == kept[2]


def test_taken_back_twice_it_is_told_so_and_an_end_that_was_is_no_beginning(store: Store) -> None:
    tell_outage(store, ME, TOLD, now=NOW)
    assert cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW).events == 2
    assert gone(store, OutageTold(["UP-1"], FROM)) == (0, ("UP-1",))
    assert gone(store, TOLD) == (2, ("UP-1",)), "the other one is taken back still"
    assert gone(store, TOLD) == (0, ("UP-1", "UP-2"))
    other = OutageTold(["UP-1"], TO + HOUR, TO + 2 * HOUR)
    tell_outage(store, ME, other, now=NOW)
    tell_outage(store, ME, OutageTold(["UP-1"], TO + HOUR, TO + 3 * HOUR), now=NOW)
    its_end = OutageTold(["UP-1"], TO + 2 * HOUR)  # which was taken back there
    assert set(refused(cancel_outage(store, ME, its_end, now=NOW))) == {"UP-1"}


def test_taken_back_twice_where_the_meter_told_alone_how_long_it_was(store: Store) -> None:
    back = EndDeviceEvent("M-1", POWER_ON, FROM + HOUR, NOW, "UP-1", "", {"duration_s": "3600"})
    store.registry.save_meter(ME, Meter("M-1"))
    store.registry.save_installation(ME, install("UP-1", "M-1", START))
    store.devices.save_events(ME, [back])
    assert cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW).events == 2
    assert gone(store, OutageTold(["UP-1"], FROM)) == (0, ("UP-1",))


@pytest.mark.parametrize(
    ("told", "member"),
    [
        (OutageTold(["UP-1"], TO, FROM), "to"),
        (OutageTold(["UP-1"], TO, TO), "to"),
        (OutageTold(["UP-1"], NOW + HOUR), "from"),
        (OutageTold(["UP-1"], FROM, NOW + HOUR), "from"),
    ],
)
def test_an_outage_that_cannot_be_is_refused(told: OutageTold, member: str) -> None:
    with pytest.raises(InputError) as refused:
        require_likely(told, NOW)
    assert refused.value.where == member
