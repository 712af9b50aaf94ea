"""The 200 record: which usage point, channel, unit and interval the days below it belong to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridwright.domain.reading_type import DEFAULT_EXPONENT, Accumulation, Flow, Quantity, ReadingType
from gridwright.domain.usage_point import SHOWN, id_fault
from gridwright.domain.verdict import Reject
from gridwright.formats.source import ReadOptions
from gridwright.formats.text import shortened

MINUTES_A_DAY = 1440
LONGEST_WHOLE = 9  # digits
# MDFF compares units without case, so that `mwh` is always mega. Value: (quantity, power of ten to the base unit).
UNITS: Mapping[str, tuple[Quantity, int]] = {
    prefix + unit: (quantity, power)
    for unit, quantity in (
        ("wh", Quantity.ENERGY),
        ("varh", Quantity.REACTIVE_ENERGY),
        ("vah", Quantity.APPARENT_ENERGY),
        ("w", Quantity.POWER),
        ("var", Quantity.REACTIVE_POWER),
        ("v", Quantity.VOLTAGE),
        ("a", Quantity.CURRENT),
    )
    for prefix, power in (("", 0), ("k", 3), ("m", 6), ("g", 9))
} | {"pf": (Quantity.POWER_FACTOR, 0)}
FLOWLESS = {Quantity.VOLTAGE, Quantity.CURRENT, Quantity.POWER_FACTOR}
# First letter of the NMI suffix (AEMO NMI Procedure): export from the grid is what the customer takes.
FLOWS = dict.fromkeys("EDFQPR", Flow.DELIVERED) | dict.fromkeys("BACKJL", Flow.RECEIVED) | {"N": Flow.NET}
SUFFIX_UNITS = {"V": "V"}
OWN = "="  # begins the RegisterID of our own files where it tells the channel of a series, which is not its suffix
# What unit, suffix and channel mean: the reading type, and the decimal places from the unit to its counts.
Meanings = dict[tuple[str, str, str], tuple[ReadingType, int]]
TOTALS = (Quantity.ENERGY, Quantity.REACTIVE_ENERGY, Quantity.APPARENT_ENERGY)


@dataclass(frozen=True, slots=True)
class Channel:
    """One data stream: usage point (NMI), meaning, decimal places from the file's unit to counts, slots a day."""

    point: str
    serial: str
    reading_type: ReadingType
    places: int
    slots: int

    @property
    def interval_s(self) -> int:
        """Interval length in seconds."""
        return 86_400 // self.slots


def default_exponent(quantity: Quantity) -> int:
    """Return the resolution used unless the file is finer."""
    return DEFAULT_EXPONENT.get(quantity, 0)


def channel_of(
    fields: list[str],
    options: ReadOptions,
    exponents: Mapping[Quantity, int],
    line: int,
    told: Meanings | None = None,
) -> Channel | Reject:
    """Read a 200 record; one that cannot be understood is a Reject, and so are the days below it.

    `told`: what the units and suffixes of the file meant so far; there are few.
    """
    point = field(fields, 1)
    wrong = nmi_fault(point, line)
    if wrong is not None:
        return wrong
    minutes = options.interval_minutes or whole(field(fields, 8))
    if not minutes or MINUTES_A_DAY % minutes:
        return Reject(
            line,
            f"interval length {shortened(field(fields, 8), SHOWN)!r} is not a number of minutes that divides the day",
            "give --interval-minutes 5, 15 or 30",
            field(fields, 8),
        )
    unit = options.unit or field(fields, 7)
    suffix, channel = suffix_in(fields), channel_in(fields)
    meaning = told.get((unit, suffix, channel)) if told is not None else None
    if meaning is None:
        read = meaning_of(unit, (suffix, channel), exponents, line)
        if isinstance(read, Reject):
            return read
        meaning = read
        if told is not None:
            told[unit, suffix, channel] = meaning
    reading_type, places = meaning
    return Channel(point, field(fields, 6), reading_type, places, MINUTES_A_DAY // minutes)


def nmi_fault(point: str, line: int) -> Reject | None:
    """Return why the NMI of a record can name no usage point; None for one that can."""
    fault, shown = id_fault(point), shortened(point, SHOWN)
    told = f"NMI {shown!r} {fault}" if point else "no NMI"
    return Reject(line, told, "field 2 names the usage point", shown) if fault else None


def suffix_in(fields: list[str]) -> str:
    """Return the NMI suffix of a record."""
    return (field(fields, 4) or _only_channel(field(fields, 2))).upper()


def channel_in(fields: list[str]) -> str:
    """Return the channel of a record: its suffix, unless our own writer tells in the RegisterID what it was before."""
    register = field(fields, 3)
    return register.removeprefix(OWN) if register.startswith(OWN) else suffix_in(fields)


def meaning_of(
    unit: str, named: tuple[str, str], exponents: Mapping[Quantity, int], line: int
) -> tuple[ReadingType, int] | Reject:
    """Return the reading type of a unit, NMI suffix and channel, and the decimal places from unit to counts."""
    suffix, channel = named
    name = unit or SUFFIX_UNITS.get(suffix[:1], "")
    known = UNITS.get(name.lower())
    if known is None:
        shown = shortened(suffix, SHOWN) or "?"
        reason = f"unit {shortened(unit, SHOWN)!r} is not known" if unit else f"channel {shown} has no unit"
        return Reject(line, reason, "give --unit kWh, Wh or MWh", unit)
    quantity, power = known
    exponent = exponents.get(quantity, default_exponent(quantity))
    accumulation = Accumulation.DELTA if quantity in TOTALS else Accumulation.INSTANTANEOUS
    flow = Flow.NONE if quantity in FLOWLESS else FLOWS.get(suffix[:1], Flow.NONE)
    kind = ReadingType(quantity, flow, accumulation, exponent, channel=channel)
    return kind, power - exponent


def field(fields: list[str], at: int) -> str:
    """Return a field without blanks, or an empty text where the record is shorter."""
    return fields[at].strip() if at < len(fields) else ""


def whole(text: str) -> int:
    """Return a whole number, or 0 when it is none, or longer than any that is meant."""
    return int(text) if len(text) <= LONGEST_WHOLE and text.isascii() and text.isdigit() else 0


def _only_channel(configuration: str) -> str:
    """Return the suffix that a record leaves out but its configuration of one channel (`E1`) tells."""
    return configuration if len(configuration) == 2 else ""  # noqa: PLR2004 - a letter and a digit
