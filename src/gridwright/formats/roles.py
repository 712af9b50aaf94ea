"""What a column's name tells: its role, its unit, its direction. The rules are tables; the first match counts."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, replace

from gridwright.domain.errors import NotFound
from gridwright.domain.reading_type import (
    FLOW_QUANTITIES,
    Accumulation,
    Flow,
    Quantity,
    ReadingType,
    from_code,
    reading_type,
)
from gridwright.domain.units import UNITS, unit_named
from gridwright.formats.ebix import FLOWS
from gridwright.formats.sensors import Sensor, is_strange, power_in, sensor_in

# Units that are long enough to be looked for in the name of a column.
_IN_NAMES = frozenset(
    {"mWh", "Wh", "kWh", "MWh", "GWh", "mW", "W", "kW", "MW", "GW", "varh", "kvarh", "var", "kvar", "VAh", "kVAh", "m³"}
)
# Units that are the whole name of a column, in the case in which they are written, and what it is called then.
_ALONE = {"V": "volts v", "kV": "volts kv", "A": "amps a", "mA": "amps ma", "°C": "temp °c", "℃": "temp °c"}
_SURE_ALONE = _ALONE.keys() - {"A"}  # a column may be called A because it is the first
_BESIDE = frozenset({"A", "W", "var"})
OWN_SLASHES = 4  # in the code of a reading type
ROLES = ("point", "time", "end", "date", "clock", "value", "quality", "unit", "register", "multiplier", "dials")

# A column that measures something else or was never measured, whatever unit its name ends with.
_FOREIGN = re.compile(
    r"\b(prices?|pricing|cost|tariff|forecast|predict\w*|temp\w*|per kwh|eur|usd|gbp|interpolated"
    r"|co2|carbon|kgco2\w*|humidity|pressure|visibility|wind ?(?:speed|bearing|deg|direction|gust)\w*"
    r"|clouds?|radiation|irradiance|precip\w*|rain\w*|snow\w*|ozone|uv ?index|dew ?point|exogenous|index level \d+"
    r"|cleaned|imputed)\b"
)
_POINT_TYPE = re.compile(r"metering ?point type|type of metering ?point|m(?:å|aa)lepunkts?type")
# A column whose whole name, simplified, is one of these words or patterns plays the role.
_NAMES = {
    "multiplier": r"(meter )?multiplier|ct (ratio|factor)|transformer (ratio|factor)|wandlerfaktor",
    "dials": r"(meter )?dials|(no|number) of dials",
    "quality": r"(.* )?(quality|quality flag|flag|flags|status|actual estimated|estimated|est|qualitaet|estado)",
    "unit": r"unit|units|uom|unit of measure|einheit|unite|unidad|单位",
    "register": (
        r"register|register id|reading type|channel|channel id|obis|obis code|flow|direction|suffix|nmi suffix"
        rf"|{_POINT_TYPE.pattern}"
    ),
    "point": (
        r"lclid|usage point( id)?|usagepoint|point|point id|(smart )?meter( ?(id|no|number|code|serial|point))?|meterid"
        r"|customer( ?(id|no|number))?|nmi|mpan|mprn|mpxn|esi id|esiid|ean( code)?|pod|cups|pdl|prm|zaehlpunkt"
        r"|metering ?point( id)?|m(?:å|aa)lepunkt\w*( ?id)?|zählpunkt\w*|z(?:ae|ä)hler(?!st(?:and|änd|aend))\w*"
        r"|malo|melo|house ?hold( ?id)?|house( ?id)?|home( ?id)?|site( ?id)?|id|ba"
        r"|kunde\w*|client( ?(id|no|number))?|abnehmer\w*"
        r"|account( ?id)?|service point( id)?|device( ?id)?|serial( number)?|户号|户名|用户|客户|用户编号|电表号|表号"
    ),
    "end": (
        r"end|to|bis|fin|hasta|(.* )?end ?(time|date|datetime|timestamp|date time)|interval end( .*)?"
        r"|period end( .*)?|(usage )?end( .*)?|hour ending|ende"
    ),
    "date": r"(.* )?(read|reading|usage|interval|local)? ?(date|day)|datum|fecha|data|jour|日期",
    "clock": (
        r"hour|hr|he|uhrzeit|heure|hora|period|settlement period|sp|hh|half ?hour|clock|hour of day|hour no"
        r"|interval( no| number)?|时段"
    ),
    "time": (
        r"tstp|ts|t|(.* )?date ?time( .*)?|(.* )?time ?stamp( .*)?|(.* )?time"
        r"|(.* )?start ?(time|date|datetime|timestamp)?( .*)?|from|von|zeit\w*|horodat\w*|fechahora|fecha hora"
        r"|interval start.*|period start.*|moment|instant|read at|at|时间|(start|hour start).*"
    ),
}
_RULES = tuple((role, re.compile(rf"^(?:{names})$")) for role, names in _NAMES.items())
# Words for a counter that runs on: what is called so is a register, unless it falls.
_STANDS = (
    r"(?:zaehler|zähler)?(?:stand|stände|staende)|meterstand\w*|tellerstand\w*|(?:maaler|måler)stand\w*"
    r"|m[aä]tarst[aä]llning\w*|ablesung|ablesewert|aflæsning|avläsning|avlesning|lecturas?|lettur[ae]|odczyt|index"
    r"|cumulative|odometer|totali[sz]er"
)
_VALUE = re.compile(
    r"\b(value|reading|readings|usage|consumption|consumed|energy|import|imported|export|exported|delivered|received|generation"
    r"|generated|production|demand|load|power|verbrauch|bezug|einspeisung|lieferung|wert"
    r"|conso\w*|consumo|consum|valeur|valor|supply|solar|pv|active|kwh|wh|mwh|kw|mw"
    rf"|[12] 8 0|{_STANDS})\b|电量|用电|电能|示数|抄见|表底"
)
_CUMULATIVE = re.compile(
    rf"\b(?:{_STANDS}|register reading|meter reading|total (?:im|ex)port|cumul\w*|acumulad\w*|accumulat\w*|kumul\w*"
    r"|lifetime|counter)\b|示数|抄见|表底"
)
# These are registers too, but for those who name the use of an interval after the register that counted it.
_REGISTER = re.compile(r"\b(?:register|[12] 8 0)\b")
# Words that mean a register as often as what was used between two rows; and words that mean the latter.
_PERHAPS_CUMULATIVE = re.compile(r"\b(readings?|total|totals|summe|gesamt)\b")
_OF_INTERVAL = re.compile(
    r"\b(usage|used|consumption|consumed|verbrauch\w*|conso\w*|consumo|interval|lastgang|load|demand|delta|difference"
    r"|per (hour|day)|hourly|daily|half ?hour\w*|hh|quarter\w*|\d+ ?min)\b"
)
_RECEIVED = re.compile(
    r"\b(export|exported|einspeisung|einspeiseleistung|received|feed ?in|net generation|injection|injected|to grid"
    r"|backflow|reverse|2 8 0)\b|上网"
)
_DELIVERED = re.compile(
    r"\b(import|imported|delivered|bezug|bezugsleistung|general supply|grid import|from grid|usage|consumption|forward"
    r"|1 8 0)\b"
)
# What was drawn less what was fed in; net metering is a tariff.
_NET = re.compile(r"\b(net(?! meter)|netto|netted|saldo|saldiert)\b|净")
_GENERATED = re.compile(r"\b(generation|generated|production|solar|pv)\b")
_PART = re.compile(
    r"\b(dishwasher|freezer|refrigerator|fridge|washing machine|dryer|heat pump|ev"
    r"|wallbox|boiler|oven|controlled load|other|battery)\b"
)
_SIMPLER = str.maketrans(dict.fromkeys("_-./()[]:,;#*", " "))

# CamelCase, with a unit behind it too: `MeterPoint`, `PowerW`, `VoltageV`.
_HUMPS = re.compile(
    r"(?<=[a-z]{2})(?=[A-Z][a-z])(?!(?<=[km])Wh$)|(?<=[a-z]{4})(?=[kmM]Wh?$)|(?<=[a-z]{4})(?<![km])(?=(?:Wh?|V|A)$)"
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a value column's name tells; None where it tells nothing. `part`: an appliance or a part of the usage.

    `cumulative`: it says that it is a register; `perhaps`: it may be one, None where it says that it is none.
    """

    unit: str | None
    flow: Flow | None
    generated: bool
    part: bool
    cumulative: bool
    perhaps: bool | None


