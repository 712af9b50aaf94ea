"""The `[calendars.NAME]` tables of a rate card: rows of labels, seasons, holidays, special days."""

from __future__ import annotations

import re
from datetime import date

from gridwright.billing.table import Table, as_date
from gridwright.domain.rate import Row, Season, SpecialDays, TouCalendar

MONTH_DAY = re.compile(r"^(\d\d)-(\d\d)$")
ROWS, CELLS = (1, 12), (24, 96)
LEAP_YEAR = 2024
FEED = "event feeds are not connected; list the dates here, as dates = [2026-07-14]"


def read_calendars(card: Table) -> tuple[TouCalendar, ...]:
    """Read every calendar of the card."""
    group = card.table("calendars")
    return tuple(_calendar(group.table(name), name) for name in group.data)


def _calendar(table: Table, name: str) -> TouCalendar:
    table.only("labels", "weekday", "weekend", "holidays", "holiday_as", "seasons", "special")
    labels = table.texts("labels")
    if not labels or len(set(labels)) < len(labels) or "" in labels:
        raise table.fail("labels", f"is {list(labels)!r} but must name one or more different labels")
    weekday = _rows(table, "weekday", len(labels))
    weekend = _rows(table, "weekend", len(labels)) if table.has("weekend") else weekday
    return TouCalendar(
        id=name,
        labels=labels,
        weekday=weekday,
        weekend=weekend,
        holidays=table.text("holidays", ""),
        holiday_as=_holiday_as(table, labels),
        seasons=tuple(_season(season, len(labels)) for season in table.tables("seasons")),
        special=tuple(_special(special, labels) for special in table.tables("special")),
    )


def _holiday_as(table: Table, labels: tuple[str, ...]) -> str:
    value = table.text("holiday_as", "weekend")
    if value not in ("weekend", "weekday", *labels):
        raise table.fail("holiday_as", f"is {value!r}", f"one of weekend, weekday, {', '.join(labels)}")
    return value


def _rows(table: Table, key: str, labels: int) -> tuple[Row, ...]:
    table.need(key)
    rows = tuple(_row(table, f"{key}[{index}]", row, labels) for index, row in enumerate(table.listed(key)))
    if len(rows) not in ROWS:
        raise table.fail(key, f"has {len(rows)} rows but must have 1 (the whole year) or 12 (January first)")
    return rows


def _row(table: Table, key: str, row: object, labels: int) -> Row:
    if not isinstance(row, list) or len(row) not in CELLS:
        size = len(row) if isinstance(row, list) else repr(row)
        raise table.fail(key, f"has {size} cells but must have 24 (hours) or 96 (quarter-hours)")
    for index, cell in enumerate(row):
        if type(cell) is not int or not 0 <= cell < labels:
            raise table.fail(f"{key}[{index}]", f"is {cell!r} but must be an index into labels, 0 to {labels - 1}")
    return tuple(row)


def _season(table: Table, labels: int) -> Season:
    table.only("name", "from", "to", "weekday", "weekend")
    weekday = _row(table, "weekday", table.need("weekday"), labels)
    weekend = _row(table, "weekend", table.data["weekend"], labels) if table.has("weekend") else weekday
    return Season(_month_day(table, "from"), _month_day(table, "to"), weekday, weekend, table.text("name", ""))


def _month_day(table: Table, key: str) -> tuple[int, int]:
    value = table.text(key)
    found = MONTH_DAY.match(value)
    try:
        day = date(LEAP_YEAR, int(found[1]), int(found[2])) if found else None
    except ValueError:
        day = None
    if day is None:
        raise table.fail(key, f"is {value!r} but must be a month and day", "write it like 06-15; the end is left out")
    return (day.month, day.day)


def _special(table: Table, labels: tuple[str, ...]) -> SpecialDays:
    table.only("dates", "hours", "label")
    if isinstance(table.need("dates"), str):
        raise table.refuse("dates", f"names the event feed {table.data['dates']!r}", FEED)
    dates = tuple(as_date(table, f"dates[{i}]", value) for i, value in enumerate(table.listed("dates")))
    label = table.text("label")
    if label not in labels:
        raise table.fail("label", f"is {label!r}, which the calendar lacks", f"one of {', '.join(labels)}")
    hours = table.integers("hours") or (0, 24)
    if len(hours) != 2 or not 0 <= hours[0] < hours[1] <= 24:  # noqa: PLR2004 - first and last hour of a day
        raise table.fail("hours", f"is {list(hours)!r} but must be [first, last) within 0 to 24")
    return SpecialDays(dates, (hours[0], hours[1]), label)
