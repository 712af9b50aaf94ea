"""E09 for a reading date: registers that nobody read are estimated, marked so, and never over a read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import GridwrightError, InputError
from gridwright.domain.finding import Severity
from gridwright.domain.interval import Interval
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.jobs.meters.estimate_reads import estimate_reads
from gridwright.store import Store, open_store

DAY = timedelta(days=1)
FIRST = datetime(2026, 10, 31, 23, tzinfo=UTC)  # as 2026-11-01 begins in Berlin
ON, NOW = date(2026, 11, 1), datetime(2026, 11, 25, 12, tzinfo=UTC)
EVER = Interval(FIRST - 500 * DAY, FIRST + 500 * DAY)


def read(at: datetime, kwh: float, point: str = "UP-1", quality: int = q.RAW) -> RegisterReading:
    return RegisterReading(point, at, kwh * 1000, f"M-{point[-1]}", quality=quality)


def a_town(store: Store, *, factor: int = 1) -> None:
    for name in ("UP-1", "UP-2", "UP-3"):
        store.registry.save_points(ME, [UsagePoint(name, "Europe/Berlin")])
        store.registry.save_meter(ME, Meter(f"M-{name[-1]}", dials=5, lsb_wh=1000))
        store.registry.save_installation(
            ME, replace(install(name, f"M-{name[-1]}", FIRST - 400 * DAY), multiplier=Decimal(factor))
        )


def keep(store: Store, *reads: RegisterReading) -> None:
    from gridwright.jobs.meters.in_epochs import in_epochs
    from gridwright.jobs.meters.keep_reads import keep_reads

    keep_reads(store, ME, in_epochs(store, ME, reads), known_at=NOW, derive=True)


def stands(store: Store, point: str = "UP-1") -> list[tuple[datetime, float, str]]:
    return [(one.at, one.value / 1000, q.nem12_code(one.quality)) for one in store.registers.load(ME, point, EVER)]


def test_c13_of_the_catalogue(store: Store) -> None:
    """3.35 kWh a day for 17 days is 56.95, cut to 56."""
    a_town(store)
    keep(store, read(FIRST - 37 * DAY, 12278), read(FIRST - 17 * DAY, 12345))
    for new in (True, False):
        (one,) = estimate_reads(store, ME, ON, ["UP-1"], now=NOW)
        assert one.read is not None
        assert (one.read.value, one.new, one.at) == (12_401_000, new, FIRST)
    assert stands(store)[-1] == (FIRST, 12401, "S62")


def test_a_dry_run_keeps_nothing_and_a_factor_counts(store: Store) -> None:
    a_town(store, factor=40)
    keep(store, read(FIRST - 20 * DAY, 100), read(FIRST - 10 * DAY, 200))
    (one,) = estimate_reads(store, ME, ON, ["UP-1"], now=NOW, dry_run=True)
    assert one.read is not None
    assert (one.read.value, one.new) == (300_000, True)
    assert len(stands(store)) == 2


def test_all_that_were_not_read_and_no_others(store: Store) -> None:
    a_town(store)
    for point in ("UP-1", "UP-2"):
        keep(store, read(FIRST - 20 * DAY, 100, point), read(FIRST - 10 * DAY, 200, point))
    keep(store, read(FIRST + timedelta(hours=9), 310, "UP-2"))
    assert [one.usage_point for one in estimate_reads(store, ME, ON, None, now=NOW)] == ["UP-1"]
    told = {one.usage_point: one.why for one in estimate_reads(store, ME, ON, ["UP-2", "UP-3"], now=NOW)}
    assert told == {"UP-2": "it was read on that day", "UP-3": "no register of it is read"}


def test_a_read_takes_its_place_and_it_never_takes_that_of_a_read(store: Store) -> None:
    a_town(store)
    keep(store, read(FIRST - 20 * DAY, 100), read(FIRST - 10 * DAY, 200))
    estimate_reads(store, ME, ON, ["UP-1"], now=NOW)
    keep(store, read(FIRST, 280))
    assert stands(store)[-1] == (FIRST, 280, "A")
    (one,) = estimate_reads(store, ME, ON, ["UP-1"], now=NOW)
    assert (one.read, one.new) == (None, False)
    assert stands(store)[-1] == (FIRST, 280, "A")
    assert not store.findings.load(ME, ["UP-1"])


def test_between_two_reads_it_follows_the_straight_line_once_the_later_one_came(store: Store) -> None:
    a_town(store)
    keep(store, read(FIRST - 20 * DAY, 100), read(FIRST - 10 * DAY, 200))
    estimate_reads(store, ME, ON, ["UP-1"], now=NOW)
    assert stands(store)[-1][1] == 300
    keep(store, read(FIRST + 10 * DAY, 260))
    (one,) = estimate_reads(store, ME, ON, None, now=NOW)
    assert one.new
    assert [kwh for _, kwh, _ in stands(store)] == [100, 200, 230, 260]
    assert not [each for each in store.findings.load(ME, ["UP-1"]) if each.severity is not Severity.INFO]


def test_an_estimate_that_was_sent_stays(store: Store) -> None:
    a_town(store)
    sent = q.pack(q.Status.ESTIMATED, q.Method.AGREED)
    keep(store, read(FIRST - 20 * DAY, 100), read(FIRST - 10 * DAY, 200), read(FIRST, 222, quality=sent))
    (one,) = estimate_reads(store, ME, ON, ["UP-1"], now=NOW)
    assert one.why == "an estimate that was sent stands there"
    assert stands(store)[-1][1] == 222


def test_what_cannot_be_told_is_told(store: Store) -> None:
    a_town(store)
    keep(store, read(FIRST - 10 * DAY, 200), read(FIRST + 30 * DAY, 900, "UP-2"))
    told = {one.usage_point: one.why for one in estimate_reads(store, ME, ON, None, now=NOW)}
    assert "one register read of UP-1 tells no daily use" in told["UP-1"]
    assert told["UP-2"] == "no register read of its meter in the 400 days before"
    with pytest.raises(InputError, match="2026-12-01 has not begun at UP-1"):
        estimate_reads(store, ME, date(2026, 12, 1), ["UP-1"], now=NOW)
    with pytest.raises(GridwrightError):
        estimate_reads(store, Access("viewer", Role.VIEWER), ON, None, now=NOW)


@settings(max_examples=20, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 60), min_size=2, max_size=6),
    rises=st.lists(st.integers(0, 300), min_size=6, max_size=6),  # a day: in 300 of them five dials do not turn over
    at=st.integers(0, 300),
)
def test_it_lies_among_the_reads_and_again_changes_nothing(gaps: list[int], rises: list[int], at: int) -> None:
    with open_store("sqlite://") as store:
        a_town(store)
        days, kwh, reads = 300 - at, 1000, []
        for gap, rise in zip(gaps, rises, strict=False):
            days, kwh = days - gap, kwh + rise
            reads.append(read(FIRST - days * DAY, kwh))
        keep(store, *reads)
        estimate_reads(store, ME, ON, None, now=NOW)
        before = stands(store)
        shown = [value for _, value, _ in before]
        assert shown == sorted(shown)
        assert [each for each in before if each[-1] == "A"] == [(one.at, one.value / 1000, "A") for one in reads]
        assert not any(one.new for one in estimate_reads(store, ME, ON, None, now=NOW))
        assert stands(store) == before
