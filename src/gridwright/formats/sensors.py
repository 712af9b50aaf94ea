"""What a column is called that holds samples of a sensor: volts, amperes, hertz, degrees; and what we cannot keep."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from gridwright.domain.reading_type import Quantity

# Quantity → what people call it, as whole words of a simplified name.
_WORDS: dict[Quantity, str] = {
    Quantity.VOLTAGE: r"voltages?|volts|(?:netz ?)?spannung|tension|tensione|voltaje|tensao|u(?= ?l ?[123])|电压",
    Quantity.CURRENT: (
        r"currents?|amperage|amps|amperes?|stromst(?:ä|ae)rke|strom(?= (?:a|ampere|l[123])\b)|courant|corriente"
        r"|corrente|i(?= ?l ?[123])|电流"
    ),
    Quantity.FREQUENCY: r"(?:net(?:z)? ?)?(?:frequency|freq|frequenz)|hz|fr[ée]quence|frecuencia|frequenza|频率",
    Quantity.POWER_FACTOR: r"power ?factor|pf|cos ?(?:phi|φ)|leistungsfaktor|facteur de puissance|功率因数",
    Quantity.TEMPERATURE: r"temperatures?|temp|temperatur|temp[ée]rature|temperatura|温度",
    Quantity.STATE: r"(?:relay|switch) ?state|state|relay",
}
# Quantity → how its unit is written behind it → the unit as a unit column would say it.
_UNITS: dict[Quantity, dict[str, str]] = {
    Quantity.VOLTAGE: {"v": "V", "volt": "V", "volts": "V", "kv": "kV"},
    Quantity.CURRENT: {"a": "A", "amp": "A", "amps": "A", "ampere": "A", "amperes": "A", "ma": "mA"},
    Quantity.FREQUENCY: {"hz": "Hz", "hertz": "Hz"},
    Quantity.POWER_FACTOR: {"pf": "pf"},
    Quantity.TEMPERATURE: {"°c": "°C", "℃": "°C", "c": "°C", "degc": "°C", "deg c": "°C", "celsius": "°C"},
    Quantity.STATE: {},
}
_USUAL = {
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.POWER_FACTOR: "pf",
    Quantity.TEMPERATURE: "°C",
    Quantity.STATE: "1",
}
# Weather and states stand beside readings as often as they are some: their bare names tell too little.
_SHY = frozenset({Quantity.TEMPERATURE, Quantity.STATE})
_NOISE = r"rms|avg|average|mean|measured|instantaneous|actual|value|grid|mains|line"
_PART = r"min|max|minimum|maximum|battery|dc|ac|pv|inverter|indoor|outdoor|[1-9]"
_PHASE = r"(?:phase|ph)? ?l ?[123](?: ?n)?|(?:phase|ph) ?[abc123]"
_PHASE_OF = {"a": "L1", "b": "L2", "c": "L3"}


def _pattern(quantity: Quantity) -> re.Pattern[str]:
    units = "|".join(sorted(_UNITS[quantity], key=len, reverse=True)) or r"(?!)"
    return re.compile(
        rf"(?:(?:{_NOISE}) )*(?:(?P<before>{_PART}) |(?P<phase_before>{_PHASE}) )?"
        rf"(?:{_WORDS[quantity]})(?: ?(?P<phase>{_PHASE})(?![^ ]))?(?: (?P<part>{_PART}))?(?: (?:{_NOISE}))*(?: in)?"
        rf"(?: (?P<unit>{units}))?"
    )


_PATTERNS = tuple((quantity, _pattern(quantity)) for quantity in _WORDS)
# Units of what is no electric energy or power, or is another measure of it, that we do not count.
_OTHER_UNITS = r"mj|gj|kj|joules?|therms?|k?btu|mmbtu|ccf|mcf|gal|gallons?|lit(?:er|re)s?|k?va|mva|k?ah"
# What is measured, but by none of our reading types, or by one of another name: never taken for energy.
_STRANGE = re.compile(
    r"\b(volt\w*|\w*spannung|amp(?:s|ere\w*|erage)|freq\w*|\w*frequenz|hz|hertz|power ?factor|cos ?phi"
    r"|pf|thd|harmonics?"
    r"|humidity|pressure|temp\w*|wind ?(?:speed|bearing|deg|direction|gust)\w*|visibility|clouds?|dew ?point|irradiance"
    r"|radiation|precip\w*|rain\w*|snow\w*|lux|illuminance|luminosity|noise|soc|rssi|snr|occupancy|speed|altitude"
    r"|latitude|longitude|angle|volume"
    rf"|{_OTHER_UNITS}|psi|k?pa|hpa|ppm|rpm"
    r"|percent|apparent power|scheinleistung|°f|degf|fahrenheit|kelvin)\b|[%℉]| currents?(?: a)?$"
)
# Whoever says this means energy or power all the same: `low_voltage_consumption`, `usage_percentile`.
_METERED = re.compile(r"\b(energy|usage|consumption|consumed|verbrauch|demand|load|generation|production)\b")
_UNIT_WORD = re.compile(
    rf"\b({_OTHER_UNITS}|percent)\b|%"
    r"| (?:l|j|kg|k?cal)$"
)

# Power without a unit: how fast energy is used, never how much of it.
_WAY = r"import(?:ed)?|export(?:ed)?|delivered|received|injected|feed ?in|from grid|to grid|forward|reverse"
_POWER = re.compile(
    r"(?:(?:total|global|net|active|real|current|instantaneous|actual|avg|average|mean|max|min|peak|grid|mains|house|home|pv"
    rf"|solar|battery|inverter|wallbox|heat pump|load|consumption|generation|production|l[123]|{_WAY}) )*"
    rf"(?:(?P<reactive>reactive (?:(?:{_WAY}) )?power|blindleistung)|power|(?:wirk|bezugs|einspeise|netz)?leistung"
    r"|puissance|potencia|potenza|功率)"
    rf"(?: (?:total|avg|average|mean|max|min|l[123]|{_WAY}))*"
)


@dataclass(frozen=True, slots=True)
class Sensor:
    """What the name of a column tells of its samples. `sure`: it is a series beside others, whatever they are."""

    quantity: Quantity
    unit: str
    channel: str
    sure: bool


@lru_cache(maxsize=4096)
def sensor_in(plain: str) -> Sensor | None:
    """Return the sensor that a simplified name tells, None where it is not wholly one: `voltage l1`, `current a`."""
    for quantity, pattern in _PATTERNS:
        found = pattern.fullmatch(plain)
        if found is not None:
            unit = found["unit"]
            named = unit or quantity not in _SHY
            phase, part = found["phase"] or found["phase_before"], found["before"] or found["part"]
            channel = "_".join(filter(None, (_phase(phase or ""), part)))
            return Sensor(quantity, _UNITS[quantity][unit] if unit else _USUAL[quantity], channel, bool(named))
    return None


def _phase(text: str) -> str:
    last = text.removesuffix("n").rstrip()[-1:]
    return _PHASE_OF.get(last, f"L{last}") if last else ""


def is_strange(plain: str) -> bool:
    """Tell whether a simplified name speaks of a quantity or a unit that is no reading we know."""
    if _UNIT_WORD.search(plain):
        return True
    return _STRANGE.search(plain) is not None and not _METERED.search(plain)


def power_in(plain: str) -> tuple[str, ...]:
    """Return the units of power, small and large, of which a simplified name may be; empty where it is of none."""
    found = _POWER.fullmatch(plain)
    if found is None:
        return ()
    return ("var", "kvar") if found["reactive"] else ("W", "kW")