def simple(name: str) -> str:
    """Return a column name in lower case, with single blanks instead of punctuation and CamelCase."""
    return " ".join(_words(name)).lower()


def _words(name: str) -> list[str]:
    spaced = _HUMPS.sub(" ", name.strip().strip("\ufeff\"'"))
    return spaced.translate(_SIMPLER).split()


def role_of(name: str, names: Collection[str] = ()) -> str:
    """Return the role a column's name tells, empty when it tells none; beside volts among `names` A is amperes."""
    plain = simple(name)
    if name.strip() in _BESIDE and any(each.strip() in _SURE_ALONE for each in names):
        return "value"
    for role, pattern in _RULES:
        if pattern.match(plain):
            return role
    sensor = sensor_in(plain)
    if sensor is not None or name.strip() in _SURE_ALONE:
        return "value" if sensor is None or sensor.sure else ""
    known = _VALUE.search(plain) or _PART.search(plain) or power_in(plain)
    return "value" if known and not _FOREIGN.search(plain) and not _is_strange(name, plain) else ""


def sensor_of(name: str) -> Sensor | None:
    """Return the sensor whose samples a column holds by its name, None where it tells none."""
    return sensor_in(_ALONE.get(name.strip()) or simple(name))


def power_of(name: str) -> tuple[str, ...]:
    """Return the units, small and large, of a column that is called power without one; empty for any other."""
    return power_in(simple(name))


