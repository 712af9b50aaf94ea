"""A second process of the fault drill: reads on and on, so that it folds what waits, until it is killed.

`python -m tests.integration.fault_drill_reader ADDRESS POINT…` prints how many readings it saw, a line each time.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval
from gridwright.store import open_store
from tests.integration.fault_drill_lines import QUARTER, START
from tests.quick_processes import Process

SLOTS = 40_000
ROOT = Path(__file__).parents[2]


def launch_reader(place: str, points: list[str]) -> subprocess.Popen[str]:
    """Start it, and return when it has read once."""
    command = [sys.executable, "-m", "tests.integration.fault_drill_reader", place, *points]
    process = Process(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    assert process.stdout.readline(), process.communicate()
    return process


def main() -> int:
    place, *points = sys.argv[1:]
    period, before = Interval(START, START + QUARTER * SLOTS), -1
    with open_store(place) as store:
        while True:
            try:
                panel = store.readings.load(ME, points, period, interval=QUARTER)
            except GridwrightError as error:
                sys.stderr.write(f"{error}\n")
                continue
            seen = int((~np.isnan(panel.values)).sum())
            if seen < before:
                sys.stderr.write(f"{before} readings were there, now {seen} are\n")
                return 1
            if seen > before:
                sys.stdout.write(f"{seen}\n")
                sys.stdout.flush()
            before = seen


if __name__ == "__main__":
    sys.exit(main())
