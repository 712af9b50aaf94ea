"""What OBIS codes, quantity qualifiers and units of an MSCONS message mean, as tables."""

from __future__ import annotations

import re
from dataclasses import dataclass

from gridwright.domain import event as e
from gridwright.domain import quality as q
from gridwright.domain.reading_type import DEFAULT_EXPONENT, Accumulation, Flow, Quantity, ReadingType
from gridwright.formats.decimals import resolution

# Group C of an OBIS code → quantity, direction, channel: 5 to 8 are the four quadrants of reactive energy.
GROUP_C: dict[int, tuple[Quantity, Flow, str]] = {
    1: (Quantity.ENERGY, Flow.DELIVERED, ""),
    2: (Quantity.ENERGY, Flow.RECEIVED, ""),
    3: (Quantity.REACTIVE_ENERGY, Flow.DELIVERED, ""),
    4: (Quantity.REACTIVE_ENERGY, Flow.RECEIVED, ""),
    5: (Quantity.REACTIVE_ENERGY, Flow.NONE, "Q1"),
    6: (Quantity.REACTIVE_ENERGY, Flow.NONE, "Q2"),
    7: (Quantity.REACTIVE_ENERGY, Flow.NONE, "Q3"),
    8: (Quantity.REACTIVE_ENERGY, Flow.NONE, "Q4"),
    9: (Quantity.APPARENT_ENERGY, Flow.DELIVERED, ""),
    10: (Quantity.APPARENT_ENERGY, Flow.RECEIVED, ""),
    16: (Quantity.ENERGY, Flow.NET, ""),
}
# Group D: 8 is a register, 9 and 29 are quantities of a period.
REGISTER_D, PERIOD_D = 8, (9, 29)
OBIS = re.compile(r"^(?:(\d{1,3})-(\d{1,3}):)?(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[*&](\d{1,3}))?$")
ELECTRICITY = 1
# Unit (UN/ECE recommendation 20, and what senders write) → quantity, power of ten of its base unit.
UNITS: dict[str, tuple[Quantity, int]] = {
    "WHR": (Quantity.ENERGY, 0),
    "WH": (Quantity.ENERGY, 0),
    "KWH": (Quantity.ENERGY, 3),
    "MWH": (Quantity.ENERGY, 6),
    "GWH": (Quantity.ENERGY, 9),
    "K3": (Quantity.REACTIVE_ENERGY, 3),
    "KVARH": (Quantity.REACTIVE_ENERGY, 3),
    "KVAH": (Quantity.APPARENT_ENERGY, 3),
}
# Qualifier of QTY (BDEW; 46 is the delivered quantity of the older directory) → quality.
QUALIFIERS: dict[str, int] = {
    "46": q.RAW,
    "220": q.ACTUAL,
    "67": int(q.Status.ESTIMATED_FINAL),
    "Z18": int(q.Status.ESTIMATED),
    "187": int(q.Status.ESTIMATED),
    "201": int(q.Status.ESTIMATED),
    "79": int(q.Status.DERIVED),
    "20": q.MISSING,
    "Z30": q.MISSING,
}
# STS Z34 (why it was corrected) and Z40 (why it was replaced), of BDEW: what they say of the meter. Others are about
# access, the line to it, outages without hours, an exchange that the registry knows, and the sender's own work.
REASONED = ("Z34", "Z40")
EVENT_OF_REASON: dict[str, str] = {
    "Z79": e.TEST_MODE,  # calibration
    "Z80": e.DISTURBED,  # outside its operating conditions
    "Z81": e.DISTURBED,  # disturbed or defect
    "ZA0": e.CLOCK_SET,
    "ZB0": e.DISTURBED,  # disturbed or defect, as a reason of correction
    "ZR1": e.TEST_MODE,  # maintenance
    "ZR2": e.DISTURBED,  # the device itself marks them
    "ZR3": e.TEST_MODE,  # maintenance
}
QUALIFIER_OF = {
    q.Status.RAW: "46",
    q.Status.ACTUAL: "220",
    q.Status.ACCEPTED: "220",
    q.Status.MISSING: "20",
    q.Status.REJECTED: "20",
    q.Status.ESTIMATED: "Z18",
    q.Status.ESTIMATED_FINAL: "67",
    q.Status.EDITED: "67",
    q.Status.DERIVED: "79",
}


@dataclass(frozen=True, slots=True)
class Meaning:
    """What an OBIS code says of the values behind it; `shift`: power of ten of the unit where none is written."""

    reading_type: ReadingType
    shift: int = 3


def meaning_of(code: str, decimals: int) -> Meaning | None:
    """Return the meaning of an OBIS code such as 1-1:1.29.0 or 1.8.0; None when it is none we read."""
    match = OBIS.match(code.strip())
    if match is None or (match[1] is not None and int(match[1]) != ELECTRICITY):
        return None
    group, kind, tariff = int(match[3]), int(match[4]), int(match[5])
    if group not in GROUP_C or (kind != REGISTER_D and kind not in PERIOD_D):
        return None
    quantity, flow, channel = GROUP_C[group]
    accumulation = Accumulation.CUMULATIVE if kind == REGISTER_D else Accumulation.DELTA
    exponent = resolution(DEFAULT_EXPONENT.get(quantity, 0), 3, decimals)
    # A tariff's own counter (1.8.1) is a channel beside the total.
    channel = f"{group}.{kind}.{tariff}" if tariff else channel
    return Meaning(ReadingType(quantity, flow, accumulation, exponent, channel=channel))


def obis_of(kind: ReadingType) -> str:
    """Return the OBIS code of a reading type, such as 1-1:1.29.0; empty when there is none."""
    if kind.accumulation is Accumulation.INSTANTANEOUS or kind.commodity != "electricity":
        return ""
    own = OBIS.match(kind.channel)
    if own is not None and own[1] is None and int(own[3]) in GROUP_C:
        counted = int(own[4]) == REGISTER_D
        same = counted == (kind.accumulation is Accumulation.CUMULATIVE)
        # What a tariff's counter 1.8.1 counted in an interval is 1.29.1: as 1.8.1 it would be read as a counter.
        return f"1-1:{kind.channel}" if same else f"1-1:{own[3]}.{29 if counted else REGISTER_D}.{own[5]}"
    for group, (quantity, flow, channel) in GROUP_C.items():
        if (quantity, flow) == (kind.quantity, kind.flow) and (not channel or channel == kind.channel):
            return f"1-1:{group}.{REGISTER_D if kind.accumulation is Accumulation.CUMULATIVE else 29}.0"
    return ""
