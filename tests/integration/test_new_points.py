"""What the settings say of the site is what a new usage point begins with; a known one keeps its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import InputError, RateError
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.settings import Settings, SiteSettings, StoreSettings
from gridwright.store import open_store
from tests.integration.api.small_town import Town, build, opened
from tests.integration.command_line import commands

SITE = SiteSettings(zone="Europe/Berlin", customer_class="commercial", capacity_kw=10, holidays="DE-BE")
BEGUN = ("Europe/Berlin", "commercial", 10.0, "DE-BE")
CLI = "[site]\nzone = 'Europe/Berlin'\ncustomer_class = 'commercial'\ncapacity_kw = 10\nholidays = 'DE-BE'\n"


def told(point: UsagePoint) -> tuple[str, str, float | None, str]:
    return point.zone, point.customer_class, point.capacity_kw, point.holidays


def write(path: Path, *names: str) -> Path:
    """Write a day of quarter-hours of 0.5 kWh, but 3.1 kWh from ten to eleven: 12.4 kW."""
    start = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [
        f"{name},{start + timedelta(minutes=15 * slot):%Y-%m-%dT%H:%M}Z,{3.1 if 40 <= slot < 44 else 0.5}"
        for name in names
        for slot in range(96)
    ]
    path.write_text("\n".join(["usage_point,start,kwh", *rows, ""]))
    return path


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    made = Platform(Settings(site=SITE, store=StoreSettings(url=str(tmp_path / "town.db"))))
    yield made
    made.close()


@pytest.mark.parametrize("judged", [False, True])
def test_a_file_makes_it_so_and_its_rules_judge(platform: Platform, tmp_path: Path, *, judged: bool) -> None:
    platform.store.registry.save_points(ME, [UsagePoint("OLD", "UTC", capacity_kw=30.0)])
    path = write(tmp_path / "day.csv", "NEW", "OLD")
    if judged:
        platform.import_trusted(path)
    else:
        platform.import_file(path)
        correct(platform.store, ME, platform.site, now=platform.clock())
    assert told(platform.store.registry.point(ME, "NEW")) == BEGUN
    assert told(platform.store.registry.point(ME, "OLD")) == ("UTC", "residential", 30.0, "")
    found = {each.usage_point for each in platform.store.findings.load(ME) if each.code == "V12_capacity"}
    assert found == {"NEW"}


def test_what_the_settings_say_later_is_of_later_ones(platform: Platform, tmp_path: Path) -> None:
    platform.import_file(write(tmp_path / "one.csv", "ONE"))
    platform.settings = platform.settings.model_copy(update={"site": SiteSettings(zone="Europe/Berlin")})
    platform.import_file(write(tmp_path / "two.csv", "ONE", "TWO"))
    assert told(platform.store.registry.point(ME, "ONE")) == BEGUN
    assert told(platform.store.registry.point(ME, "TWO")) == ("Europe/Berlin", "residential", None, "")


@pytest.mark.parametrize(
    ("site", "error", "says"),
    [({"customer_class": "moon"}, InputError, "'moon' is no customer class"), ({"holidays": "XX"}, RateError, "'XX'")],
)
def test_what_cannot_be_is_refused_before_it_is_written(
    platform: Platform, tmp_path: Path, site: dict[str, str], error: type[Exception], says: str
) -> None:
    platform.settings = platform.settings.model_copy(update={"site": SITE.model_copy(update=site)})
    with pytest.raises(error, match=says):
        platform.import_file(write(tmp_path / "day.csv", "NEW"))
    assert platform.store.registry.points(ME) == ()


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    (tmp_path / "own").mkdir()
    with opened(build(tmp_path), tmp_path / "own") as there:
        there.platform.settings = there.platform.settings.model_copy(update={"site": SITE})
        yield there


def test_http_makes_it_so_where_nothing_else_is_said(town: Town) -> None:
    assert town.post("/v1/usage-points", {"id": "UP-71"}).status_code == 201
    put = {"If-None-Match": "*"}
    assert town.ask("PUT", "/v1/usage-points/UP-72", json={"capacity_kw": None}, headers=put).status_code == 201
    device = {"serial": "M-73", "driver": "generic-relay", "address": "tcp://127.0.0.1:4059/M-73"}
    assert town.post("/v1/end-devices", {**device, "usage_point": "UP-73"}).status_code == 201
    found = [told(town.platform.store.registry.point(ME, name)) for name in ("UP-71", "UP-72", "UP-73")]
    assert found == [BEGUN, ("Europe/Berlin", "commercial", None, "DE-BE"), BEGUN]


def test_the_command_line_makes_it_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gridwright.toml").write_text(CLI)
    run = commands(monkeypatch, capsys)
    run("reading", "import", str(write(tmp_path / "day.csv", "UP-1")))
    link = ("--driver", "generic-relay", "--address", "tcp://127.0.0.1:4059/M-2")
    run("collect", "add", "M-2", *link, "--usage-point", "UP-2")
    with open_store(tmp_path / "gridwright.db") as store:
        assert [told(store.registry.point(ME, name)) for name in ("UP-1", "UP-2")] == [BEGUN, BEGUN]
