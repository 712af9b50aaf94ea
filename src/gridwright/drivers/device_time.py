"""Between a device's wall clock and UTC, through both changes of the season."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from gridwright.domain.errors import DeviceNonsense
from gridwright.drivers.profile import Dst
from gridwright.protocols.iec62056_21 import Season, Stamp, format_stamp

HOUR = timedelta(hours=1)
ZERO = timedelta(0)


class DeviceTime:
    """One device's way of writing time: its zone, and how it tells summer from winter."""

    def __init__(self, zone: ZoneInfo, dst: Dst) -> None:
        self._zone = zone
        self._dst = dst

    def to_utc(self, stamp: Stamp, *, after: datetime | None = None) -> datetime:
        """Return the instant; `after` decides the repeated hour of a device that does not tell its season."""
        wall = stamp.moment
        try:
            if stamp.season is Season.UTC:
                return wall.replace(tzinfo=UTC)
            if self._dst is Dst.STANDARD:
                return (wall - self._offsets(wall.year)[0]).replace(tzinfo=UTC)
            if self._dst is Dst.WALL or stamp.season is None:
                first, second = (wall.replace(tzinfo=self._zone, fold=fold).astimezone(UTC) for fold in (0, 1))
                return second if after is not None and first < after <= second else first
            return (wall - self._offset(wall, summer=stamp.season is Season.SUMMER)).replace(tzinfo=UTC)
        except (OverflowError, ValueError) as error:
            raise DeviceNonsense(f"the device tells the time {wall}") from error

    def write(self, moment: datetime, form: str) -> str:
        """Return an instant as the device writes it."""
        normal, _ = self._offsets(moment.year)
        if self._dst is Dst.STANDARD:
            return format_stamp(Stamp((moment + normal).astimezone(UTC).replace(tzinfo=None), Season.NORMAL), form)
        local = moment.astimezone(self._zone)
        summer = (local.utcoffset() or ZERO) > normal
        return format_stamp(Stamp(local.replace(tzinfo=None), Season.SUMMER if summer else Season.NORMAL), form)

    def phase_s(self, interval_s: int, year: int) -> int:
        """Return how far after whole intervals of UTC the device's begin: it counts them from its own midnight."""
        return -int(self._offsets(year)[0].total_seconds()) % interval_s

    def _offset(self, wall: datetime, *, summer: bool) -> timedelta:
        """Return what the season means on that day, also where the device's season is not its zone's."""
        normal, high = self._offsets(wall.year)
        for fold in (0, 1):
            offset = wall.replace(tzinfo=self._zone, fold=fold).utcoffset() or ZERO
            if (offset > normal) == summer:
                return offset
        return high if summer else normal

    def _offsets(self, year: int) -> tuple[timedelta, timedelta]:
        """Return the year's offsets in winter and summer; the smaller one is normal, as in Dublin too."""
        both = [datetime(year, month, 1, tzinfo=self._zone).utcoffset() or ZERO for month in (1, 7)]
        return min(both), max(both) if both[0] != both[1] else both[0] + HOUR
