from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.errors import UsageError
from gridwright.domain.interval import Interval, parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status, pack
from gridwright.simulate import (
    Dialect,
    FaultKind,
    Kind,
    Town,
    inject,
    nmi_of,
    simulate_homes,
    to_long_csv,
    to_nem12,
    to_register_csv,
    to_wide_csv,
)
from gridwright.simulate.demo_file import FAULTS, demo_csv, demo_town, main

BERLIN = zone_of("Europe/Berlin")


def town(period: str, kinds: list[Kind] | None = None) -> Town:
    return simulate_homes(2, parse_period(period, BERLIN), 4, kinds=kinds or [Kind.HOME, Kind.PV_HOME])


def rows(content: bytes, separator: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode()), delimiter=separator))


def test_long_csv_holds_each_reading_once_with_its_offset() -> None:
    spring = town("2025-03-30")
    header, *lines = rows(to_long_csv(spring))
    assert header == ["usage_point", "start", "flow", "kwh"]
    assert len(lines) == 3 * 92
    assert lines[8][1] == "2025-03-30T03:00:00+02:00"
    wh = [round(float(line[3]) * 1000) for line in lines[:92]]
    assert wh == spring.panel.values[0].tolist()
    starts = [datetime.fromisoformat(line[1]) for line in lines[:92]]
    assert starts == [spring.panel.start + spring.panel.interval * k for k in range(92)]


def test_long_csv_speaks_dialects() -> None:
    homes = town("2025-10-26", [Kind.HOME])
    content = to_long_csv(homes, dialect=Dialect(stamps="local", separator=";", decimal=","))
    header, *lines = rows(content, ";")
    assert header == ["usage_point", "start", "kwh"]
    assert [line[1] for line in lines[:100]].count("2025-10-26 02:00:00") == 2
    assert "," in lines[0][2]
    utc = rows(to_long_csv(homes, dialect=Dialect(stamps="utc", unit="Wh")))
    assert utc[0][2] == "wh"
    assert utc[1][1:] == ["2025-10-25T22:00:00Z", f"{homes.panel.values[0, 0]:.0f}"]


def test_gaps_are_no_rows_duplicates_follow_and_late_ones_stand_last() -> None:
    clean = town("2025-02-01/2025-03-01", [Kind.HOME])
    gap = inject(clean, 1, kinds=[FaultKind.GAP_DAY])
    assert len(rows(to_long_csv(gap))) == len(rows(to_long_csv(clean))) - 96
    double = inject(clean, 1, kinds=[FaultKind.DUPLICATE])
    lines = [tuple(line) for line in rows(to_long_csv(double))]
    assert len(lines) == len(set(lines)) + double.extra.size
    late = inject(clean, 1, kinds=[FaultKind.LATE])
    tail = rows(to_long_csv(late))[-late.extra.size :]
    assert [float(line[2]) for line in tail] == (late.extra.value / 1000).tolist()


def test_wide_csv_is_complete_in_winter_time() -> None:
    year = town("2025-03-29/2025-04-01", [Kind.HOME])
    header, *lines = rows(to_wide_csv(year))
    assert header[:3] == ["usage_point", "date", "00:00"]
    assert len(header) == 98
    values = [float(cell) for line in lines[:3] for cell in line[2:] if cell]
    assert values == (year.panel.values[0] / 1000).tolist()
    assert [line[1] for line in lines[:3]] == ["2025-03-29", "2025-03-30", "2025-03-31"]


def test_wide_csv_on_the_wall_clock_has_a_hole_in_spring_and_a_sum_in_autumn() -> None:
    spring = town("2025-03-30", [Kind.HOME])
    assert rows(to_wide_csv(spring, clock="wall"))[1][2 + 8 : 2 + 12] == [""] * 4
    autumn = town("2025-10-26", [Kind.HOME])
    line = rows(to_wide_csv(autumn, clock="wall"))[1]
    twice = autumn.panel.values[0, 8:12] + autumn.panel.values[0, 12:16]
    assert [float(cell) for cell in line[2 + 8 : 2 + 12]] == pytest.approx((twice / 1000).tolist())
    assert sum(map(float, line[2:])) == pytest.approx(autumn.panel.total_kwh()[0])


def test_nem12_has_whole_days_of_utc_plus_ten() -> None:
    homes = town("2025-03-01/2025-03-04")
    lines = rows(to_nem12(homes))
    assert [line[0] for line in lines if line[0] in ("100", "200", "900")] == ["100", "200", "200", "200", "900"]
    assert [line[4] for line in lines if line[0] == "200"] == ["E1", "E1", "B1"]
    days = [line for line in lines if line[0] == "300"]
    assert len(days) == 3 * 4
    assert {len(day) for day in days} == {2 + 96 + 5}
    first = days[0]
    # 00:00 in Berlin is 09:00 at UTC+10: the 36 quarter-hours before have no value.
    assert first[1] == "20250301"
    assert first[98] == "V"
    assert [float(cell) for cell in first[2 + 36 : 98]] == (homes.panel.values[0, :60] / 1000).tolist()
    notes = [line for line in lines if line[0] == "400"]
    assert notes[0][1:4] == ["1", "36", "N"]
    assert notes[1][1:4] == ["37", "96", "A"]


def test_nem12_tells_estimates() -> None:
    start = datetime.fromisoformat("2025-03-01T00:00:00+10:00")
    quality = np.zeros((1, 48), np.uint8)
    quality[0, :2] = pack(Status.ESTIMATED, Method.LINEAR)
    panel = Panel(("NMI-1",), start, timedelta(minutes=30), np.ones((1, 48)), quality)
    lines = rows(to_nem12(panel))
    assert [line[1:4] for line in lines if line[0] == "400"] == [["1", "2", "S17"], ["3", "48", "A"]]
    assert lines[1][1] == "000000NMI1"


@pytest.mark.parametrize(("name", "nmi"), [("UP-1001", "0000UP1001"), ("a-very-long-name-0001", "NGNAME0001")])
def test_nmi_has_ten_characters(name: str, nmi: str) -> None:
    assert nmi_of(name) == nmi


def test_register_csv() -> None:
    homes = town("2025-02-01/2025-04-01")
    header, *lines = rows(to_register_csv(homes.registers, zone="Europe/Berlin"))
    assert header == ["usage_point", "meter", "at", "flow", "cumulative_kwh"]
    assert len(lines) == 3 * 3
    assert lines[1][2] == "2025-03-01T00:00:00+01:00"
    used = float(lines[2][4]) - float(lines[0][4])
    assert used == pytest.approx(homes.panel.total_kwh()[0])


def test_a_panel_alone_is_written_too() -> None:
    panel = town("2025-03-01").panel
    assert rows(to_long_csv(panel))[1][1] == "2025-02-28T23:00:00+00:00"
    assert Interval(panel.start, panel.end) == panel.period


def test_demo_file_is_the_same_everywhere(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    main([str(folder)])
    assert (folder / "town.csv").read_bytes() == demo_csv()
    assert {fault.kind for fault in demo_town().faults} == set(FAULTS)
    with pytest.raises(UsageError, match="one folder"):
        main([])
