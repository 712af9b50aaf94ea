"""Readings forgotten on the command line: looked at before, done, done again, and not without a setting."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.month import month_name, month_of, month_start
from gridwright.domain.panel import Panel
from gridwright.settings import load_settings
from tests.integration.command_line import commands


def test_old_readings_are_listed_and_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    platform = Platform(load_settings(None).settings)
    old = month_of(platform.clock()) - 16
    whole = Panel(("UP-1",), month_start(old), timedelta(hours=1), np.ones((1, 48)))
    platform.store.readings.save(LOCAL_OWNER, whole, known_at=platform.clock(), register=True)
    platform.close()
    run = commands(monkeypatch, capsys)

    code, _, err = run("retention", "run")
    assert code == 2
    assert "readings are kept for ever" in err
    monkeypatch.setenv("GRIDWRIGHT_RETENTION__READINGS_MONTHS", "12")
    assert run("retention", "run")[0] == 2, "a year and its comparison stay possible"
    monkeypatch.setenv("GRIDWRIGHT_RETENTION__READINGS_MONTHS", "13")
    assert "with the next" not in run("retention", "preview")[1]
    listed = json.loads(run("retention", "run", "--dry-run", "--json")[1])
    assert listed["kept_from"] == month_name(old + 2)
    assert listed["months"] == [{"month": month_name(old), "blocks": 2, "archived": 0, "usage_points": 1}]
    assert f"not forgotten: {month_name(old)}" in "".join(run("retention", "run")[1:]), "nobody has judged it yet"
    assert run("bill", "correct")[0] == 0
    assert json.loads(run("retention", "run", "--json")[1])["months"] == [month_name(old)]
    assert json.loads(run("retention", "run", "--json")[1])["months"] == []
    assert f"readings forgotten until {month_name(old + 2)}-01" in run("verify")[1]
