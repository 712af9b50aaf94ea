"""Meters, edge and centre, with everything failing under load: what was acknowledged is stored, exactly once.

Small here; GRIDWRIGHT_TEST_LONG=1 plays more; `python -m tests.integration.fault_drill` every fault thirty times.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.integration.fault_drill import play
from tests.integration.fault_drill_row import table

if TYPE_CHECKING:
    from pathlib import Path

# What is played on one site, and how often; each start of a process costs seconds, so that most is left out by default.
DRILLS = [(["network cut (proxy)", "edge killed"], 1)]
if os.environ.get("GRIDWRIGHT_TEST_LONG"):
    DRILLS += [
        (["server and edge killed"], 1),
        (["network cut (namespace)", "disk of the edge full"], 1),
        (["clock of the edge jumps"], 3),
        (["clock of the server jumps"], 3),
        (["buffer of the edge full"], 1),
        (["buffer of the edge full, drops the oldest"], 2),
        (["PostgreSQL restarted"], 2),
        (["server killed", "second process reads, and is killed"], 1),
        (["disk of the server full in mid-fold"], 1),
        (["PostgreSQL cut in mid-fold"], 2),
    ]


@pytest.mark.slow
@pytest.mark.parametrize(("names", "rounds"), DRILLS, ids=[" and ".join(names) for names, _ in DRILLS])
def test_what_was_acknowledged_is_stored_once(tmp_path: Path, names: list[str], rounds: int) -> None:
    row = play(names, rounds, tmp_path)
    if row.note:
        pytest.skip(f"{row.fault}: {row.note}")
    assert row.is_well, table([row])