def is_other_quantity(name: str) -> bool:
    """Tell whether a column's name says that it holds neither energy nor power, or those in a unit we do not read."""
    return _is_strange(name, simple(name))


def _is_strange(name: str, plain: str) -> bool:
    return unit_of(name) is None and is_strange(plain)


def is_foreign(name: str) -> bool:
    """Tell whether a column's name says that it holds prices, weather, samples, forecasts or a number of the row."""
    plain = simple(name)
    if _FOREIGN.search(plain) is not None or plain in {"", "index", "row", "unnamed 0"}:
        return True
    return sensor_in(plain) is not None or _is_strange(name, plain)


def unit_of(text: str) -> str | None:
    """Find a unit in a column name such as `energy(kWh/hh)` or `general_supply_kwh`, or in a unit column."""
    units = map(unit_named, reversed(_words(text.replace("/", " "))))
    return next((unit for unit in units if unit in _IN_NAMES), None)


def meaning_of(name: str) -> Meaning:
    """Return what the name of a value column tells about its unit, direction and accumulation."""
    plain = simple(name)
    generated, part = bool(_GENERATED.search(plain)), bool(_PART.search(plain))
    perhaps, of_interval = bool(_PERHAPS_CUMULATIVE.search(plain)), bool(_OF_INTERVAL.search(plain))
    return Meaning(
        unit_of(name),
        _flow_in(plain, whole=not (generated or part)),
        generated=generated,
        part=part,
        cumulative=bool(_CUMULATIVE.search(plain) or (_REGISTER.search(plain) and not of_interval)),
        perhaps=None if of_interval and not perhaps else perhaps and not of_interval,
    )


def _flow_in(plain: str, *, whole: bool) -> Flow | None:
    """Return the direction a simplified name tells; only the whole usage of a point is net of what is fed in."""
    if _RECEIVED.search(plain):
        return Flow.RECEIVED
    if whole and _NET.search(plain):
        return Flow.NET
    return Flow.DELIVERED if _DELIVERED.search(plain) else None


def known_unit(unit: str) -> bool:
    """Tell whether a unit is one we can read."""
    return unit_named(unit) is not None


