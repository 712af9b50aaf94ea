"""The main job as a person meets it: a cold process that turns a year of quarter-hours into a report; and start-up."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Peer, Row, main
from gridwright.domain.interval import parse_period, zone_of
from gridwright.simulate import Kind, simulate_homes, to_long_csv

ZONE = "Europe/Berlin"
PROGRAM = (sys.executable, "-m", "gridwright")


def seconds(*command: str, runs: int) -> float:
    """Return the best wall time of a process."""
    best = float("inf")
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        best = min(best, time.perf_counter() - start)
    return best


def a_year(folder: Path) -> Path:
    """Write one home's year as a long CSV file."""
    town = simulate_homes(1, parse_period("2024", zone_of(ZONE)), 7, zone=ZONE, kinds=(Kind.HOME,))
    path = folder / "year.csv"
    path.write_bytes(to_long_csv(town.panel, zone=ZONE))
    return path


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure the cold report, the help page, and the bare import beside numpy's."""
    runs = 3 if quick else 5
    with tempfile.TemporaryDirectory() as name:
        file = a_year(Path(name))
        report = seconds(*PROGRAM, "report", str(file), "--out", name, "--json", runs=runs)
        yield Row("report_one_year_15min_cold_s", report, "s", "<= 5")
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    yield Row("report_peak_memory_mb", peak, "MB", "<= 600")
    yield Row("help_s", seconds(*PROGRAM, "--help", runs=runs), "s", "<= 0.5")
    numpy = seconds(sys.executable, "-c", "import numpy", runs=runs)
    own = seconds(sys.executable, "-c", "import gridwright", runs=runs)
    peer = Peer("import numpy", numpy, numpy / own)
    yield Row("import_gridwright_beyond_numpy_s", own - numpy, "s", "<= 0.1", peer)


if __name__ == "__main__":
    main(rows)
