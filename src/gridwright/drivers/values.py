"""From a device's decimal text to exact counts of a reading type; nothing is rounded, nothing is believed blindly."""

from __future__ import annotations

import re
from fractions import Fraction

from gridwright.domain.errors import DeviceNonsense
from gridwright.domain.reading_type import LARGEST_EXACT, Quantity
from gridwright.drivers.profile import Measures, ValueSpec

MOST_DECIMALS = 9
NUMBER = re.compile(r"([-+])?([0-9]{1,18})(?:[.,]([0-9]{0,9}))?")
NO_VALUE = re.compile(r"[-*?. _]*")  # how meters write "none": dashes, stars, nothing
UNITS = {
    "Wh": (Quantity.ENERGY, 0),
    "kWh": (Quantity.ENERGY, 3),
    "MWh": (Quantity.ENERGY, 6),
    "W": (Quantity.POWER, 0),
    "kW": (Quantity.POWER, 3),
    "MW": (Quantity.POWER, 6),
    "varh": (Quantity.REACTIVE_ENERGY, 0),
    "kvarh": (Quantity.REACTIVE_ENERGY, 3),
    "V": (Quantity.VOLTAGE, 0),
    "kV": (Quantity.VOLTAGE, 3),
    "A": (Quantity.CURRENT, 0),
    "Hz": (Quantity.FREQUENCY, 0),
    "pf": (Quantity.POWER_FACTOR, 0),
    "m3": (Quantity.VOLUME, 0),
}
BY_LOWER = {unit.lower(): known for unit, known in UNITS.items() if unit not in ("MWh", "MW")}
SIGNED = (Quantity.POWER, Quantity.REACTIVE_POWER, Quantity.POWER_FACTOR, Quantity.TEMPERATURE)


class Scale:
    """What one number of a device is worth in counts, exactly; made once for a column, used for each of its rows."""

    def __init__(self, spec: ValueSpec, unit: str, *, interval_s: int = 3600) -> None:
        self._spec = spec
        self._unit = unit
        power = spec.measures is Measures.MEAN_POWER
        known = UNITS.get(unit) or BY_LOWER.get(unit.lower())
        wanted = Quantity.POWER if power else spec.reading_type.quantity
        if known is None or known[0] is not wanted:
            raise DeviceNonsense(
                f"{spec.address} is told in {unit or 'no unit'!r}, which is no unit of {wanted}",
                remedy="check the address in the driver profile",
            )
        hours = Fraction(interval_s, 3600) if power else Fraction(1)
        worth = Fraction(10) ** (known[1] - spec.reading_type.exponent) * hours
        self._worths = [worth / 10**decimals for decimals in range(MOST_DECIMALS + 1)]

    def count(self, text: str) -> int | None:
        """Return whole counts, None where the device says that it has no value; DeviceNonsense for what cannot be."""
        found = NUMBER.fullmatch(text.strip())
        if found is None:
            if NO_VALUE.fullmatch(text):
                return None
            raise self._nonsense(text, "is no number")
        whole, part = found[2], found[3] or ""
        if len(whole.lstrip("0")) > self._spec.digits:
            raise self._nonsense(text, f"has more than {self._spec.digits} digits before the point")
        worth = self._worths[len(part)]
        counts: int = int(whole + part) * worth.numerator // worth.denominator
        rest = int(whole + part) * worth.numerator % worth.denominator
        if rest:
            kind = self._spec.reading_type
            raise self._nonsense(text, f"is finer than 10^{kind.exponent} {kind.unit}; give the profile a finer type")
        if found[1] == "-" and counts and self._spec.reading_type.quantity not in SIGNED:
            raise self._nonsense(text, "is negative")
        if counts >= LARGEST_EXACT:
            raise self._nonsense(text, "is too large to be true")
        return -counts if found[1] == "-" else counts

    def _nonsense(self, text: str, what: str) -> DeviceNonsense:
        return DeviceNonsense(f"{self._spec.address} tells {text[:40]!r} {self._unit}, which {what}")


def default_unit(spec: ValueSpec) -> str:
    """Return the unit meant where the device tells none: the kilo unit of energy and power, else the base unit."""
    if spec.measures is Measures.MEAN_POWER:
        return "kW"
    return {Quantity.ENERGY: "kWh", Quantity.REACTIVE_ENERGY: "kvarh", Quantity.POWER: "kW", Quantity.VOLUME: "m3"}.get(
        spec.reading_type.quantity, spec.reading_type.unit
    )
