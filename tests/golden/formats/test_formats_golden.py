"""Files that people really send, small and written by hand: each with what it must be read as."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from gridwright.domain.interval import epoch_s, parse_instant, zone_of
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.read_file import read_file

if TYPE_CHECKING:
    from gridwright.domain.panel import Panel
    from gridwright.ingest import Collected

CASES = sorted(path for path in Path(__file__).parent.iterdir() if (path / "expected.json").exists())


@pytest.fixture(params=CASES, ids=lambda path: path.name)
def case(request: pytest.FixtureRequest) -> tuple[Collected, dict[str, Any]]:
    folder: Path = request.param
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text("utf-8"))
    (path,) = folder.glob("input.*")
    return read_file(path, ReadOptions(**expected["options"])), expected


def readings_of(panel: Panel, row: int) -> list[tuple[int, float | None]]:
    first, step = epoch_s(panel.start), panel.interval_s
    kwh = panel.kwh[row].round(9).tolist()
    return [(first + step * slot, None if np.isnan(value) else value) for slot, value in enumerate(kwh)]


def test_every_reading_arrives_at_its_interval(case: tuple[Collected, dict[str, Any]]) -> None:
    collected, expected = case
    (panel,) = collected.panels
    assert panel.interval_s == expected["interval_minutes"] * 60
    assert set(panel.points) == set(expected["readings"])
    for row, point in enumerate(panel.points):
        wanted = [(epoch_s(parse_instant(at, zone_of("UTC"))), kwh) for at, kwh in expected["readings"][point]]
        assert readings_of(panel, row) == wanted


def test_what_was_refused_is_told(case: tuple[Collected, dict[str, Any]]) -> None:
    collected, expected = case
    intake = collected.intake
    assert [[reject.line, reject.reason] for reject in intake.rejects] == expected["rejects"]
    assert (intake.rejected, intake.repeated, intake.conflicting) == (
        len(expected["rejects"]),
        expected["repeated"],
        expected["conflicting"],
    )


def test_what_was_detected_is_told(case: tuple[Collected, dict[str, Any]]) -> None:
    collected, expected = case
    told = {one.what: one.value for one in collected.intake.evidence}
    assert {what: told.get(what) for what in expected["evidence"]} == expected["evidence"]
    if "zone" in expected:
        assert set(collected.zones.values()) == {expected["zone"]}


def test_registers_keep_their_sum(case: tuple[Collected, dict[str, Any]]) -> None:
    collected, expected = case
    assert len(collected.registers) == len(expected.get("registers", {}))
    for reads, (point, wanted) in zip(collected.registers, expected.get("registers", {}).items(), strict=True):
        kwh = reads.readings.value * reads.readings.reading_type.resolution / 1000
        assert reads.readings.points == (point,)
        assert {
            "reads": reads.size,
            "epochs": int(reads.epoch.max()) + 1,
            "first_kwh": float(kwh[0]),
            "last_kwh": float(kwh[-1]),
        } == wanted
