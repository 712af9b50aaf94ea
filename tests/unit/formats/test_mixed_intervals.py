"""A table that holds readings before and after a meter exchange to another interval length."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gridwright.jobs.read_file import read_file

START = datetime(2025, 3, 11, tzinfo=UTC)
STAMP = "%Y-%m-%dT%H:%M:%SZ"
LENGTHS = [timedelta(hours=1)] * 12 + [timedelta(minutes=15)] * 144


def rows(*, ends: bool) -> str:
    at, lines = START, ["usage_point,start,end,kwh" if ends else "usage_point,start,kwh"]
    for length in LENGTHS:
        stamps = [at, at + length] if ends else [at]
        lines.append(",".join(["UP-1", *(stamp.strftime(STAMP) for stamp in stamps), "1.0"]))
        at += length
    return "\n".join(lines) + "\n"


def test_rows_with_start_and_end_tell_their_length(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text(rows(ends=True), encoding="utf-8")
    panels = {panel.interval: panel for panel in read_file(path).panels}
    assert {interval: int(np.isfinite(panel.values).sum()) for interval, panel in panels.items()} == {
        LENGTHS[0]: 12,
        LENGTHS[-1]: 144,
    }


def test_rows_without_an_end_are_told_what_may_be_wrong(tmp_path: Path) -> None:
    path = tmp_path / "both.csv"
    path.write_text(rows(ends=False), encoding="utf-8")
    (told,) = [each.because for each in read_file(path).intake.evidence if each.what == "interval"]
    assert "12 in a row are of 60 min" in told
    assert "--interval 60" in told
