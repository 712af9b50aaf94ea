"""From a sample of a table to its layout: date order, clock, unit, kind, interval and resolution, with evidence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import AmbiguousInput, GridwrightError, InputError, UnreadableFile, UsageError
from gridwright.domain.interval import DAY_S, zone_of
from gridwright.domain.reading_type import FLOW_QUANTITIES, Accumulation, Flow, Quantity, ReadingType
from gridwright.domain.units import WRITTEN
from gridwright.domain.verdict import Evidence
from gridwright.formats import roles
from gridwright.formats.columns import Assignment
from gridwright.formats.counts import EXPONENTS, resolution_for
from gridwright.formats.directions import POWERS, beside, directions, net_if_fed_in_below_zero, net_if_signed
from gridwright.formats.far_dates import REMEDY, TOO_EARLY, TOO_LATE
from gridwright.formats.few_rows import is_told, stored_length
from gridwright.formats.instants import as_binary, row_stamps, stamps_of, to_instants
from gridwright.formats.layout import DAY_COLUMNS, Batch, Layout, ValueColumn
from gridwright.formats.numerals import Numerals, read_numbers
from gridwright.formats.sampled import Sampled, is_rising, steps_of
from gridwright.formats.sensors import Sensor
from gridwright.formats.source import ReadOptions
from gridwright.formats.stamps import ORDERS, Stamps, reads_two_ways
from gridwright.formats.stretches import usual_lengths
from gridwright.formats.table import Labels, labels, numbers_of
from gridwright.formats.zones import Clock, zone_from_changes, zone_from_offsets

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# What names the interval in a column of a wide table, beside what it measures: `voltage 00:15`.
_SLOT_TIME = re.compile(r"\d{1,2}[:.hH]\d{2}|[-–]|\d+$")
KINDS = ("interval", "cumulative", "power")
# Whole numbers above this many per hour, without a unit, are Wh: nobody's kWh are so many and so round.
WATT_HOURS = 50.0
LAMP_W = 50.0


def draft_layout(found: Assignment, names: Sequence[str], options: ReadOptions) -> Layout:
    """Return a layout that knows its columns and nothing else; impossible options are UsageError."""
    check_options(options)
    single = found.single
    return Layout(
        names=tuple(names),
        slots=found.days.slots if found.days else (),
        elapsed=found.days.elapsed if found.days else False,
        interval_s=found.days.interval_s if found.days else 0,
        values=tuple(
            ValueColumn(index, names[index], ReadingType(), 0)
            for index in (found.values or ([found.days.slots[0].index] if found.days else []))
        ),
        point=None if options.point and single.get("point") is None else single.get("point"),
        time=single.get("time"),
        end=single.get("end"),
        date=single.get("date"),
        clock_column=single.get("clock"),
        quality=single.get("quality"),
        unit=single.get("unit"),
        register=single.get("register"),
        multiplier=single.get("multiplier"),
        dials=single.get("dials"),
        default_point=options.point,
    )


def check_options(options: ReadOptions) -> None:
    """Refuse options of impossible value before any work is done."""
    for name, value, allowed in (
        ("kind", options.kind, KINDS),
        ("stamp", options.stamp, ("start", "end")),
        ("date order", options.date_order, ORDERS),
    ):
        if value and value not in allowed:
            raise UsageError(f"{value!r} is no {name}", remedy=f"use one of {', '.join(allowed)}")
    if options.unit and not roles.known_unit(options.unit):
        raise UsageError(f"{options.unit!r} is no unit we read", remedy=f"use one of {WRITTEN}")
    if options.interval_minutes is not None and not 0 < options.interval_minutes <= 366 * 24 * 60:
        raise UsageError(f"an interval of {options.interval_minutes} minutes is impossible", remedy="give 1 or more")
    for zone in filter(None, (options.zone, options.default_zone)):
        try:
            zone_of(zone)
        except InputError as error:
            raise UsageError(error.message, remedy=error.remedy) from error


def detect_layout(draft: Layout, sample: Batch, options: ReadOptions) -> tuple[Layout, list[Evidence]]:
    """Complete a draft from a sample of rows."""
    evidence: list[Evidence] = []
    layout = _with_clock_numbers(draft, sample, options, evidence)
    layout = _with_order(layout, sample, options, evidence)
    sampled = _sampled(layout, sample)
    layout = _with_zone(layout, sampled, options, evidence)
    layout = _with_interval(layout, sample, sampled, options, evidence)
    layout = _with_values(layout, sample, sampled, options, evidence)
    return _with_stamp(layout, sampled, options, evidence), evidence


def point_evidence(layout: Layout, options: ReadOptions) -> list[Evidence]:
    """Say how the usage point is named where no column does."""
    if layout.point is not None:
        return []
    because = "given" if options.point else "no column tells it: the name of the file"
    return [Evidence("usage point", layout.default_point, because, "--point")]


@contextmanager
def placed(file_name: str) -> Iterator[None]:
    """Give errors that name no place the file's."""
    try:
        yield
    except GridwrightError as error:
        error.where = error.where or file_name
        raise


