"""The code lists of the Danish market: metering points, units, qualities, resolutions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, epoch_s, from_epoch_s, local_midnight, local_month, zone_of
from gridwright.domain.quality import Status
from gridwright.domain.reading_type import FLOW_QUANTITIES, Accumulation, Quantity, ReadingType
from gridwright.formats.cim_codes import Meaning, exponent_for
from gridwright.formats.ebix import FLOWS

ZONE = "Europe/Copenhagen"
# UN/ECE recommendation 20: quantity and power of ten to the base unit.
UNITS: Mapping[str, tuple[Quantity, int]] = {
    "KWH": (Quantity.ENERGY, 3),
    "MWH": (Quantity.ENERGY, 6),
    "GWH": (Quantity.ENERGY, 9),
    "K3": (Quantity.REACTIVE_ENERGY, 3),
    "MAH": (Quantity.REACTIVE_ENERGY, 6),
    "WTT": (Quantity.POWER, 0),
    "KWT": (Quantity.POWER, 3),
    "MAW": (Quantity.POWER, 6),
    "KVR": (Quantity.REACTIVE_POWER, 3),
    "MAR": (Quantity.REACTIVE_POWER, 6),
    "MTQ": (Quantity.VOLUME, 0),
}
# CIM qualities (A01 …) and those of ebIX (56, 36, E01, D01); none at all means measured.
QUALITIES = {
    "": q.ACTUAL,
    "A01": q.pack(Status.EDITED),
    "A02": q.MISSING,
    "A03": q.pack(Status.ESTIMATED),
    "A04": q.ACTUAL,
    "A05": q.pack(Status.ESTIMATED),  # computed from incomplete data: used, and not trusted
    "A06": q.pack(Status.DERIVED),
    "56": q.pack(Status.ESTIMATED),
    "36": q.pack(Status.EDITED),
    "E01": q.ACTUAL,
    "D01": q.pack(Status.DERIVED),
}
DURATION = re.compile(r"P(?:T(?:(\d{1,3})H)?(?:(\d{1,4})M)?|(\d)D|(\d)M)")
MOST_POSITION = 999_999


@dataclass(frozen=True, slots=True)
class Header:
    """What a series says of itself, as it is written."""

    point: str
    kind: str
    unit: str
    resolution: str
    start: int | None
    end: int | None


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the positions of a series lie: from `start` on, `step_s` each, or civil days or months (`civil`)."""

    start: int
    end: int | None
    step_s: int
    civil: str = ""

    def place(self, position: npt.NDArray[np.int64], zone: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return (start, length) in seconds of each position, counted from 1."""
        if not self.civil:
            return self.start + (position - 1) * self.step_s, np.full(position.size, self.step_s, np.int64)
        known, which = np.unique(position, return_inverse=True)
        bounds = np.array([self._civil(int(one) - 1, zone) for one in known] or [(0, 0)], np.int64)[which]
        return bounds[:, 0], bounds[:, 1] - bounds[:, 0]

    def _civil(self, number: int, zone: str) -> tuple[int, int]:
        tz = zone_of(zone)
        # Half a day later is safely within the first day, whatever the clock does.
        first = from_epoch_s(self.start + DAY_S // 2).astimezone(tz).date()
        if self.civil == "day":
            day = first + timedelta(days=number)
            return epoch_s(local_midnight(day, tz)), epoch_s(local_midnight(day + timedelta(days=1), tz))
        months = first.year * 12 + first.month - 1 + number
        whole = local_month(months // 12, months % 12 + 1, tz)
        return epoch_s(whole.start), epoch_s(whole.end)


def meaning_of(header: Header, decimals: int) -> Meaning | str:
    """Return the reading type of a series, or why it is not read."""
    known, flow = UNITS.get(header.unit.upper()), FLOWS.get(header.kind.upper())
    if known is None:
        return f"unit {header.unit!r} is not read"
    if flow is None:
        return f"metering point type {header.kind!r} is not known"
    quantity, power = known
    exponent = exponent_for(quantity, power - decimals)
    accumulation = Accumulation.DELTA if quantity in FLOW_QUANTITIES else Accumulation.INSTANTANEOUS
    kind = ReadingType(quantity, flow, accumulation, exponent)
    return Meaning(kind, power - exponent)


def grid_of(header: Header) -> Grid | str:
    """Return where the positions of a series lie, or what is wrong with its period."""
    match = DURATION.fullmatch(header.resolution)
    if match is None or not any(match.groups()):
        return f"resolution {header.resolution!r} is not read"
    hours, minutes, days, months = (int(part or 0) for part in match.groups())
    step_s = hours * 3600 + minutes * 60
    if (days or months) not in {0, 1} or (step_s and DAY_S % step_s):
        return f"resolution {header.resolution!r} is not read"
    if header.start is None:
        return "the period has no start"
    if header.end is not None and header.end <= header.start:
        start, end = (from_epoch_s(at).isoformat() for at in (header.start, header.end))
        return f"the period ends, {end}, before it starts, {start}"
    return Grid(header.start, header.end, step_s, "day" if days else "month" if months else "")


def quality_byte(code: str) -> int | None:
    """Return the quality byte of a code, None for an unknown one."""
    return QUALITIES.get(code.upper())
