"""Meter files of a simulated town, as their senders would write them: long CSV, wide CSV, NEM12, register CSV."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.calendar import LocalCalendar, date_of
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Flow
from gridwright.domain.register import RegisterReading
from gridwright.simulate.town import NO_ROWS, ExtraRows, Floats, Ints, Town

Stamps = Literal["offset", "utc", "local"]
Source = Town | Panel
NEM_OFFSET_S = 10 * 3600
NEM_SUFFIX = {Flow.DELIVERED: "E1", Flow.RECEIVED: "B1"}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a sender writes a CSV: stamps, separator, decimal sign and unit (kWh or Wh)."""

    stamps: Stamps = "offset"
    separator: str = ","
    decimal: str = "."
    unit: Literal["kWh", "Wh"] = "kWh"

    def numbers(self, wh: Floats) -> list[str]:
        """Write values as text; NaN becomes empty."""
        texts = [f"{value:.3f}" for value in (wh / 1000).tolist()] if self.unit == "kWh" else _whole(wh)
        if self.decimal != ".":
            texts = [text.replace(".", self.decimal) for text in texts]
        return ["" if text == "nan" else text for text in texts]

    def times(self, calendar: LocalCalendar) -> list[str]:
        """Write the start of each slot as text."""
        if self.stamps == "utc":
            return [f"{text}Z" for text in _iso(calendar.start_s)]
        local = _iso(calendar.start_s + calendar.offset_s)
        if self.stamps == "local":
            return [text.replace("T", " ") for text in local]
        names = {offset: _offset_name(offset) for offset in np.unique(calendar.offset_s).tolist()}
        return [text + names[offset] for text, offset in zip(local, calendar.offset_s.tolist(), strict=True)]


STANDARD = Dialect()


def _whole(wh: Floats) -> list[str]:
    return [f"{value:.0f}" for value in wh.tolist()]


def _iso(seconds: Ints) -> list[str]:
    texts: list[str] = np.datetime_as_string(seconds.astype("datetime64[s]")).tolist()
    return texts


def _offset_name(seconds: int) -> str:
    sign, minutes = "-" if seconds < 0 else "+", abs(seconds) // 60
    return f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"


def _panels(source: Source) -> list[tuple[Panel, ExtraRows]]:
    if isinstance(source, Panel):
        return [(source, NO_ROWS)]
    received = [] if source.received is None else [(source.received, NO_ROWS)]
    return [(source.panel, source.extra), *received]


def _zone(source: Source, zone: str | None) -> str:
    return zone or ("UTC" if isinstance(source, Panel) else source.zone)


def to_long_csv(source: Source, *, zone: str | None = None, dialect: Dialect = STANDARD) -> bytes:
    """Write one row a reading: `usage_point,start,kwh`, with a `flow` column where anything is received.

    A missing value is a missing row; duplicates follow their slot, late and corrected rows stand at the end.
    """
    panels = _panels(source)
    with_flow = len(panels) > 1
    names = ["usage_point", "start", *(["flow"] if with_flow else []), dialect.unit.lower()]
    lines = [dialect.separator.join(names)]
    late: list[str] = []
    for panel, extra in panels:
        flow = f"{dialect.separator}{panel.reading_type.flow}" if with_flow else ""
        times = [f"{text}{flow}" for text in dialect.times(panel.calendar(_zone(source, zone)))]
        for row in range(len(panel.points)):
            lines += _long_rows(panel, row, _of_row(extra, row, at_end=False), times, dialect)
            rows = _of_row(extra, row, at_end=True)
            late += _text_rows(panel.points[row], rows.slot, rows.value, times, dialect)
    return ("\n".join([*lines, *late]) + "\n").encode()


def _of_row(extra: ExtraRows, row: int, *, at_end: bool) -> ExtraRows:
    which = (extra.row == row) & (extra.at_end == at_end)
    return ExtraRows(extra.row[which], extra.slot[which], extra.value[which], extra.at_end[which], extra.flow)


def _long_rows(panel: Panel, row: int, extra: ExtraRows, times: list[str], dialect: Dialect) -> list[str]:
    slots = np.flatnonzero(~np.isnan(panel.values[row]))
    values = panel.values[row, slots]
    if extra.size:
        order = np.argsort(np.concatenate([slots, extra.slot]), kind="stable")
        slots = np.concatenate([slots, extra.slot])[order]
        values = np.concatenate([values, extra.value])[order]
    return _text_rows(panel.points[row], slots, values, times, dialect)


def _text_rows(point: str, slots: Ints, values: Floats, times: list[str], dialect: Dialect) -> list[str]:
    separator = dialect.separator
    head = f"{point}{separator}"
    return [
        f"{head}{times[slot]}{separator}{number}"
        for slot, number in zip(slots.tolist(), dialect.numbers(values), strict=True)
    ]


