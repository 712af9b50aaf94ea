"""A month that is in the archive alone is not empty: whoever asks for it is told where it is and how it comes back."""

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
from gridwright.domain.errors import Conflict
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, VOLTAGE
from gridwright.formats.registry import writer_named
from gridwright.jobs.files.export_readings import Export, Wanted, plan_export
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.grid.grid_events import grid_events
from gridwright.jobs.load.away import months_missing
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
COMMAND = "gridwright archive restore 2025-11"


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


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/interval-blocks", WHERE),
        ("/interval-blocks", WHERE | {"image": "final"}),
        ("/interval-blocks", WHERE | {"trusted": "true"}),
        ("/interval-blocks", WHERE | {"as-of": "2027-01-01T00:00:00Z"}),
        ("/interval-blocks", WHERE | {"points": "10"}),
        ("/interval-blocks", WHERE | {"to": "2026-01-01T00:00:00Z"}),
        ("/versions", {"day": "2025-11-10"}),
    ],
)
def test_over_http_it_is_a_conflict(away: Town, path: str, asked: dict[str, str]) -> None:
    told(away.get(f"{POINT}{path}", params=asked))
    restore_month(away.platform.store, LOCAL_OWNER, MONTH)
    answer = away.get(f"{POINT}{path}", params=asked)
    assert answer.status_code == HTTPStatus.OK, answer.text
    assert answer.json().get("values", [None]) != [None] * 96


def test_what_is_not_of_that_month_or_that_home_is_answered(away: Town) -> None:
    here = {"from": f"{HERE.start:%Y-%m-%dT%H:%M:%SZ}", "to": f"{HERE.end:%Y-%m-%dT%H:%M:%SZ}"}
    assert None not in away.get(f"{POINT}/interval-blocks", params=here).json()["values"]
    other = away.get("/v1/usage-points/UP-1/interval-blocks", params=WHERE)
    assert (other.status_code, set(other.json()["values"])) == (HTTPStatus.OK, {None})
    store = away.platform.store
    assert not months_missing(store, LOCAL_OWNER, ["UP-2"], AWAY, kinds=[VOLTAGE])
    assert months_missing(store, LOCAL_OWNER, ["UP-1", "UP-2"], AWAY, kinds=[DELIVERED_ENERGY]).points == ("UP-2",)


def test_the_platform_says_so_instead_of_less(away: Town) -> None:
    platform: Platform = away.platform
    for ask in (platform.readings, platform.trusted):
        for period in ("2025-11-10", "2025-11-09/2025-12-02", None):
            with pytest.raises(Conflict, match="2025-11 is in the archive") as caught:
                ask("UP-2", period)
            assert COMMAND in caught.value.remedy
    with pytest.raises(Conflict, match="archive"):
        platform.readings("UP-2", AWAY, image=Image.FINAL)
    with pytest.raises(Conflict, match="archive"):
        platform.usable(["UP-2"], AWAY)
    groups, notes = platform.usable(["UP-2"])
    assert groups
    assert any("2025-11" in note and COMMAND in note for note in notes)
    assert platform.usable(["UP-1"])[1] == []
    assert platform.readings("UP-2", HERE).slots == 96


@pytest.mark.parametrize("view", ["raw", "trusted"])
def test_a_page_says_why_it_draws_nothing(away: Town, view: str) -> None:
    who: Any = SimpleNamespace(platform=away.platform)
    home = away.platform.store.registry.point(LOCAL_OWNER, "UP-2")
    panel, why = read(who, home, AWAY, view)
    assert panel is None
    assert "2025-11 is in the archive" in why
    assert COMMAND in why


def exported(store: Store, wanted: Wanted) -> Export:
    plan = plan_export(store, LOCAL_OWNER, writer_named("csv"), wanted)
    b"".join(plan.pieces())
    return plan


def test_an_export_names_what_it_leaves_out_and_refuses_a_period_that_it_cannot_fill(away: Town) -> None:
    store = away.platform.store
    plan = exported(store, Wanted(points=("UP-2",)))
    assert plan.readings > 0
    assert any("2025-11" in why and COMMAND in why and "UP-2" in why for why in plan.left_out)
    assert exported(store, Wanted(points=("UP-1",))).left_out == []
    assert exported(store, Wanted(points=("UP-2",), period=HERE)).left_out == []
    with pytest.raises(Conflict, match="2025-11 is in the archive") as caught:
        exported(store, Wanted(period=AWAY))
    assert COMMAND in caught.value.remedy
    assert exported(store, Wanted(points=("UP-2",), kinds=(VOLTAGE.code,), period=HERE)).left_out == []


def test_a_balance_of_the_network_is_not_made_without_it(away: Town) -> None:
    store = away.platform.store
    with pytest.raises(Conflict, match="2025-11 is in the archive"):
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
