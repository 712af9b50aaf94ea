"""Record groups to panels: grid, gaps, doubts, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain import quality as q
from gridwright.domain.errors import DeviceNonsense
from gridwright.domain.interval import Interval, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Status
from gridwright.drivers import profile_of
from gridwright.drivers.device_time import DeviceTime
from gridwright.drivers.load_profile import ProfileBuilder, on_grid, requests
from gridwright.drivers.profile import Dst
from gridwright.protocols.iec62056_21 import Channel, RecordGroup, parse_stamp

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = Interval(NOON, NOON + timedelta(hours=1))
DELIVERED = (Channel("1.29.0", "kWh"),)


def group(
    stamp: str, *values: str, status: int = 0, minutes: int | None = 15, channels: Sequence[Channel] = DELIVERED
) -> RecordGroup:
    return RecordGroup(parse_stamp(stamp), status, minutes, tuple(channels), tuple((value,) for value in values))


def built(*groups: RecordGroup, period: Interval = HOUR, zone: str = "UTC", dst: Dst = Dst.FLAGGED) -> Panel:
    profile = profile_of("generic-relay")
    assert profile.profile is not None
    channel = profile.profile.channels[0]
    builder = ProfileBuilder(profile.profile, channel, profile.status, DeviceTime(zone_of(zone), dst), period)
    builder.add(groups)
    return builder.panel("M-1")


def values(panel: Panel) -> list[float | None]:
    return [None if np.isnan(value) else value for value in panel.values[0].tolist()]


def test_intervals_land_in_their_slots_and_the_rest_is_missing() -> None:
    panel = built(group("0261125121500", "0.100", "0.200"))
    assert panel.points == ("M-1",)
    assert values(panel) == [None, 100, 200, None]
    assert panel.quality[0].tolist() == [q.MISSING, q.RAW, q.RAW, q.MISSING]


def test_intervals_outside_the_period_are_left_out() -> None:
    panel = built(group("0261125113000", *["0.001"] * 9))
    assert values(panel) == [1, 1, 1, 1]


def test_a_status_bit_may_cast_doubt_and_a_dash_is_no_value() -> None:
    panel = built(group("0261125120000", "0.1", status=0x01), group("0261125121500", "---", "0.2", status=0x20))
    assert values(panel) == [100, None, 200, None]
    assert panel.quality[0].tolist() == [q.pack(Status.REJECTED), q.MISSING, q.RAW, q.MISSING]


def test_the_same_interval_twice_is_fine_but_two_values_are_not() -> None:
    panel = built(group("0261125120000", "0.1", "0.2"), group("0261125120000", "0.1", "0.3"))
    assert values(panel) == [100, 300, None, None]
    assert panel.quality[0].tolist()[:2] == [q.RAW, q.pack(Status.REJECTED)]


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (group("0261125120000", "0.1", minutes=30), "intervals of 30 min, not of 15 min"),
        (group("0261125120100", "0.1"), "off its grid of 15 min"),
        (group("0261125120007", "0.1"), "off its grid"),
        (group("0261125120000", "0.1", channels=[Channel("2.29.0", "kWh")]), "holds 2.29.0, not 1.29.0"),
        (group("0261125120000", "0.1", channels=[Channel("1.29.0", "kvarh")]), "no unit of energy"),
        (group("0261125120000", "-0.1"), "negative"),
        (group("0261125120000", "1234.5"), "more than 3 digits"),
    ],
)
def test_what_cannot_be_true_is_nonsense(bad: RecordGroup, what: str) -> None:
    with pytest.raises(DeviceNonsense, match=what):
        built(bad)


def test_the_repeated_hour_by_season() -> None:
    night = Interval(datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))
    panel = built(
        group("1261025020000", "0.1", "0.2", "0.3", "0.4"),
        group("0261025020000", "0.5", "0.6", "0.7", "0.8"),
        period=night,
        zone="Europe/Berlin",
    )
    assert values(panel) == [100, 200, 300, 400, 500, 600, 700, 800]


def test_the_repeated_hour_by_order() -> None:
    night = Interval(datetime(2026, 10, 25, tzinfo=UTC), datetime(2026, 10, 25, 2, tzinfo=UTC))
    first, second = group("261025020000", *["0.1"] * 4), group("261025020000", *["0.2"] * 4)
    panel = built(first, second, period=night, zone="Europe/Berlin", dst=Dst.WALL)
    assert values(panel) == [100] * 4 + [200] * 4


def test_a_period_is_put_on_the_grid() -> None:
    period = Interval(NOON + timedelta(minutes=1), NOON + timedelta(minutes=46))
    assert on_grid(period, 900) == Interval(NOON + timedelta(minutes=15), NOON + timedelta(minutes=60))
    assert on_grid(HOUR, 900) == HOUR


def test_long_periods_are_asked_for_in_parts() -> None:
    period = Interval(NOON, NOON + timedelta(days=25))
    parts = list(requests(period, 10))
    assert [part.length.days for part in parts] == [10, 10, 5]
    assert (parts[0].start, parts[-1].end) == (period.start, period.end)
