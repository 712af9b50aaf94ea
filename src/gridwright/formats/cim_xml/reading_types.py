"""The reading type code of IEC 61968-9 annex C: eighteen numbers between dots, such as 0.0.2.4.1.1.12.0.…0.3.72.0."""

from __future__ import annotations

from dataclasses import dataclass

from gridwright.domain.interval import DAY_S
from gridwright.domain.reading_type import FLOW_QUANTITIES, Accumulation, ReadingType
from gridwright.formats.cim_codes import KINDS, Codes, Meaning, codes_of, meaning_of

FIELDS = 18
MOST_POWER = 15
# Field 3, measuring period, in seconds; field 1 = 11 is daily.
PERIODS = {1: 600, 2: 900, 3: 60, 4: DAY_S, 5: 1800, 6: 300, 7: 3600, 10: 120, 14: 180, 31: 1200}
BLOCK_PERIODS = {50: 3600, 51: 1800, 52: 1200, 53: 900, 54: 600, 55: 300, 56: 60}
PERIOD_CODES = {seconds: code for code, seconds in PERIODS.items()}
DAILY = 11
MULTIPLIERS = (-12, -9, -6, -3, -2, -1, 0, 1, 2, 3, 6, 9, 12)


@dataclass(frozen=True, slots=True)
class Series:
    """What a code means; `interval_s` is 0 for registers, instants and where it tells no length."""

    meaning: Meaning
    interval_s: int

    @property
    def is_register(self) -> bool:
        """Whether values are counter states."""
        return self.meaning.reading_type.accumulation is Accumulation.CUMULATIVE


def read_code(code: str, *, decimals: int = 0, kind: str = "", interval_s: int = 0) -> Series | str:
    """Return what a code means, or why it is not read.

    `decimals`: how many written decimals must be kept. `kind`, `interval_s`: what the caller knows better.
    """
    parts = code.split(".")
    try:
        numbers = [int(part) for part in parts] if len(code) <= 200 else []  # noqa: PLR2004 - eighteen short numbers
    except ValueError:
        numbers = []
    if len(numbers) != FIELDS:
        return f"reading type {code[:60]!r} has not the eighteen numbers of IEC 61968-9"
    if abs(numbers[15]) > MOST_POWER:
        return f"reading type {code[:60]!r} has an impossible multiplier"
    meaning = meaning_of(
        Codes(
            accumulation=numbers[3],
            flow=numbers[4],
            commodity=numbers[5],
            tou=numbers[11],
            tier=numbers[13],
            phase=numbers[14],
            multiplier=numbers[15],
            uom=numbers[16],
        ),
        decimals=decimals,
        kind=kind,
    )
    if isinstance(meaning, str):
        return f"{meaning} (reading type {code})"
    told = PERIODS.get(numbers[2]) or BLOCK_PERIODS.get(numbers[2]) or (DAY_S if numbers[0] == DAILY else 0)
    register = meaning.reading_type.accumulation is Accumulation.CUMULATIVE
    return Series(meaning, 0 if register else interval_s or told)


def code_of(kind: ReadingType, interval_s: int) -> str:
    """Return the code of a series whose values are counts; `interval_s` 0 for registers."""
    codes, fields = codes_of(kind), [0] * FIELDS
    fields[2] = PERIOD_CODES.get(interval_s, 0)
    fields[3:7] = [codes.accumulation, codes.flow, codes.commodity, KINDS[kind.quantity]]
    fields[11], fields[13:15] = codes.tou, [codes.tier, codes.phase]
    fields[15:17] = [codes.multiplier, codes.uom]
    return ".".join(map(str, fields))


def needs_interval(kind: ReadingType) -> bool:
    """Tell whether a value means nothing without the length of its interval."""
    return kind.quantity in FLOW_QUANTITIES and kind.accumulation is Accumulation.DELTA