def quantity_of(unit: str) -> Quantity:
    """Return what a known unit measures."""
    return _known(unit)[0]


def _known(unit: str) -> tuple[Quantity, int]:
    return UNITS[unit_named(unit) or unit]


def series_type(unit: str, flow: Flow, *, cumulative: bool = False, channel: str = "") -> tuple[ReadingType, int]:
    """Return the reading type of a column in `unit`, and the power of ten that turns it into base units."""
    quantity, shift = _known(unit)
    if quantity in {Quantity.POWER, Quantity.REACTIVE_POWER}:
        # What is fed in by its name is no use of any; other power has its sign.
        told = Flow.RECEIVED if flow is Flow.RECEIVED else Flow.NET
        return ReadingType(quantity, told, Accumulation.INSTANTANEOUS, channel=channel), shift
    if quantity not in FLOW_QUANTITIES:
        return replace(reading_type(quantity), channel=channel), shift
    accumulation = Accumulation.CUMULATIVE if cumulative else Accumulation.DELTA
    if quantity is Quantity.VOLUME:
        # What flows through pipes has no direction unless it comes back, as in records over HTTP.
        told = Flow.RECEIVED if flow is Flow.RECEIVED else Flow.NONE
        return replace(reading_type(quantity, told), accumulation=accumulation, channel=channel), shift
    return ReadingType(quantity, flow, accumulation, channel=channel), shift


# What a quality column says → NEM12 letter (AEMO MDFF 4.3: A actual, E and S estimated, F final, N no data).
_QUALITY_WORDS = {
    "A": "a actual act measured m valid v ok good r real true_reading normal verified 1",
    "S": "e est estimate estimated s substituted substitute interpolated i",
    "F": "f final",
    "N": "n null missing none invalid bad x",
}
QUALITY_LETTER = {word: letter for letter, words in _QUALITY_WORDS.items() for word in words.split()}
# In a column called "estimated", a yes means an estimate.
ESTIMATED_LETTER = {"0": "A", "1": "S", "false": "A", "true": "S", "no": "A", "yes": "S", "y": "S"}
_REGISTER_FLOWS = (
    (re.compile(r"^(e\d?|.*1[.:]8[.:]\d.*|import|delivered|consumption|forward|\+a|a\+|bezug|e17|1)$"), Flow.DELIVERED),
    (
        re.compile(r"^(b\d?|.*2[.:]8[.:]\d.*|export|received|generation|reverse|-a|a-|einspeisung|e18|19)$"),
        Flow.RECEIVED,
    ),
    (re.compile(r"^(n\d|.*16[.:]8[.:]\d.*|net|netto|netted|saldo)$"), Flow.NET),
)


def quality_letter(text: str, column: str) -> str | None:
    """Return the NEM12 letter of a quality word, None for an unknown one; an empty one tells nothing (``""``)."""
    word = text.strip().lower()
    if not word:
        return ""
    if simple(column) in {"estimated", "est"} and word in ESTIMATED_LETTER:
        return ESTIMATED_LETTER[word]
    # Methods may follow the letter: S14, F16.
    return QUALITY_LETTER.get(word) or QUALITY_LETTER.get(word.rstrip("0123456789"))


def flow_of_register(code: str, column: str = "") -> Flow | None:
    """Return the direction a code tells: OBIS 1.8.0, NEM12 E1 and B1, ebIX E17 and E18, or a plain word.

    In a column of types of metering points it is one of ebIX, as in Danish XML: an exchange (E20) has none.
    """
    word = code.strip().lower()
    if _POINT_TYPE.fullmatch(simple(column)) and word.upper() in FLOWS:
        return FLOWS[word.upper()]
    return next((flow for pattern, flow in _REGISTER_FLOWS if pattern.match(word)), None)


def own_type(code: str) -> ReadingType | None:
    """Return the reading type that Gridwright's own code tells, such as `electricity/net/energy/delta/0`."""
    if code.count("/") < OWN_SLASHES:
        return None
    try:
        return from_code(code)
    except NotFound:
        return None
