"""Whatever a usage point or a meter is called, its own address leads to it: in the API and in the console."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.usage_point import MAX_ID, UsagePoint
from gridwright.web.show import segment
from tests.integration.api.small_town import NOW, Town

BROWSER = {"Accept": "text/html"}
AWKWARD = (
    "9b6c7063/01", "/", "a//b", "/a/", "a?b#c", "100%", "a%2Fb", "x%2Ecsv", "a.csv", "a.json", "chart.json", "...",
    "Straße 7 / Süd", "a;b=c&d+e", "a\\b", "'\"><b>", "電力",
)  # fmt: skip
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=MAX_ID)


def is_found(town: Town, name: str) -> bool:
    """Register a usage point and follow its addresses; False where the id is refused: that needs none."""
    added = town.post("/v1/usage-points", {"id": name})
    if added.status_code == 422:
        return False
    assert added.status_code in {201, 409}, added.text
    here = added.json()["href"] if added.status_code == 201 else f"/v1/usage-points/{quote(name, safe='')}"
    found = town.get(here)
    assert (found.status_code, found.json()["id"]) == (200, name)
    assert town.get(f"{here}/installations").json()["items"] == []
    assert town.get(f"{here}/findings?limit=1").status_code == 200
    page = town.get(f"/usage-points/{segment(name)}", headers=BROWSER)
    assert page.status_code == 200
    for twin in re.findall(r'This page as</dt><dd><a href="([^"]+)">JSON', page.text):
        assert town.get(unescape(twin)).json()["usage_point"]["id"] == name
    assert town.get(f"/usage-points/{segment(name)}.csv").headers["content-type"].startswith("text/csv")
    assert town.get(f"/usage-points/{segment(name)}/chart.json").status_code == 200
    return True


@pytest.mark.parametrize("name", AWKWARD)
def test_an_awkward_id_is_found_at_its_address(own_console: Town, name: str) -> None:
    assert is_found(own_console, name)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES.filter(lambda name: name.strip() and name not in {".", ".."}))
def test_any_id_is_found_at_its_address(own_console: Town, name: str) -> None:
    is_found(own_console, name)


def test_the_console_leads_to_each_of_them(own_console: Town) -> None:
    store = own_console.platform.store
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(name, "UTC") for name in AWKWARD])
    listed = own_console.get("/usage-points", headers=BROWSER).text
    links = set(re.findall(r'href="(/usage-points/[^"?]+)"', listed))
    for name in AWKWARD:
        assert f"/usage-points/{segment(name)}" in links, name


def test_two_segments_are_no_name(own_console: Town) -> None:
    own_console.platform.store.registry.save_points(LOCAL_OWNER, [UsagePoint("a/b", "UTC")])
    assert own_console.get("/v1/usage-points/a/b").status_code == 404
    assert own_console.get("/v1/usage-points/a%252Fb").status_code == 404


@pytest.mark.parametrize("name", [".", ".."])
def test_a_name_that_no_address_can_hold_is_refused(own_console: Town, name: str) -> None:
    refused = own_console.post("/v1/usage-points", {"id": name})
    assert refused.status_code == 422
    assert "means a folder" in refused.json()["detail"]


def test_a_quarantined_meter_with_a_slash_is_claimed(own_console: Town) -> None:
    waiting = [QuarantinedReading("9b6c7063/02", NOW - timedelta(hours=9), 100.0, 900)]
    own_console.platform.store.quarantine.save(LOCAL_OWNER, waiting, received=NOW)
    answer = own_console.post("/v1/quarantine/9b6c7063%2F02/claim", {"usage_point": "UP-1"})
    assert answer.status_code == 201, answer.text
    assert answer.json()["meter"] == "9b6c7063/02"
