"""A month that is in the archive alone is read there by everybody; an edit of it, and a lost file, are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.errors import ArchiveUnreadable
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, VOLTAGE, ReadingType
from gridwright.formats.registry import writer_named
from gridwright.jobs.files.export_readings import Export, Wanted, plan_export
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.grid.grid_events import grid_events
from gridwright.jobs.load.away import months_missing
from gridwright.jobs.load.load_series import load_series
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.store import Store
from gridwright.web.routes.points import read
from tests.integration.api.small_town import NOW, START, Town

FIRST = datetime(2025, 11, 10, tzinfo=UTC)
MONTH, END = parse_month("2025-11"), parse_month("2025-12")
AWAY = Interval(FIRST, FIRST + timedelta(days=1))
HERE = Interval(START + timedelta(days=2), START + timedelta(days=3))
QUARTER = timedelta(minutes=15)
WHERE = {"from": "2025-11-10T00:00:00Z", "to": "2025-11-11T00:00:00Z"}
POINT = "/v1/usage-points/UP-2"
PERIODS = ("2025-11-10", "2025-11-09/2025-12-02", None)
COMMAND = "gridwright archive restore 2025-11"


def is_energy(kind: ReadingType) -> bool:
    return kind == DELIVERED_ENERGY


@pytest.fixture
def away(town: Town, tmp_path: Path) -> Town:
    """The town, whose second home also has three days of last year, which are in the archive alone."""
    store = town.platform.store
    values = np.full((1, 3 * 96), 250.0)
    for image in Image:
        store.readings.save(LOCAL_OWNER, Panel(("UP-2",), FIRST, QUARTER, values), known_at=NOW, image=image)
    store.dirty.clear(LOCAL_OWNER, store.dirty.ranges(LOCAL_OWNER))
    done = archive_months(store, LOCAL_OWNER, str(tmp_path / "away"), before=END, drop_before=END)
    assert (len(done.dropped), done.failed) == (2, ())
    return town


def told(answer: Any) -> None:  # noqa: ANN401 - what httpx answers
    assert answer.status_code == HTTPStatus.CONFLICT, answer.text
    assert "UP-2: 2025-11 is in the archive" in answer.text
    assert COMMAND in json.loads(answer.text)["remedy"]


@pytest.fixture
def lost(away: Town, tmp_path: Path) -> Town:
    """The same, and the files of the archive are gone."""
    (tmp_path / "away").rename(tmp_path / "elsewhere")
    return away


ASKED: list[tuple[str, dict[str, str]]] = [
    ("/interval-blocks", WHERE),
    ("/interval-blocks", WHERE | {"image": "final"}),
    ("/interval-blocks", WHERE | {"trusted": "true"}),
    ("/interval-blocks", WHERE | {"as-of": "2027-01-01T00:00:00Z"}),
    ("/interval-blocks", WHERE | {"points": "10"}),
    ("/interval-blocks", WHERE | {"to": "2026-01-01T00:00:00Z"}),
    ("/versions", {"day": "2025-11-10"}),
]


@pytest.mark.parametrize(("path", "asked"), ASKED)
def test_over_http_it_is_read_as_if_it_were_here(away: Town, path: str, asked: dict[str, str]) -> None:
    archived = away.get(f"{POINT}{path}", params=asked)
    restore_month(away.platform.store, LOCAL_OWNER, MONTH)
    back = away.get(f"{POINT}{path}", params=asked)
    assert (archived.status_code, archived.text) == (HTTPStatus.OK, back.text)
    assert back.json().get("values", [None]) != [None] * 96


@pytest.mark.parametrize(("path", "asked"), [each for each in ASKED if "trusted" not in each[1]])
def test_over_http_a_lost_file_is_named(lost: Town, path: str, asked: dict[str, str]) -> None:
    answer = lost.get(f"{POINT}{path}", params=asked)
    assert answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE, answer.text
    problem = answer.json()
    assert "2025-11 is in the archive, and its file cannot be read" in problem["detail"]
    assert "copy of the archive" in problem["remedy"]
    here = {"from": f"{HERE.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{HERE.end:%Y-%m-%dT%H:%M:%SZ}"}
    assert None not in lost.get(f"{POINT}/interval-blocks", params=here).json()["values"]
    assert lost.get(f"{POINT}/series").status_code == HTTPStatus.OK


def test_what_is_not_of_that_month_or_that_home_is_answered(away: Town) -> None:
    here = {"from": f"{HERE.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{HERE.end:%Y-%m-%dT%H:%M:%SZ}"}
    assert None not in away.get(f"{POINT}/interval-blocks", params=here).json()["values"]
    other = away.get("/v1/usage-points/UP-1/interval-blocks", params=WHERE)
    assert (other.status_code, set(other.json()["values"])) == (HTTPStatus.OK, {None})
    store = away.platform.store
    assert not months_missing(store, LOCAL_OWNER, ["UP-2"], AWAY, kinds=[VOLTAGE])
    assert months_missing(store, LOCAL_OWNER, ["UP-1", "UP-2"], AWAY, kinds=[DELIVERED_ENERGY]).points == ("UP-2",)


def asked_of(platform: Platform) -> list[tuple[Any, ...]]:
    panels = [ask("UP-2", period) for ask in (platform.readings, platform.trusted) for period in PERIODS]
    panels += [platform.readings("UP-2", AWAY, image=Image.FINAL), platform.usable(["UP-2"], AWAY)[0][0].trusted]
    values = [np.where(panel.missing, -1, panel.values).tolist() for panel in panels]
    return [(panel.period, each) for panel, each in zip(panels, values, strict=True)]


def test_the_platform_reads_it_as_if_it_were_here(away: Town) -> None:
    archived = asked_of(away.platform)
    restore_month(away.platform.store, LOCAL_OWNER, MONTH)
    assert asked_of(away.platform) == archived
    assert set(archived[0][1][0]) >= {250.0}


def test_the_platform_names_a_lost_file_and_makes_of_the_rest_what_it_can(lost: Town) -> None:
    platform: Platform = lost.platform
    for ask in (platform.readings, platform.trusted):
        for period in PERIODS:
            with pytest.raises(ArchiveUnreadable, match="2025-11 is in the archive") as caught:
                ask("UP-2", period)
            assert "copy of the archive" in caught.value.remedy
    with pytest.raises(ArchiveUnreadable):
        platform.readings("UP-2", AWAY, image=Image.FINAL)
    with pytest.raises(ArchiveUnreadable):
        platform.usable(["UP-2"], AWAY)
    groups, notes = platform.usable(["UP-2"])
    assert groups
    assert any("2025-11" in note and "copy of the archive" in note for note in notes)
    assert platform.usable(["UP-1"])[1] == []
    assert platform.readings("UP-2", HERE).slots == 96


@pytest.mark.parametrize("view", ["raw", "trusted"])
def test_a_page_draws_it_and_says_why_where_it_cannot(away: Town, tmp_path: Path, view: str) -> None:
    who: Any = SimpleNamespace(platform=away.platform)
    home = away.platform.store.registry.point(LOCAL_OWNER, "UP-2")
    panel, why = read(who, home, AWAY, view)
    assert (panel is not None and set(panel.values[0].tolist()), why) == ({250.0}, "")
    (tmp_path / "away").rename(tmp_path / "elsewhere")
    panel, why = read(who, home, AWAY, view)
    assert panel is None
    assert "2025-11 is in the archive" in why


def exported(store: Store, wanted: Wanted) -> Export:
    plan = plan_export(store, LOCAL_OWNER, writer_named("csv"), wanted)
    b"".join(plan.pieces())
    return plan


def test_an_export_is_the_same_file(away: Town) -> None:
    def files() -> list[bytes]:
        store, csv = away.platform.store, writer_named("csv")
        every = (Wanted(points=("UP-2",), image=image, period=period) for image in Image for period in (None, AWAY))
        return [b"".join(plan_export(store, LOCAL_OWNER, csv, wanted).pieces()) for wanted in every]

    archived = files()
    restore_month(away.platform.store, LOCAL_OWNER, MONTH)
    assert files() == archived


def test_an_export_names_a_lost_file_and_refuses_a_period_that_it_cannot_fill(lost: Town) -> None:
    store = lost.platform.store
    plan = exported(store, Wanted(points=("UP-2",)))
    assert plan.readings > 0
    assert any("2025-11" in why and "copy of the archive" in why for why in plan.left_out)
    assert exported(store, Wanted(points=("UP-1",))).left_out == []
    assert exported(store, Wanted(points=("UP-2",), period=HERE)).left_out == []
    with pytest.raises(ArchiveUnreadable, match="2025-11 is in the archive"):
        plan_export(store, LOCAL_OWNER, writer_named("csv"), Wanted(period=AWAY))
    assert exported(store, Wanted(points=("UP-2",), kinds=(VOLTAGE.code,), period=HERE)).left_out == []


def test_a_balance_of_the_network_is_made_with_it_and_never_without(away: Town, tmp_path: Path) -> None:
    store = away.platform.store
    balance_grid(store, LOCAL_OWNER, AWAY, now=NOW)
    assert sum(float(np.nansum(panel.values)) for panel in load_series(store, LOCAL_OWNER, AWAY, is_energy)) == 24_000
    (tmp_path / "away").rename(tmp_path / "elsewhere")
    with pytest.raises(ArchiveUnreadable, match="2025-11 is in the archive"):
        balance_grid(store, LOCAL_OWNER, AWAY, now=NOW)
    grid_events(store, LOCAL_OWNER, AWAY)  # no voltage was archived


def test_who_sees_some_homes_is_not_told_where_the_archive_is(away: Town) -> None:
    hers = Access("ann", Role.CUSTOMER, frozenset({"UP-2"}))
    whose, everybody = (months_missing(away.platform.store, who, ["UP-2"], AWAY) for who in (hers, LOCAL_OWNER))
    assert (whose.places, whose.months) == ((), everybody.months)
    assert str(everybody).startswith(f"2025-11 is in the archive {everybody.places[0]} and")


def test_nobody_erases_an_archived_day_over_http(away: Town) -> None:
    wish = {"usage_point": "UP-2", **WHERE, "total": "0", "reason": "agreed by telephone"}
    told(away.post("/v1/edits", json=wish))
    restore_month(away.platform.store, LOCAL_OWNER, MONTH)
    made = away.post("/v1/edits", json=wish)
    assert made.status_code == HTTPStatus.CREATED, made.text
    assert (made.json()["state"], made.json()["moved"]) == ("proposed", 24.0)
