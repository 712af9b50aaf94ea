"""The platform: the five lines of the README, and what the composition root answers to bad questions."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

import gridwright as gw
from gridwright.app import Platform, duration
from gridwright.domain import quality as q
from gridwright.domain.errors import ConfigError, NotFound, RateError, UsageError
from gridwright.settings import Settings, StoreSettings
from gridwright.simulate.demo_file import demo_csv

MARCH_HOURS = 743


@pytest.fixture(scope="module")
def grid() -> Platform:
    return gw.demo()


def test_the_five_lines(grid: Platform) -> None:
    march = grid.readings("UP-1042", "2025-03")
    assert march.points == ("UP-1042",)
    assert march.slots == MARCH_HOURS * 4
    assert all(finding.usage_point == "UP-1042" for finding in grid.validate(march))
    bill = grid.rate(grid.estimate(march), "residential-tou")
    assert bill.total > Decimal(50)
    drawing = grid.forecast("UP-1042", horizon="48h").plot()
    assert str(drawing).startswith("<svg")
    assert drawing._repr_svg_() == str(drawing)


def test_estimates_never_change_what_was_measured(grid: Platform) -> None:
    april = grid.readings("UP-1042", "2024-05")
    filled = grid.estimate(april)
    kept = ~april.missing & q.has_status(filled.quality, q.MEASURED)
    np.testing.assert_array_equal(filled.values[kept], april.values[kept])
    assert april.missing.any()
    assert not filled.missing.any()


def test_trusted_readings_have_all_their_history_behind_them(grid: Platform) -> None:
    month = grid.trusted("UP-1042", "2024-05")
    assert not month.missing.any()
    assert month.period == grid.readings("UP-1042", "2024-05").period


def test_a_forecast_begins_where_the_readings_end(grid: Platform) -> None:
    view = grid.forecast("UP-1044", "2d")
    assert view.forecast.start == view.past.end
    assert view.forecast.steps == 192
    assert view.past.slots == 72 * 4


def test_unknown_names_are_answered_with_near_ones(grid: Platform) -> None:
    with pytest.raises(NotFound, match="UP-104"):
        grid.readings("UP-9999", "2025-03")
    with pytest.raises(NotFound, match=r"did you mean residential-tou\?"):
        grid.rate_card("residential-tuo")
    with pytest.raises(NotFound, match=r"no\.toml"):
        grid.rate_card("no.toml")
    with pytest.raises(NotFound, match="2019"):
        grid.readings("UP-1042", "2019")


def test_the_example_rate_is_thirty_cents(grid: Platform) -> None:
    march = grid.estimate(grid.readings("UP-1042", "2025-03"))
    bill = grid.rate(march)
    assert bill.example
    assert bill.total == (bill.energy_kwh * Decimal("0.30")).quantize(Decimal("0.01"), rounding="ROUND_HALF_UP")


@pytest.mark.parametrize(("text", "hours"), [("48h", 48), ("2d", 48), ("90min", 1.5)])
def test_lengths_of_time(text: str, hours: float) -> None:
    assert duration(text) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["", "48", "h", "-1h", "0h", "1.5h", "two days"])
def test_a_bad_length_of_time_names_itself(text: str) -> None:
    with pytest.raises(UsageError, match="is not a length of time"):
        duration(text)


@pytest.mark.parametrize("text", ["3651d", "99999999999d", "9" * 5000 + "h"])
def test_a_length_of_time_beyond_all_reason_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is longer than 3650 days"):
        duration(text)


def test_digits_of_another_script_are_no_length_of_time() -> None:
    with pytest.raises(UsageError, match="is not a length of time"):
        duration("²h")


def test_open_reads_the_settings_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gridwright.toml").write_text('[store]\nurl = "mine.db"\n[site]\nzone = "Europe/Berlin"\n')
    (tmp_path / "town.csv").write_bytes(demo_csv())
    grid = gw.open("gridwright.toml")
    done = grid.import_file("town.csv")
    assert done.intake.rejected == 0
    assert (tmp_path / "mine.db").exists()
    assert [point.id for point in grid.usage_points()] == ["UP-1042", "UP-1043", "UP-1044"]
    march = grid.readings("UP-1042", "2025-03")
    assert march.slots == MARCH_HOURS * 4
    grid.close()
    with pytest.raises(ConfigError, match="does not exist"):
        gw.open("other.toml")


def test_what_was_imported_equals_what_the_file_holds(tmp_path: Path, grid: Platform) -> None:
    (tmp_path / "town.csv").write_bytes(demo_csv())
    wired = Platform(Settings(store=StoreSettings(url="sqlite://")))
    wired.import_file(tmp_path / "town.csv")
    from_store, _ = wired.trust(wired.stored())
    from_file, _ = wired.trust(wired.read(tmp_path / "town.csv"))
    stored = {p.id: g.raw.total_kwh()[row] for g in from_store for row, p in enumerate(g.points)}
    read = {p.id: g.raw.total_kwh()[row] for g in from_file for row, p in enumerate(g.points)}
    assert stored == read
    again = wired.import_file(tmp_path / "town.csv")
    assert (again.already, again.new, again.changed) == (True, 0, 0)
    assert wired.import_file(tmp_path / "town.csv", again=False).untouched


def test_a_broken_rate_card_is_named(tmp_path: Path, grid: Platform) -> None:
    path = tmp_path / "bad.toml"
    path.write_text("[tariff]\nid = 3\n")
    with pytest.raises(RateError, match=r"bad\.toml"):
        grid.rate_card(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RateError, match="UTF-8"):
        grid.rate_card(path)
