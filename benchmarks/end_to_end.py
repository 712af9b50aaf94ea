"""End to end: a file of one day of a fleet becomes raw and final readings, day totals and findings in the store."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.harness import Row, line, to_json
from gridwright.domain.access import LOCAL_OWNER
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.import_trusted import TrustedImport, import_trusted
from gridwright.store import open_store

DAY = datetime(2025, 3, 3, tzinfo=UTC)
NOW = DAY + timedelta(days=2)
PER_DAY = 96
FLEET, TOWN = 100_000, 1_000_000
PIECE = 20_000
MISSING = 0.0005
GOALS = {FLEET: ("<= 8", ""), TOWN: ("<= 90", "<= 4096")}
SHAPE = 60 + 50 * np.sin(np.arange(PER_DAY) / PER_DAY * 2 * np.pi) ** 2
Writer = Callable[[Path, int], None]


def pieces(meters: int) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    """Yield the first meter and kWh, float64[PIECE, 96], of some meters at a time: a daily shape, noise and holes."""
    for first in range(0, meters, PIECE):
        rng = np.random.default_rng((7, first))
        values = np.rint(SHAPE * rng.gamma(1.2, 1.5, (min(PIECE, meters - first), PER_DAY))) / 1000
        values[rng.random(values.shape) < MISSING] = np.nan
        yield first, values


def write_parquet(path: Path, meters: int) -> None:
    """Write one row a meter and day with 96 columns, a row group for every 20,000 meters."""
    import pyarrow as pa
    from pyarrow import parquet as pq

    columns = [f"{slot // 4:02d}:{slot % 4 * 15:02d}" for slot in range(PER_DAY)]
    schema = pa.schema([("meter_id", pa.string()), ("date", pa.date32()), *((name, pa.float64()) for name in columns)])
    with pq.ParquetWriter(path, schema) as writer:
        for first, values in pieces(meters):
            names = [f"UP{first + row:07d}" for row in range(len(values))]
            days = [DAY.date()] * len(values)
            arrays = [pa.array(values[:, slot]) for slot in range(PER_DAY)]
            writer.write_table(pa.table([names, pa.array(days), *arrays], schema=schema), row_group_size=PIECE)


def write_nem12(path: Path, meters: int) -> None:
    """Write a NEM12 file: a 200 and a 300 record a meter, holes told by 400 records."""
    with path.open("w") as file:
        file.write("100,NEM12,202503040000,MDP1,RET1\n")
        for first, values in pieces(meters):
            file.writelines(map(_records, range(first, first + len(values)), values))
        file.write("900\n")


def _records(meter: int, kwh: npt.NDArray[np.float64]) -> str:
    holes = np.isnan(kwh)
    texts = ",".join(f"{value:.3f}" for value in np.nan_to_num(kwh).tolist())
    flag = "V" if holes.any() else "A"
    text = f"200,UP{meter:07d},E1,E1,E1,N1,M{meter},kWh,15,\n300,{DAY:%Y%m%d},{texts},{flag},,,20250304000000,\n"
    if flag == "V":
        edges = np.flatnonzero(np.r_[True, holes[1:] != holes[:-1], True]).tolist()
        for begin, end in pairwise(edges):
            text += f"400,{begin + 1},{end},{'N' if holes[begin] else 'A'},,\n"
    return text


FORMATS: dict[str, tuple[str, Writer]] = {
    "wide Parquet": ("day.parquet", write_parquet),
    "NEM12": ("day.csv", write_nem12),
}


@contextmanager
def watched_memory() -> Iterator[list[int]]:
    """Sample what this process and its children hold in memory together; the list gets the peak, in MB."""
    peak, over = [0], threading.Event()

    def look() -> None:
        while not over.wait(0.05):
            peak[0] = max(peak[0], resident_mb(os.getpid()))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        over.set()
        watcher.join()


def resident_mb(process: int) -> int:
    """Return the private and file-backed memory of a process and its children in MB; 0 where /proc is not there."""
    total = 0
    waiting = [process]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text(encoding="ascii", errors="replace")
            children = Path(f"/proc/{one}/task/{one}/children").read_text(encoding="ascii").split()
        except OSError:
            continue
        waiting += [int(child) for child in children]
        total += next((int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS")), 0)
    return total // 1024


def judged(path: Path, folder: Path) -> tuple[TrustedImport, float, float, int]:
    """Import a file into a new store; return what was done, seconds on the wall and of all processors, and peak MB."""
    with open_store(folder / "store.db") as store, watched_memory() as peak:
        before, cpu = time.perf_counter(), sum(os.times()[:4])
        done = import_trusted(store, LOCAL_OWNER, path, ReadOptions(), site=SiteDefaults(), known_at=NOW, not_after=NOW)
        return done, time.perf_counter() - before, sum(os.times()[:4]) - cpu, peak[0]


def measured(name: str, meters: int) -> Iterator[Row]:
    """Measure one format with a fleet."""
    file, write = FORMATS[name]
    what = f"{meters // 1000:,} k meters × 1 day × 96 from {name}"
    goal, memory = GOALS.get(meters, ("", ""))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / file
        write(path, meters)
        done, wall, cpu, peak = judged(path, Path(folder))
    expected = meters * PER_DAY
    if not 0.99 * expected < done.final <= expected or done.later:
        raise SystemExit(f"{what}: {done.final:,} final readings of {expected:,}, {done.later} judged later")
    yield Row(what, wall, "s", goal)
    yield Row(f"{what}: processor time of all processes", cpu, "s of CPU")
    yield Row(f"{what}: throughput", expected / wall, "readings/s")
    yield Row(f"{what}: peak memory of all processes", peak, "MB", memory)


def rows(*, quick: bool, full: bool = False) -> Iterator[Row]:
    """Measure 100,000 meters in both formats; a quick run takes 20,000, `full` also a million."""
    for name in FORMATS:
        yield from measured(name, PIECE if quick else FLEET)
    if full:
        for name in FORMATS:
            yield from measured(name, TOWN)


def main() -> None:
    """Run from the command line, as every benchmark, with `--full` besides."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.add_argument("--quick", action="store_true", help="20,000 meters")
    parser.add_argument("--full", action="store_true", help="also a million meters")
    parser.add_argument("--json", action="store_true", help="print one JSON list of rows")
    options = parser.parse_args()
    found = []
    for row in rows(quick=options.quick, full=options.full):
        found.append(row)
        if not options.json:
            print(line(row), flush=True)
    if options.json:
        print(to_json(found))


if __name__ == "__main__":
    main()
