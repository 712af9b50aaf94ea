"""A device's wall clock to UTC and back: both changes of the season, wrong seasons, and zones with a twist."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import DeviceNonsense
from gridwright.domain.interval import zone_of
from gridwright.drivers.device_time import DeviceTime
from gridwright.drivers.profile import Dst
from gridwright.protocols.iec62056_21 import Season, Stamp, parse_stamp

BERLIN = zone_of("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "Europe/Dublin", "Australia/Lord_Howe", "Asia/Kolkata", "America/New_York"]
MOMENTS = st.datetimes(datetime(2020, 1, 1), datetime(2030, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda one: one.replace(microsecond=0)
)


@given(MOMENTS, st.sampled_from(ZONES))
def test_every_instant_goes_out_and_comes_back_where_stamps_tell_their_season(moment: datetime, zone: str) -> None:
    time = DeviceTime(zone_of(zone), Dst.FLAGGED)
    assert time.to_utc(parse_stamp(time.write(moment, "sYYMMDDhhmmss"))) == moment
    assert time.to_utc(parse_stamp(time.write(moment, "YYMMDDhhmmssX"))) == moment


@given(MOMENTS, st.sampled_from(ZONES))
def test_every_instant_goes_out_and_comes_back_where_there_is_no_summer(moment: datetime, zone: str) -> None:
    time = DeviceTime(zone_of(zone), Dst.STANDARD)
    assert time.to_utc(parse_stamp(time.write(moment, "YYMMDDhhmmss"))) == moment


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("12610250215", "2026-10-25T00:15+00:00"),  # the repeated hour, still summer
        ("02610250215", "2026-10-25T01:15+00:00"),  # the repeated hour, winter already
        ("22610250215", "2026-10-25T02:15+00:00"),  # a device that writes UTC
        ("02603290145", "2026-03-29T00:45+00:00"),
        ("12603290300", "2026-03-29T01:00+00:00"),
        ("02607011200", "2026-07-01T11:00+00:00"),  # a meter that never went to summer time says so
        ("11612011200", "2016-12-01T10:00+00:00"),  # and one that stayed there
    ],
)
def test_the_season_decides(text: str, utc: str) -> None:
    assert DeviceTime(BERLIN, Dst.FLAGGED).to_utc(parse_stamp(text)) == datetime.fromisoformat(utc)


def test_without_season_the_order_decides_the_repeated_hour() -> None:
    time = DeviceTime(BERLIN, Dst.WALL)
    stamp = parse_stamp("2610250215")
    first = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert time.to_utc(stamp) == first
    assert time.to_utc(stamp, after=first - timedelta(minutes=15)) == first
    assert time.to_utc(stamp, after=first + timedelta(minutes=45)) == first + timedelta(hours=1)
    assert time.to_utc(stamp, after=first + timedelta(days=9)) == first


def test_a_time_beyond_the_calendar_is_nonsense() -> None:
    with pytest.raises(DeviceNonsense):
        DeviceTime(BERLIN, Dst.STANDARD).to_utc(Stamp(datetime.min, Season.NORMAL))  # noqa: DTZ901
