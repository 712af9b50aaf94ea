"""A meter's times: digits of its own wall clock, some with a season that tells summer from winter."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gridwright.protocols.iec62056_21.errors import ProtocolError


class Season(StrEnum):
    """The season digit of ZSTs stamps (VDEW Lastenheft 2.1); S and W are its letters behind the digits."""

    NORMAL = "0"
    SUMMER = "1"
    UTC = "2"


class BadStamp(ProtocolError):
    """These digits are no time."""


LETTER = {"W": Season.NORMAL, "S": Season.SUMMER}
STAMP = re.compile(r"(?P<season>[012])?(?P<digits>[0-9]{12}|[0-9]{10})(?P<letter>[SWsw])?")
LONGEST = 14


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment on the meter's own clock: naive, with its season where the meter tells it."""

    moment: datetime
    season: Season | None = None


def parse_stamp(text: str) -> Stamp:
    """Read `[s]YYMMDDhhmm[ss]` or `YYMMDDhhmmssX`; punctuation between digits is let through, 24:00 ends its day."""
    bare = re.sub(r"[-:. ,;]", "", text)
    found = STAMP.fullmatch(bare) if len(bare) <= LONGEST else None
    if found is None or (found["season"] and found["letter"]):
        raise BadStamp(f"{text[:40]!r} is no time such as sYYMMDDhhmm or YYMMDDhhmmss")
    digits = found["digits"].ljust(12, "0")
    year, month, day, hour, minute, second = (int(digits[at : at + 2]) for at in range(0, 12, 2))
    midnight = (hour, minute, second) == (24, 0, 0)
    try:
        moment = datetime(2000 + year, month, day, 0 if midnight else hour, minute, second)  # noqa: DTZ001 - a wall clock
        moment += timedelta(days=midnight)
    except (ValueError, OverflowError) as error:
        raise BadStamp(f"{text[:40]!r} is no time: {error}") from error
    season = Season(found["season"]) if found["season"] else LETTER.get((found["letter"] or "").upper())
    return Stamp(moment, season)


def format_stamp(stamp: Stamp, form: str) -> str:
    """Write a stamp in a form such as `sYYMMDDhhmm`, `YYMMDDhhmmss`, `YYMMDDhhmmssX`, `hhmmss` or `YYMMDD`."""
    moment, season = stamp.moment, stamp.season or Season.NORMAL
    parts = {
        "YY": f"{moment.year % 100:02d}",
        "MM": f"{moment.month:02d}",
        "DD": f"{moment.day:02d}",
        "hh": f"{moment.hour:02d}",
        "mm": f"{moment.minute:02d}",
        "ss": f"{moment.second:02d}",
        "s": season.value,
        "X": "S" if season is Season.SUMMER else "W",
    }
    return re.sub("YY|MM|DD|hh|mm|ss|s|X", lambda part: parts[part[0]], form)
