"""Wide CSV: one row a day, a column an interval."""

from __future__ import annotations

import numpy as np
import pytest

from gridwright.domain.quality import Status
from gridwright.formats.layout import day_columns
from tests.unit.formats.csv_reading import read


def clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


STARTS_48 = [clock(minute) for minute in range(0, 1440, 30)]
ENDS_48 = [clock(minute) for minute in range(30, 1441, 30)]


@pytest.mark.parametrize(
    ("names", "interval_s", "first_s", "last_s"),
    [
        (STARTS_48, 1800, 0, 84_600),
        (ENDS_48, 1800, 0, 84_600),
        ([*ENDS_48[:-1], "00:00"], 1800, 0, 84_600),
        ([f"{minute // 60}:{minute % 60:02d}" for minute in range(0, 1440, 15)], 900, 0, 85_500),
        ([f"{clock(minute)}-{clock(minute + 60)}" for minute in range(0, 1440, 60)], 3600, 0, 82_800),
        ([f"kWh_{hour:02d}00" for hour in range(24)], 3600, 0, 82_800),
        ([f"H{hour}" for hour in range(1, 25)], 3600, 0, 82_800),
        ([f"Q{quarter}" for quarter in range(1, 97)], 900, 0, 85_500),
        ([str(number) for number in range(288)], 300, 0, 86_100),
        ([f"P{number}" for number in range(1, 51)], 1800, 0, 88_200),
    ],
)
def test_names_of_intervals(names: list[str], interval_s: int, first_s: int, last_s: int) -> None:
    days = day_columns(["meter", "date", *names])
    assert days is not None
    assert days.interval_s == interval_s
    assert (days.slots[0].offset_s, days.slots[-1].offset_s) == (first_s, last_s)
    assert days.slots[0].index == 2
    assert days.elapsed == (len(names) == 50)


@pytest.mark.parametrize("names", [["meter", "time", "kWh"], [f"H{hour}" for hour in range(1, 20)], ["1", "3", *"abc"]])
def test_other_tables_are_not_wide(names: list[str]) -> None:
    assert day_columns(names) is None


def day_row(*cells: str, values: list[str]) -> str:
    return ",".join([*cells, *values]) + "\n"


def test_a_day_of_48_half_hours() -> None:
    values = [f"0.{step:03d}" for step in range(48)]
    found = read("meter,date," + ",".join(ENDS_48) + "\n" + day_row("A", "2021-06-01", values=values))
    assert found.told("layout") == "one row a day"
    np.testing.assert_array_equal(found.only.value, np.arange(48))
    assert found.only.at[0] == np.datetime64("2021-06-01", "s").astype(int)
    np.testing.assert_array_equal(np.diff(found.only.at), 1800)
    assert set(found.only.line.tolist()) == {2}


def test_units_qualities_and_registers_of_a_row() -> None:
    head = "meter,date,unit,register,quality," + ",".join(f"H{hour}" for hour in range(1, 25)) + "\n"
    text = head + day_row("A", "2021-06-01", "Wh", "1.8.0", "E", values=["5"] * 24)
    found = read(text + day_row("A", "2021-06-01", "kWh", "2.8.0", "A", values=["5"] * 24))
    first, second = sorted((one for piece in found.pieces for one in piece.series), key=lambda one: one.value[0])
    assert (first.value[0], first.quality[0], first.reading_type.flow) == (5, Status.ESTIMATED, "delivered")
    assert (second.value[0], second.quality[0], second.reading_type.flow) == (5000, Status.ACTUAL, "received")


def test_a_bad_cell_costs_itself_only() -> None:
    values = ["1"] * 24
    values[3], values[5] = "x", ""
    found = read("date," + ",".join(f"H{hour}" for hour in range(1, 25)) + "\n" + day_row("2021-06-01", values=values))
    assert found.only.size == 23
    assert np.isnan(found.only.value).sum() == 1
    (reject,) = found.pieces[0].rejects
    assert (reject.line, reject.value) == (2, "x")
    assert "column H4" in reject.reason


def test_the_short_day_has_no_skipped_hour() -> None:
    names = ",".join(STARTS_48)
    empty = [str(1) if step not in {2, 3} else "" for step in range(48)]
    text = f"date,{names}\n" + day_row("2021-03-28", values=empty) + day_row("2021-03-29", values=["1"] * 48)
    found = read(text, zone="Europe/London")
    assert found.only.size == 94
    assert found.rejects == []
    full = read(f"date,{names}\n" + day_row("2021-03-28", values=["1"] * 48), zone="Europe/London")
    assert full.only.size == 46
    assert len(full.rejects) == 2
    assert "skips that time" in full.pieces[0].rejects[0].reason


def test_fifty_periods_count_elapsed_half_hours() -> None:
    names = ",".join(f"P{number}" for number in range(1, 51))
    text = (
        f"date,{names}\n"
        + day_row("2021-10-30", values=["1"] * 48 + ["", ""])
        + day_row("2021-10-31", values=["2"] * 50)
    )
    found = read(text, zone="Europe/London")
    assert found.only.size == 98
    np.testing.assert_array_equal(np.diff(found.only.at), 1800)


@pytest.mark.parametrize(
    ("extra", "autumn"),
    [("02:00", [0, 1, 2, 24, *range(3, 24)]), ("02:00 DST", [0, 1, 24, 2, *range(3, 24)])],
)
def test_a_column_of_its_own_holds_the_repeated_hour(extra: str, autumn: list[int]) -> None:
    """Both ways of the trade: the hour named twice, and the pass of summer time named DST."""
    names = [f"{hour:02d}:00" for hour in range(24)]
    text = "meter,date," + ",".join([*names, extra]) + "\n"
    text += day_row("A", "2021-10-30", values=[*map(str, range(24)), ""])
    text += day_row("A", "2021-10-31", values=[*map(str, range(25))])
    found = read(text, zone="Europe/Berlin", unit="Wh")
    assert found.rejects == []
    order = np.argsort(found.only.at, kind="stable")
    np.testing.assert_array_equal(np.diff(found.only.at[order]), 3600)
    assert found.only.value[order].tolist() == [*range(24), *autumn]


def test_a_value_for_an_hour_that_is_not_repeated_is_told() -> None:
    names = [f"{hour:02d}:00" for hour in range(24)]
    text = "meter,date," + ",".join([*names, "02:00"]) + "\n" + day_row("A", "2021-10-30", values=["1"] * 25)
    found = read(text, zone="Europe/Berlin")
    assert found.only.size == 24
    (reject,) = found.pieces[0].rejects
    assert "Europe/Berlin repeats no such time on that day" in reject.reason


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Australia/Lord_Howe"])
def test_hours_ending_with_the_short_and_the_long_day(zone: str) -> None:
    names = ",".join(f"HE{hour:02d}" for hour in range(1, 26))
    days = {"Europe/Berlin": ("2021-03-28", "2021-10-31"), "Australia/Lord_Howe": ("2021-10-03", "2021-04-04")}[zone]
    text = f"meter,date,{names}\n" + day_row("A", days[0], values=["1"] * 23 + ["", ""])
    text += day_row("A", days[1], values=["1"] * 25)
    found = read(text, zone=zone)
    assert found.rejects == []
    assert np.nansum(found.only.value) == 48_000
