"""A usage point that sends net energy, or power, alone: shown with its sign, exported and answered as it counts."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import POWER, Flow, ReadingType
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.registry import writer_named
from gridwright.jobs.files.export_readings import Wanted, plan_export
from gridwright.settings import load_settings
from gridwright.work import tasks
from tests.integration.api.small_town import Town
from tests.integration.command_line import commands

START = datetime(2026, 11, 20, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
NET = ReadingType(flow=Flow.NET)
DELIVERED, FED_IN = 77 * 92, 308  # Wh of the day of net energy
SIGNED = pytest.mark.parametrize(("kind", "scale"), [(NET, 1), (POWER, 4)], ids=["net", "power"])


def panel(kind: ReadingType, scale: int) -> Panel:
    values = np.full((1, 96), 77.0 * scale)
    values[0, 40:44] = -77.0 * scale
    return Panel(("UP-N",), START, QUARTER, values, reading_type=kind)


@pytest.fixture
def town(town: Town) -> Town:
    town.platform.store.registry.save_points(ME, [UsagePoint("UP-N", "UTC")])
    return town


def bring(platform: Platform, kind: ReadingType, scale: int) -> None:
    platform.store.readings.save(ME, panel(kind, scale), known_at=START + timedelta(days=1))
    tasks.correct(platform)


@SIGNED
def test_its_final_image_is_exported(town: Town, kind: ReadingType, scale: int) -> None:
    bring(town.platform, kind, scale)
    plan = plan_export(town.platform.store, ME, writer_named("csv"), Wanted(("UP-N",), image=Image.FINAL))
    rows = list(csv.DictReader(io.StringIO(b"".join(plan.pieces()).decode())))
    assert plan.readings == 2 * 96
    sums = {flow: round(sum(float(row["value"]) for row in rows if flow in str(row)), 3) for flow in FLOWS}
    assert sums == {"delivered": DELIVERED / 1000, "received": FED_IN / 1000}


FLOWS = ("delivered", "received")


@SIGNED
def test_it_is_answered_as_it_counts(town: Town, kind: ReadingType, scale: int) -> None:
    bring(town.platform, kind, scale)
    period = f"from={START.isoformat()}&to={(START + timedelta(days=1)).isoformat()}".replace("+", "%2B")
    answers = [
        town.get(f"/v1/usage-points/UP-N/interval-blocks?{period}&{which}") for which in ("trusted=true", "image=final")
    ]
    assert [answer.status_code for answer in answers] == [200, 200], answers[0].text
    trusted, final = (answer.json()["values"] for answer in answers)
    assert trusted == final
    assert round(sum(value for value in trusted if value), 3) == DELIVERED / 1000


@SIGNED
def test_as_it_came_it_has_its_sign(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: ReadingType,
    scale: int,
) -> None:
    monkeypatch.chdir(tmp_path)
    platform = Platform(load_settings(None).settings)
    platform.store.registry.save_points(ME, [UsagePoint("UP-N", "UTC")])
    bring(platform, kind, scale)
    platform.close()
    run = commands(monkeypatch, capsys)
    code, out, err = run("reading", "show", "UP-N", "--json")
    assert code == 0, err
    shown = json.loads(out)
    assert [each["kwh"] for each in shown["readings"][39:45]] == [0.077, -0.077, -0.077, -0.077, -0.077, 0.077]
    assert "/net/" in shown["reading_type"]
    code, out, err = run("reading", "show", "UP-N", "--image", "final", "--json")
    assert code == 0, err
    assert [each["kwh"] for each in json.loads(out)["readings"][39:42]] == [0.077, 0.0, 0.0]
