"""Registers that nobody read on a date, estimated over HTTP."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from tests.integration.api.small_town import NOW, START, Town

PATH = "/v1/register-estimates"


def test_a_missed_read_is_estimated_once(town: Town) -> None:
    """The register counted 9 kWh on each of the days on which it was read."""
    ask = {"on": "2026-10-04", "usage_points": ["UP-1"]}
    dry = town.post(PATH, ask | {"dry_run": True}).json()["items"]
    done = town.post(PATH, ask)
    assert done.status_code == HTTPStatus.OK, done.text
    assert done.json()["items"] == dry
    (one,) = [each for each in dry if each["new"]]
    assert (one["usage_point"], one["end_device"], one["why"]) == ("UP-1", "M-1", "")
    assert not any(each["new"] for each in town.post(PATH, ask).json()["items"])
    reads = town.platform.store.registers.load(ME, "UP-1", Interval(START, NOW))
    assert [read.is_estimate for read in reads] == [False] * 5 + [True]
    assert one["kwh"] == pytest.approx(37 + 9 * 10, abs=1)


def test_bad_asks_are_told(town: Town) -> None:
    ahead = town.post(PATH, {"on": "2027-01-01", "usage_points": ["UP-1"]})
    assert (ahead.status_code, "has not begun at UP-1" in ahead.text) == (HTTPStatus.UNPROCESSABLE_ENTITY, True)
    for wrong in ({}, {"on": "soon"}, {"on": "2026-09-01", "usage_points": []}, {"on": "2026-09-01", "al": True}):
        assert town.post(PATH, wrong).status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert town.post(PATH, {"on": "2026-09-01", "usage_points": ["UP-77"]}).status_code == HTTPStatus.NOT_FOUND
