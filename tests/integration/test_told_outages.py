"""An outage that people tell: what follows from it in readings and bills, and that it can be taken back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotFound
from gridwright.domain.event import POWER, POWER_CANCELLED, POWER_ON, EndDeviceEvent
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.grid import interruptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.tell_outage import OutageGone, OutageTold, cancel_outage, require_likely, tell_outage
from gridwright.store import Store, open_store
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


def doubts(store: Store, code: str) -> list[str]:
    return [one.finding.usage_point for one in store.findings.page(ME) if one.finding.code == code]


def test_what_is_told_is_zero_and_no_doubt_and_taken_back_it_is_as_before(store: Store) -> None:
    before = final(store)
    assert before.sum() > 10_000
    assert doubts(store, "V16_zero_run") == ["UP-2"]
    assert tell_outage(store, ME, TOLD, now=NOW) == 4
    assert tell_outage(store, ME, TOLD, now=NOW) == 0, "told again it is no news"
    judge(store)
    after = final(store)
    assert (after[1:-1] == 0).all()
    assert 0 < after[0] < before[0] / 2, "a quarter of an hour of power is left there"
    assert doubts(store, "V16_zero_run") == []
    assert cancel_outage(store, ME, TOLD, now=NOW) == OutageGone(4)
    judge(store)
    assert final(store).tolist() == before.tolist()
    assert doubts(store, "V16_zero_run") == ["UP-2"]
    reported = store.devices.events(ME, point="UP-1")
    assert [each.type == POWER_CANCELLED for each in reported].count(True) == 2
    assert len(reported) == 4, "what was told stays on record"


def test_what_was_taken_back_is_not_told_again_and_what_never_was_is_not_taken_back(store: Store) -> None:
    with pytest.raises(NotFound, match="no outage of UP-1 begins at"):
        cancel_outage(store, ME, TOLD, now=NOW)
    tell_outage(store, ME, TOLD, now=NOW)
    with pytest.raises(NotFound, match="no outage of UP-1"):
        cancel_outage(store, ME, OutageTold(["UP-1"], FROM + HOUR), now=NOW)
    cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW)
    with pytest.raises(Conflict, match="was taken back"):
        tell_outage(store, ME, TOLD, now=NOW)
    later = OutageTold(["UP-1"], FROM + timedelta(seconds=1), TO - timedelta(seconds=1))
    assert tell_outage(store, ME, later, now=NOW) == 2
    judge(store)
    assert (final(store)[1:-1] == 0).all()


def test_without_its_end_it_proves_nothing_until_that_is_told(store: Store) -> None:
    before = final(store)
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW) == 1
    judge(store)
    assert final(store).tolist() == before.tolist()
    assert tell_outage(store, ME, TOLD, now=NOW) == 3
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

    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, back), now=NOW) == 2
    assert lasted() == [Interval(FROM, back)]
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, TO), now=NOW) == 2
    assert lasted() == [Interval(FROM, TO)]
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, TO), now=NOW) == 0
    judge(store)
    assert (final(store)[1:-1] == 0).all()
    store.devices.save_events(ME, [EndDeviceEvent("M-1", POWER_ON, back - HOUR, NOW, "UP-1")])
    assert tell_outage(store, ME, OutageTold(["UP-1"], FROM, TO), now=NOW) == 0
    assert lasted() == [Interval(FROM, back - HOUR)], "a meter's own word stays"


def test_who_may_tell_and_of_whom(store: Store) -> None:
    with pytest.raises(NotFound):
        tell_outage(store, ME, OutageTold(["UP-1", "UP-9"], FROM, TO), now=NOW)
    for role in (Role.VIEWER, Role.BILLER, Role.DEVICE):
        for act in (tell_outage, cancel_outage):
            with pytest.raises(AccessDenied):
                act(store, Access("x", role), TOLD, now=NOW)
    with pytest.raises(AccessDenied):
        tell_outage(store, Access("x", Role.OPERATOR, frozenset({"UP-1"})), TOLD, now=NOW)
    assert store.devices.events(ME) == []


def test_taken_back_twice_it_is_told_so_and_an_end_that_was_is_no_beginning(store: Store) -> None:
    tell_outage(store, ME, TOLD, now=NOW)
    assert cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW) == OutageGone(2)
    assert cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW) == OutageGone(0, ("UP-1",))
    assert cancel_outage(store, ME, TOLD, now=NOW) == OutageGone(2, ("UP-1",)), "the other one is taken back still"
    assert cancel_outage(store, ME, TOLD, now=NOW) == OutageGone(0, ("UP-1", "UP-2"))
    other = OutageTold(["UP-1"], TO + HOUR, TO + 2 * HOUR)
    tell_outage(store, ME, other, now=NOW)
    tell_outage(store, ME, OutageTold(["UP-1"], TO + HOUR, TO + 3 * HOUR), now=NOW)
    with pytest.raises(NotFound, match="no outage of UP-1 begins at"):
        cancel_outage(store, ME, OutageTold(["UP-1"], TO + 2 * HOUR), now=NOW)  # its end there was taken back


def test_taken_back_twice_where_the_meter_told_alone_how_long_it_was(store: Store) -> None:
    back = EndDeviceEvent("M-1", POWER_ON, FROM + HOUR, NOW, "UP-1", "", {"duration_s": "3600"})
    store.registry.save_meter(ME, Meter("M-1"))
    store.registry.save_installation(ME, install("UP-1", "M-1", START))
    store.devices.save_events(ME, [back])
    assert cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW) == OutageGone(2)
    assert cancel_outage(store, ME, OutageTold(["UP-1"], FROM), now=NOW) == OutageGone(0, ("UP-1",))


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