def to_wide_csv(
    source: Source,
    *,
    zone: str | None = None,
    dialect: Dialect = STANDARD,
    clock: Literal["standard", "wall"] = "standard",
) -> bytes:
    """Write one row a day, one column an interval: `usage_point,date,00:00,00:15,...` (with `flow` where received).

    `standard`: days of the zone's winter time, every day complete. `wall`: local days; the hour skipped in spring stays
    empty and the hour repeated in autumn holds the sum of both passes, as many senders do. Empty = no value. Extra
    rows of a town (duplicates, late and corrected values) have no place here.
    """
    panels = _panels(source)
    with_flow = len(panels) > 1
    step_s = panels[0][0].interval_s
    clocks = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(0, 1440, step_s // 60)]
    lines = [dialect.separator.join(["usage_point", "date", *(["flow"] if with_flow else []), *clocks])]
    for panel, _ in panels:
        day, slot = _day_slots(panel, _zone(source, zone), clock)
        days = np.unique(day)
        dates = [date_of(number).isoformat() for number in days.tolist()]
        for row, point in enumerate(panel.points):
            matrix = _matrix(panel.values[row], np.searchsorted(days, day), slot, (days.size, len(clocks)))
            for date, values in zip(dates, matrix, strict=True):
                flow = [str(panel.reading_type.flow)] if with_flow else []
                lines.append(dialect.separator.join([point, date, *flow, *dialect.numbers(values)]))
    return ("\n".join(lines) + "\n").encode()


def _day_slots(panel: Panel, zone: str, clock: Literal["standard", "wall"]) -> tuple[Ints, Ints]:
    calendar = panel.calendar(zone)
    if clock == "wall":
        return calendar.day.astype(np.int64), calendar.slot_of_day.astype(np.int64)
    local = calendar.start_s + _standard_offset_s(panel, zone)
    return local // DAY_S, local % DAY_S // panel.interval_s


def _standard_offset_s(panel: Panel, zone: str) -> int:
    """Return the smaller of the zone's offsets within a year of the panel's start: its winter time."""
    probes = [panel.start + timedelta(days=days) for days in (0, 91, 182, 273)]
    offsets = [probe.astimezone(zone_of(zone)).utcoffset() or timedelta(0) for probe in probes]
    return int(min(offsets).total_seconds())


def _matrix(values: Floats, day: Ints, slot: Ints, shape: tuple[int, int]) -> Floats:
    """Lay values on days × slots; two passes of an hour add up, a hole stays NaN."""
    at = day * shape[1] + slot
    known = ~np.isnan(values)
    size = shape[0] * shape[1]
    total = np.bincount(at[known], values[known], size)
    return np.where(np.bincount(at[known], minlength=size) > 0, total, np.nan).reshape(shape)


def nmi_of(usage_point: str) -> str:
    """Return the ten-character id that NEM12 asks for."""
    return "".join(letter for letter in usage_point.upper() if letter.isalnum()).rjust(10, "0")[-10:]


def to_nem12(source: Source) -> bytes:
    """Write NEM12 (AEMO MDFF 2.x): 100, 200 and 300 records on days of UTC+10, 400 where qualities differ, 900.

    Slots without value are written 0 with quality N; E1 is delivered, B1 received.
    """
    panels = _panels(source)
    made = from_epoch_s(epoch_s(panels[0][0].end) + NEM_OFFSET_S)
    lines = [f"100,NEM12,{made:%Y%m%d%H%M},GRIDWRIGHT,GRIDWRIGHT"]
    for panel, _ in panels:
        suffix = NEM_SUFFIX.get(panel.reading_type.flow, "E1")
        whole = panel.regrid(_nem_days(panel))
        for row, point in enumerate(whole.points):
            lines.append(f"200,{nmi_of(point)},E1B1,1,{suffix},N1,{point},kWh,{whole.interval_s // 60},")
            lines += _nem_rows(whole, row, f"{made:%Y%m%d%H%M%S}")
    return ("\r\n".join([*lines, "900"]) + "\r\n").encode()


def _nem_days(panel: Panel) -> Interval:
    first = (epoch_s(panel.start) + NEM_OFFSET_S) // DAY_S
    last = -((-epoch_s(panel.end) - NEM_OFFSET_S) // DAY_S)
    return Interval(from_epoch_s(first * DAY_S - NEM_OFFSET_S), from_epoch_s(last * DAY_S - NEM_OFFSET_S))


def _nem_rows(panel: Panel, row: int, updated: str) -> Iterator[str]:
    slots = panel.slots_per_day
    template = ",".join(["%.3f"] * slots)
    values = np.nan_to_num(panel.values[row]).reshape(-1, slots) / 1000
    qualities = panel.quality[row].reshape(-1, slots)
    first_day = (epoch_s(panel.start) + NEM_OFFSET_S) // DAY_S
    for number, (day_values, day_quality) in enumerate(zip(values, qualities, strict=True)):
        runs = _quality_runs(day_quality)
        method = runs[0][2] if len(runs) == 1 else "V"
        yield f"300,{date_of(first_day + number):%Y%m%d},{template % tuple(day_values.tolist())},{method},,,{updated},"
        if method == "V":
            yield from (f"400,{first},{last},{code},," for first, last, code in runs)


def _quality_runs(quality: q.Qualities) -> list[tuple[int, int, str]]:
    """Return runs of equal quality as (first, last, code), counted from 1 as NEM12 does."""
    starts = np.flatnonzero(np.r_[True, quality[1:] != quality[:-1]])
    ends = np.r_[starts[1:], quality.size]
    return [
        (first + 1, last, q.nem12_code(int(quality[first])))
        for first, last in zip(starts.tolist(), ends.tolist(), strict=True)
    ]


def to_register_csv(reads: Iterable[RegisterReading], *, zone: str = "UTC", dialect: Dialect = STANDARD) -> bytes:
    """Write cumulative reads, one row each: `usage_point,meter,at,flow,cumulative_kwh`."""
    separator = dialect.separator
    lines = [separator.join(["usage_point", "meter", "at", "flow", f"cumulative_{dialect.unit.lower()}"])]
    for read in reads:
        number = dialect.numbers(np.array([read.value]))[0]
        moment = read.at.astimezone(zone_of(zone)).isoformat()
        lines.append(separator.join([read.usage_point, read.end_device, moment, read.reading_type.flow, number]))
    return ("\n".join(lines) + "\n").encode()