def _far(stamps: Stamps) -> str:
    early, late = bool((stamps.wall[stamps.beyond] < 0).any()), bool((stamps.wall[stamps.beyond] >= 0).any())
    return " or ".join([TOO_EARLY] * early + [TOO_LATE] * late)


def _sampled(layout: Layout, sample: Batch) -> Sampled:
    stamps = row_stamps(sample, layout)
    if not stamps.good.any():
        column = layout.time if layout.time is not None else layout.date
        if stamps.beyond.any():
            raise UnreadableFile(
                f"every date of column {layout.names[column or 0]!r} {_far(stamps)}",
                remedy=f"{REMEDY}, or name another column with --column time=NAME",
            )
        raise UnreadableFile(
            f"no date or time of column {layout.names[column or 0]!r} can be read",
            remedy="write dates like 2025-03-01 00:30, or name another column with --column time=NAME",
        )
    if layout.point is None:
        names = Labels((layout.default_point,), np.zeros(sample.rows, np.int32))
    else:
        names = labels(sample.columns[layout.point])
    register = names.code.astype(np.int64)
    if layout.register is not None:
        codes = labels(sample.columns[layout.register])
        register = register * len(codes.words) + codes.code
    return Sampled(stamps, names.code, names, register)


def _with_clock_numbers(layout: Layout, sample: Batch, options: ReadOptions, evidence: list[Evidence]) -> Layout:
    """Tell a clock column of interval numbers (hours 1 to 24, periods 1 to 48) from times of day."""
    if layout.clock_column is None:
        return layout
    values, bad = read_numbers(as_binary(sample.columns[layout.clock_column]), Numerals())
    numbers = values[~bad & np.isfinite(values)]
    if numbers.size * 2 < values.size or np.any(numbers != np.rint(numbers)) or numbers.max() > max(DAY_COLUMNS) + 12:
        return layout
    first, last = int(min(numbers.min(), 1)), int(numbers.max())
    count = last - first + 1
    size = next((slots for slots in DAY_COLUMNS if count <= slots + (slots // 24)), max(DAY_COLUMNS))
    unit_s = (options.interval_minutes or DAY_COLUMNS[size]) * 60
    because = f"numbers {first} to {last} in column {layout.names[layout.clock_column]!r}"
    evidence.append(Evidence("clock numbers", f"{unit_s // 60} minutes each, from {first}", because, "--interval"))
    return replace(layout, clock_unit_s=unit_s, clock_first=first)


def _with_order(layout: Layout, sample: Batch, options: ReadOptions, evidence: list[Evidence]) -> Layout:
    """Decide between day-month and month-day by impossible dates, then by the order of the stamps."""
    import pyarrow.types as pt

    column = sample.columns[layout.time if layout.time is not None else layout.date or 0]
    if options.date_order:
        evidence.append(Evidence("date order", options.date_order, "given", "--date-order"))
        return replace(layout, order=options.date_order)
    if not pt.is_binary(column.type) or not reads_two_ways(column):
        evidence.append(Evidence("date order", "ymd", "no date can be read two ways", "--date-order"))
        return layout
    readings = {order: stamps_of(column, order) for order in ("dmy", "mdy")}
    good = {order: int(stamps.good.sum()) for order, stamps in readings.items()}
    if good["dmy"] != good["mdy"]:
        order = max(good, key=lambda name: good[name])
        other = "mdy" if order == "dmy" else "dmy"
        because = f"{good[order] - good[other]} dates of the sample are impossible as {other}"
    else:
        order, because = _order_by_steps(readings)
    evidence.append(Evidence("date order", order, because, "--date-order"))
    return replace(layout, order=order)


def _order_by_steps(readings: dict[str, Stamps]) -> tuple[str, str]:
    """Choose the order in which one day follows the other, unless months following months are as likely."""
    steps = {order: _day_steps(stamps) for order, stamps in readings.items()}
    daily = {order: _share(step == 1) for order, step in steps.items()}
    best, other = sorted(daily, key=lambda name: -daily[name])
    stamps = readings[best]
    within_days = bool(np.any(stamps.wall[stamps.good] % DAY_S))
    monthly = _share((steps[other] >= 28) & (steps[other] <= 31))  # noqa: PLR2004 - days of a month
    if daily[best] < 0.8 or daily[other] > 0.5 or (monthly > 0.8 and not within_days):  # noqa: PLR2004 - nearly all, clearly fewer
        raise AmbiguousInput(
            "dates may be day-month or month-day: no date of the file decides",
            remedy="say which with --date-order dmy or --date-order mdy",
        )
    return best, f"day follows day in {daily[best]:.0%} of steps then, in {daily[other]:.0%} as {other}"


def _day_steps(stamps: Stamps) -> Ints:
    """Return the days between neighbouring rows of different days."""
    steps = np.abs(np.diff(stamps.wall[stamps.good] // DAY_S))
    return np.asarray(steps[steps > 0])


def _share(mask: npt.NDArray[np.bool_]) -> float:
    return float(mask.mean()) if mask.size else 0.0


def _with_zone(layout: Layout, sampled: Sampled, options: ReadOptions, evidence: list[Evidence]) -> Layout:
    stamps = sampled.stamps
    aware = stamps.good & stamps.has_offset
    if options.zone:
        clock, told = Clock(options.zone), Evidence("zone", options.zone, "given", "--zone")
    elif aware.sum() * 2 > stamps.good.sum():
        at = stamps.wall[aware] - stamps.offset[aware]
        clock, told = zone_from_offsets(at, stamps.offset[aware], options.default_zone)
    elif layout.slots:
        clock = Clock(options.default_zone)
        told = Evidence("zone", options.default_zone, "assumed: a row a day shows no clock changes", "--zone")
    else:
        clock, told = zone_from_changes(stamps.wall[stamps.good], options.default_zone)
    evidence.append(told)
    return replace(layout, clock=clock)


def _steps(sampled: Sampled, at: Ints) -> Ints:
    """Return the seconds between readings of the same register that follow each other in time."""
    order = np.lexsort((at, sampled.register))
    order = order[sampled.stamps.good[order]]
    steps = np.diff(at[order])
    same = np.diff(sampled.register[order]) == 0
    return np.asarray(steps[same & (steps > 0)])


def _with_interval(
    layout: Layout, sample: Batch, sampled: Sampled, options: ReadOptions, evidence: list[Evidence]
) -> Layout:
    if options.interval_minutes is not None:
        evidence.append(Evidence("interval", f"{options.interval_minutes} min", "given", "--interval"))
        return replace(layout, interval_s=options.interval_minutes * 60)
    if layout.slots:
        because = f"{len(layout.slots)} columns a day"
        evidence.append(Evidence("interval", f"{layout.interval_s // 60} min", because, "--interval"))
        return layout
    if layout.end is not None:
        evidence.append(Evidence("interval", "as each row says", "rows have a start and an end", "--interval"))
        return layout
    instants = to_instants(sampled.stamps, sampled.register.astype(np.int32), layout)
    steps = _steps(sampled, instants.at)
    named = not options.kind and all(roles.meaning_of(column.name).cumulative for column in layout.values)
    stored = 0 if named else _stored_length(layout, sample, sampled, options, evidence)
    if stored or (not steps.size and (named or options.kind == "cumulative")):
        return replace(layout, interval_s=stored)
    if not steps.size:
        raise AmbiguousInput(
            "one reading per usage point does not tell the length of its interval",
            remedy="say it with --interval MINUTES, or --kind cumulative for register readings",
        )
    lengths, counts = np.unique(steps, return_counts=True)
    length = _usual(steps)
    share = counts.max() / counts.sum()
    if length > DAY_S:
        days = f"{lengths.min() / DAY_S:.3g} to {lengths.max() / DAY_S:.3g} days"
        evidence.append(
            Evidence("interval", days, "rows stand so far apart; each tells of its own period", "--interval")
        )
        return replace(layout, interval_s=length, periods=True)
    others, word = _other_lengths(steps, length)
    because = f"{share:.1%} of steps between stamps{word}"
    evidence.append(Evidence("interval", _length(length), because, "--interval"))
    return replace(layout, interval_s=length, lengths=(length, *others) if others else ())


def _usual(steps: Ints) -> int:
    """Return the step that most rows stand apart, 0 where there is none."""
    lengths, counts = np.unique(steps, return_counts=True)
    return int(lengths[counts.argmax()]) if steps.size else 0


def _stored_length(
    layout: Layout, sample: Batch, sampled: Sampled, options: ReadOptions, evidence: list[Evidence]
) -> int:
    """Return the length of what is stored where few rows tell another one, or none; 0 where the rows decide."""
    if options.lengths_of is None or options.kind == "cumulative":
        return 0
    at = to_instants(sampled.stamps, sampled.register.astype(np.int32), layout).at
    length = _usual(_steps(sampled, at))
    if length and is_told(sampled, at, length):
        return 0
    measured = frozenset(_quantity(layout, sample, column, options) for column in layout.values)
    stored = stored_length(sampled, at, length, measured, options.lengths_of)
    if stored:
        steps = f"few rows, most of them {_length(length)} apart, do not tell it" if length else "one row does not"
        because = f"the readings of its usage points are stored so; {steps}"
        evidence.append(Evidence("interval", _length(stored), because, "--interval"))
    return stored


def _quantity(layout: Layout, sample: Batch, column: ValueColumn, options: ReadOptions) -> Quantity:
    """Return what a column measures, as far as names and units tell it; energy else."""
    sensor = _sensor(layout, sample, column, options)
    unit = _told_unit(layout, sample, column, options, sensor)[0].split(", ")[0]
    if not unit and (options.kind == "power" or roles.power_of(column.name)):
        unit = next(iter(roles.power_of(column.name)), "kW")
    return roles.quantity_of(unit) if unit else Quantity.ENERGY


def _other_lengths(steps: Ints, length: int) -> tuple[tuple[int, ...], str]:
    """Return the other lengths that long runs of stamps tell, as before a meter exchange, and a word about them."""
    others = {other: run for other, run in usual_lengths(steps).items() if other != length}
    told = ", ".join(f"{run} in a row are of {_length(other)}" for other, run in sorted(others.items()))
    word = (
        f"; {told}: each stretch is read at its own length; --interval {length // 60} reads all alike" if told else ""
    )
    return tuple(others), word


def _length(seconds: int) -> str:
    return f"{seconds // 60} min" if seconds % 60 == 0 else f"{seconds} s"


def _with_stamp(layout: Layout, sampled: Sampled, options: ReadOptions, evidence: list[Evidence]) -> Layout:
    """Tell whether stamps open or close their interval."""
    registers = all(column.reading_type.accumulation is Accumulation.CUMULATIVE for column in layout.values)
    if registers:
        return replace(layout, lengths=())  # a read is of an instant
    if layout.slots or layout.end is not None or layout.periods:
        return layout
    closing, because = _closing(layout, sampled, options)
    evidence.append(Evidence("stamp", "interval end" if closing else "interval start", because, "--stamp"))
    return replace(layout, stamp_end=closing)


def _closing(layout: Layout, sampled: Sampled, options: ReadOptions) -> tuple[bool, str]:
    if options.stamp:
        return options.stamp == "end", "given"
    if layout.clock_unit_s:
        return False, "numbered intervals are placed by their number"
    column = layout.time if layout.time is not None else layout.date
    name = layout.names[column or 0]
    if roles.role_of(name) == "end":
        return True, f"its column is called {name!r}"
    if "start" in roles.simple(name).split():
        return False, f"its column is called {name!r}"
    return _closing_by_days(layout, sampled)


def _closing_by_days(layout: Layout, sampled: Sampled) -> tuple[bool, str]:
    if sampled.stamps.midnight24.any():
        return True, "a day ends with 24:00"
    first, last = _day_edges(sampled)
    if (
        layout.interval_s < DAY_S
        and first
        and np.all(np.array(first) == layout.interval_s)
        and last.count(0) * 2 > len(last)
    ):
        return True, "days run from the end of their first interval to 00:00"
    return False, "assumed: days do not end with 24:00 or 00:00"


def _day_edges(sampled: Sampled) -> tuple[list[int], list[int]]:
    """Return the times of day of the first and the last stamp of each usage point of the sample."""
    wall = np.where(sampled.stamps.good, sampled.stamps.wall, 0)
    first, last = [], []
    for code in range(min(len(sampled.names.words), 50)):
        mine = wall[(sampled.point == code) & sampled.stamps.good]
        if mine.size:
            first.append(int(mine.min() % DAY_S))
            last.append(int(mine.max() % DAY_S))
    return first, last


def _with_values(
    layout: Layout, sample: Batch, sampled: Sampled, options: ReadOptions, evidence: list[Evidence]
) -> Layout:
    """Decide the reading type, unit and resolution of each value column."""
    columns: list[ValueColumn] = []
    names = [column.name for column in layout.values]
    sensors = [_sensor(layout, sample, column, options) for column in layout.values]
    ways = directions(names, sensors, evidence)
    for column, sensor, way in zip(layout.values, sensors, ways, strict=True):
        values = _values(layout, sample, column)
        unit, told = _unit(layout, sample, column, sampled, values, options=options, sensor=sensor)
        samples = roles.quantity_of(unit) not in FLOW_QUANTITIES
        turned = net_if_fed_in_below_zero if samples else net_if_signed
        flow = way.flow if sensor else turned(way.flow, column, values, evidence)
        evidence.append(told)
        fixed = sensor is not None and len(layout.values) > 1
        cumulative = False
        if not fixed:
            cumulative = _is_cumulative(layout, sampled, column, values, options=options, unit=unit, evidence=evidence)
        kind, shift = roles.series_type(unit, flow, cumulative=cumulative, channel=way.channel)
        kind = beside(kind, way, [one.reading_type for one in columns])
        exponent, telling = resolution_for(values[np.isfinite(values)], shift, kind.exponent)
        if telling is not None:
            coarser = kind.exponent if exponent == EXPONENTS[1] else exponent + 3
            because = f"{telling:.12g} {unit} is finer than {10.0**coarser:g} {kind.unit}"
            evidence.append(Evidence(f"resolution of {column.name}", f"10^{exponent} {kind.unit}", because, ""))
        columns.append(ValueColumn(column.index, column.name, kind.finer(exponent), shift, flow, fixed))
    return replace(layout, values=tuple(columns))


def _sensor(layout: Layout, sample: Batch, column: ValueColumn, options: ReadOptions) -> Sensor | None:
    """Return the sensor a column is named after, unless a unit told for its values alone measures something else."""
    name = _SLOT_TIME.sub(" ", column.name) if layout.slots else column.name
    sensor = roles.sensor_of(name)
    if sensor is None or len(layout.values) > 1:
        return sensor
    unit = options.unit or next(iter(_units_beside(layout, sample)), "")
    return None if unit and roles.quantity_of(unit) is not sensor.quantity else sensor


def _units_beside(layout: Layout, sample: Batch) -> list[str]:
    """Return the units that a unit column names, the first one first."""
    words = labels(sample.columns[layout.unit]).words if layout.unit is not None else ()
    return [word for word in words if roles.known_unit(word)]


def _values(layout: Layout, sample: Batch, column: ValueColumn) -> Floats:
    if not layout.slots:
        return numbers_of(sample.columns[column.index], layout)[0]
    return np.column_stack([numbers_of(sample.columns[slot.index], layout)[0] for slot in layout.slots]).ravel()


def _unit(
    layout: Layout,
    sample: Batch,
    column: ValueColumn,
    sampled: Sampled,
    values: Floats,
    *,
    options: ReadOptions,
    sensor: Sensor | None,
) -> tuple[str, Evidence]:
    what = f"unit of {column.name}" if not layout.slots else "unit"
    shown, because = _told_unit(layout, sample, column, options, sensor)
    if shown:
        return shown.split(", ")[0], Evidence(what, shown, because, "--unit")
    if not layout.slots and roles.is_other_quantity(column.name):
        raise AmbiguousInput(
            f"nothing tells the unit of column {column.name!r}, whose name is of no energy we read",
            remedy=f"give it with --unit: {WRITTEN}",
        )
    if options.kind == "power":
        return "kW", Evidence(what, "kW", "assumed: power, and nothing tells the unit", "--unit")
    register = _is_register(layout, sampled, column, values, options)
    powers = () if options.kind or layout.slots or register else roles.power_of(column.name)
    if powers:
        return _power_by_size(values, powers, what)
    if register:
        steps, hours = steps_of(layout, sampled, values)
        used = (hours > 0) & (steps > 0)
        return _unit_by_size(values, steps[used] / hours[used], what)
    filled = values[np.isfinite(values) & (values > 0)]
    return _unit_by_size(filled, filled / ((layout.interval_s or DAY_S) / 3600), what)


def _told_unit(
    layout: Layout, sample: Batch, column: ValueColumn, options: ReadOptions, sensor: Sensor | None
) -> tuple[str, str]:
    """Return the unit, or several, that an option, a unit column or a name tells, and which of them; else nothing."""
    if options.unit and (sensor is None or roles.quantity_of(options.unit) is sensor.quantity):
        return options.unit, "given"
    words = [] if sensor is not None and len(layout.values) > 1 else _units_beside(layout, sample)
    if words:
        return ", ".join(words), f"column {layout.names[layout.unit or 0]!r} says so"
    names = layout.names if layout.slots else (column.name,)
    named = sensor.unit if sensor is not None else next(filter(None, map(roles.unit_of, names)), "")
    return named, f"the name {column.name!r} says so"


def _is_register(layout: Layout, sampled: Sampled, column: ValueColumn, values: Floats, options: ReadOptions) -> bool:
    """Tell whether values without a unit are those of a register: what it counts in shows in its steps."""
    told = options.kind == "cumulative"
    return told or (not (options.kind or layout.slots) and is_rising(layout, sampled, column, values)[0])


def _power_by_size(values: Floats, units: Sequence[str], what: str) -> tuple[str, Evidence]:
    """Take power for kW where nearly all of it would be less than a lamp's in W, and has a fraction."""
    size = np.abs(values[np.isfinite(values)])
    most = float(np.quantile(size, 0.95)) if size.size else 0.0
    unit = units[1] if most < LAMP_W and np.any(size != np.rint(size)) else units[0]
    return unit, Evidence(
        what, unit, f"assumed: its name is of power, and 95% of its values are below {most:.3g}", "--unit"
    )


def _unit_by_size(values: Floats, hourly: Floats, what: str) -> tuple[str, Evidence]:
    filled = values[np.isfinite(values)]
    usual = float(np.median(hourly)) if hourly.size else 0.0
    whole = bool(filled.size) and bool(np.all(filled == np.rint(filled)))
    unit = "Wh" if whole and usual >= WATT_HOURS else "kWh"
    kind = "whole numbers" if whole else "numbers with fractions"
    return unit, Evidence(what, unit, f"assumed: {kind}, {usual:.3g} per hour at the median", "--unit")


def _is_cumulative(
    layout: Layout,
    sampled: Sampled,
    column: ValueColumn,
    values: Floats,
    *,
    options: ReadOptions,
    unit: str,
    evidence: list[Evidence],
) -> bool:
    """Tell a register, which only rises, from intervals, which rise and fall."""
    power = roles.series_type(unit, Flow.DELIVERED)[0].accumulation is Accumulation.INSTANTANEOUS
    if options.kind:
        if (options.kind == "power") != power:
            raise UsageError(
                f"kind {options.kind} does not go with the unit {unit}",
                remedy="give --kind and --unit that fit together",
            )
        evidence.append(Evidence(f"kind of {column.name}", options.kind, "given", "--kind"))
        return options.kind == "cumulative"
    if power or layout.slots:
        if power:
            shown = "power" if roles.quantity_of(unit) in POWERS else "samples"
            evidence.append(Evidence(f"kind of {column.name}", shown, f"its unit is {unit}", "--kind"))
        return False
    cumulative, because = is_rising(layout, sampled, column, values)
    kind = "cumulative" if cumulative else "interval"
    evidence.append(Evidence(f"kind of {column.name}", kind, because, "--kind"))
    return cumulative
