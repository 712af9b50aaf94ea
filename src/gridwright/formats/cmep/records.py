"""The header of a MEPMD01 record: whose it is, what its readings mean, and how many there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import Accumulation, ReadingType
from gridwright.domain.usage_point import id_fault
from gridwright.formats.cmep.units import Meaning, meaning_of
from gridwright.formats.source import ReadOptions

HEADER = 14  # fields before the triplets
KINDS = {
    "MEPMD02": "time-of-use totals, no intervals",
    "MEPAD01": "a service request",
    "MEPAD02": "credit data",
    "MEPEC01": "meter configuration",
    "MLA01": "meter alarms",
    "MEPRR01": "rejects of another system",
}


class Decimals(NamedTuple):
    """The deepest decimal of a file, and those of the units of samples that are in it."""

    deepest: int
    sampled: tuple[tuple[str, int], ...] = ()

    def of(self, unit: str) -> int:
        """Return the decimals of a unit."""
        return dict(self.sampled).get(unit.strip().upper(), self.deepest)


@dataclass(frozen=True, slots=True)
class Rules:
    """What decoding needs of the dialect: options, decimals by unit, the zone of points, and that of the stamps."""

    options: ReadOptions
    decimals: Decimals
    zone: str
    stamps: str


@dataclass(frozen=True, slots=True)
class Record:
    """One MEPMD01 record: whose it is, what it means, and how many triplets follow its header."""

    point: str
    meaning: Meaning
    interval_s: int
    count: int
    constant: str = ""

    @property
    def series(self) -> tuple[ReadingType, int]:
        """What readings of one series share."""
        return self.meaning.reading_type, self.interval_s


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a record cannot be taken, what helps, and the value that shows it."""

    reason: str
    remedy: str
    value: str = ""


def record_of(parts: list[str], fields: int, rules: Rules) -> Record | Refusal:
    """Understand the header fields of a record that has `fields` in all."""
    kind = parts[0].upper()
    if kind != "MEPMD01":
        known = KINDS.get(kind, "unknown")
        reason = f"record type {parts[0][:20]!r} ({known}) carries no interval readings"
        return Refusal(reason, "MEPMD01 is read", parts[0][:20])
    if len(parts) < HEADER:
        return Refusal(f"{len(parts)} fields where a record has at least {HEADER}", "fetch the file again")
    point, count = parts[7], parts[13]
    if fault := id_fault(point):
        told = f"the meter id in field 8 {fault}" if point else "no meter id in field 8"
        return Refusal(told, "it names the usage point", point[:20])
    triplets, rest = divmod(fields - HEADER, 3)
    if rest or (count and count != str(triplets)):
        told = count or "no number of"
        reason = f"field 14 tells {told} readings, but {fields - HEADER} fields follow"
        return Refusal(reason, "fetch the file again", count)
    found = _series_of(*parts[9:13], _Told(rules.options.unit, rules.options.interval_minutes or 0, rules.decimals))
    return found if isinstance(found, Refusal) else Record(point, *found, triplets, parts[11])


class _Told(NamedTuple):
    """What the caller and the file say of every record."""

    unit: str
    minutes: int
    decimals: Decimals


@lru_cache(maxsize=256)
def _series_of(commodity: str, unit: str, constant: str, length: str, told: _Told) -> tuple[Meaning, int] | Refusal:
    """Return the meaning and the interval that fields 10 to 13 tell; a file has a few kinds of them."""
    meaning = meaning_of(told.unit or unit, commodity, told.decimals.of(unit))
    if meaning is None:
        return Refusal(f"unit {unit!r} in field 11 is none we read", "KWH, KVARH, KVAH, KW, V, A, CF, GAL or M3", unit)
    factor = _number(constant or "1")
    if factor is None:
        return Refusal(f"constant {constant!r} in field 12 is no number above 0", "correct it", constant)
    register = meaning.reading_type.accumulation is Accumulation.CUMULATIVE
    seconds = 0 if register else told.minutes * 60 or interval_of(length)
    if not register and not seconds:
        reason = f"interval {length!r} in field 13 is no MMDDhhmm of minutes, hours or a day"
        return Refusal(reason, "give --interval", length)
    return Meaning(meaning.reading_type, meaning.places, meaning.factor * factor), seconds


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < 1e9 else None  # noqa: PLR2004 - far beyond any transformer


def interval_of(code: str) -> int:
    """Return the seconds of an interval code MMDDhhmm; 0 where it is none, or longer than a day."""
    if len(code) != 8 or not (code.isascii() and code.isdigit()):  # noqa: PLR2004 - digits of the code
        return 0
    months, days, hours, minutes = (int(code[at : at + 2]) for at in range(0, 8, 2))
    seconds = ((days * 24 + hours) * 60 + minutes) * 60
    return seconds if not months and 0 < seconds <= DAY_S else 0
