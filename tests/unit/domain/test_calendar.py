"""The wall clock: days of 23, 24 and 25 hours, and Lord Howe's half hour (catalogue case C7)."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.calendar import date_of, day_number, local_calendar, local_to_utc, utc_offsets
from gridwright.domain.errors import AmbiguousInput, InputError
from gridwright.domain.interval import (
    Interval,
    epoch_s,
    exact_period,
    from_epoch_s,
    local_day,
    local_days,
    local_month,
    parse_instant,
    parse_period,
    zone_of,
)

QUARTER = timedelta(minutes=15)
ZONES = ["Europe/Berlin", "America/Los_Angeles", "Asia/Shanghai", "Australia/Lord_Howe", "Asia/Kolkata", "UTC"]


@pytest.mark.parametrize(
    ("zone", "day", "slots"),
    [
        ("Europe/Berlin", date(2025, 3, 30), 92),
        ("Europe/Berlin", date(2025, 10, 26), 100),
        ("America/Los_Angeles", date(2025, 3, 9), 92),
        ("Asia/Shanghai", date(2025, 3, 9), 96),
        ("Australia/Lord_Howe", date(2025, 4, 6), 98),
        ("Australia/Lord_Howe", date(2025, 10, 5), 94),
    ],
)
def test_quarter_hours_of_a_local_day(zone: str, day: date, slots: int) -> None:
    whole = local_day(day, zone_of(zone))
    clock = local_calendar(whole.start, QUARTER, whole.slots(QUARTER), zone)
    assert clock.slots == slots
    assert clock.expected_slots().tolist() == [slots]
    assert set(clock.dates.tolist()) == {day}


def test_repeated_hour_shows_its_minutes_twice() -> None:
    day = local_day(date(2025, 10, 26), zone_of("Europe/Berlin"))
    clock = local_calendar(day.start, QUARTER, 100, "Europe/Berlin")
    twice = [minute for minute in range(0, 1440, 15) if (clock.minute == minute).sum() == 2]
    assert twice == [120, 135, 150, 165]


def test_naive_stamps_of_both_changes() -> None:
    wall = np.array(
        [epoch_s(datetime(2025, 3, 30, 2, 30, tzinfo=UTC)), epoch_s(datetime(2025, 10, 26, 2, 30, tzinfo=UTC))]
    )
    instants, repeated, skipped = local_to_utc(wall, "Europe/Berlin")
    assert [from_epoch_s(int(at)).isoformat() for at in instants] == [
        "2025-03-30T01:30:00+00:00",
        "2025-10-26T00:30:00+00:00",
    ]
    assert repeated.tolist() == [False, True]
    assert skipped.tolist() == [True, False]


@given(
    st.sampled_from(ZONES),
    st.integers(epoch_s(datetime(1975, 1, 1, tzinfo=UTC)), epoch_s(datetime(2037, 1, 1, tzinfo=UTC))),
)
def test_offsets_agree_with_zoneinfo(zone: str, instant: int) -> None:
    expected = from_epoch_s(instant).astimezone(zone_of(zone)).utcoffset()
    assert expected is not None
    around = np.array([instant - 400 * 86_400, instant, instant + 400 * 86_400])
    assert utc_offsets(around, zone)[1] == expected.total_seconds()


@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 1), date(2036, 1, 1)))
def test_wall_clock_and_back(zone: str, day: date) -> None:
    whole = local_day(day, zone_of(zone))
    clock = local_calendar(whole.start, QUARTER, whole.slots(QUARTER), zone)
    back, repeated, skipped = local_to_utc(clock.start_s + clock.offset_s, zone)
    assert not skipped.any()
    assert (back[~repeated] == clock.start_s[~repeated]).all()
    assert (clock.start_s - back >= 0).all()


@given(st.sampled_from(ZONES), st.dates(date(1990, 1, 1), date(2036, 1, 1)), st.integers(1, 40))
def test_local_days_tile_time(zone: str, day: date, count: int) -> None:
    tz = zone_of(zone)
    period = Interval(local_day(day, tz).start, local_day(day + timedelta(days=count - 1), tz).end)
    days = list(local_days(period, tz))
    assert len(days) == count
    assert sum(one.seconds for one in days) == period.seconds
    assert all(before.end == after.start for before, after in pairwise(days))


def test_day_numbers_are_dates() -> None:
    assert date_of(day_number(date(2025, 3, 30))) == date(2025, 3, 30)
    assert day_number(date(1970, 1, 1)) == 0


@pytest.mark.parametrize(
    ("text", "hours"), [("2025", 8760), ("2025-03", 743), ("2025-10-26", 25), ("2025-03-01/2025-03-02", 24)]
)
def test_periods_as_people_write_them(text: str, hours: int) -> None:
    assert parse_period(text, zone_of("Europe/Berlin")).seconds == hours * 3600


@pytest.mark.parametrize("text", ["", "March", "2025-13", "2025-02-30", "2025/xx", "1-2-3-4"])
def test_a_bad_period_names_itself(text: str) -> None:
    with pytest.raises(InputError, match="is not a"):
        parse_period(text, zone_of("UTC"))


def test_an_unknown_zone_names_itself() -> None:
    with pytest.raises(InputError, match="'Europe/Berlim'"):
        zone_of("Europe/Berlim")


def test_december_rolls_over() -> None:
    assert local_month(2025, 12, zone_of("UTC")).end == datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("text", ["0001", "0001-01", "0001-01-01", "9999-12-31", "0001-01-01/0001-01-02"])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_days_outside_the_calendar_are_refused(text: str, zone: str) -> None:
    """What looks back some weeks from a day must find some: in no zone is there a first year."""
    with pytest.raises(InputError, match=text[:4]):
        parse_period(text, zone_of(zone))


@pytest.mark.parametrize("text", ["0001-01-01", "9999-12-31T23:59-23:00"])
def test_an_instant_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="outside the calendar"):
        parse_instant(text, zone_of("Europe/Berlin"))


@pytest.mark.parametrize(
    ("written", "times"),
    [
        ("2026-11-01T01:30/2026-11-01T02:00", "2026-11-01T01:30 comes twice in America/Los_Angeles"),
        ("2026-11-01T00:30/2026-11-01T01:00", "2026-11-01T01:00 comes twice in America/Los_Angeles"),
        ("2026-03-08T02:30/2026-03-08T03:30", "2026-03-08T02:30 comes never in America/Los_Angeles"),
    ],
)
def test_an_exact_period_guesses_at_no_end(written: str, times: str) -> None:
    with pytest.raises(AmbiguousInput, match=times) as refused:
        exact_period(written, zone_of("America/Los_Angeles"))
    assert "give the offset" in refused.value.remedy


def test_an_exact_period_is_read_as_any_other_where_nothing_is_to_be_guessed() -> None:
    there = zone_of("America/Los_Angeles")
    for written in ("2026", "2026-11", "2026-11-01", "2026-11-01T00:30/2026-11-01T02:00", "2026-03-08/2026-03-09"):
        assert exact_period(written, there) == parse_period(written, there)
    told = exact_period("2026-11-01T01:30-08:00/2026-11-01T02:00-08:00", there)
    assert told.length == timedelta(minutes=30)
