"""Reading NEM12: a seeded file in memory to columns, and on to panels; beside it, the same rows through pyarrow.csv."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np

from benchmarks.harness import Row, main, more_than, timed
from gridwright.formats.nem12 import NEM12
from gridwright.formats.source import Decoded, ReadOptions
from gridwright.ingest import grid_series


def seeded_file(points: int, days: int, slots: int) -> bytes:
    """Return a NEM12 file of E1 channels with three decimals, one 200 record a point."""
    rng = np.random.default_rng(12)
    lines = [b"100,NEM12,202501010000,MDP1,RET1"]
    for point in range(points):
        lines.append(b"200,NMI%07d,E1,E1,E1,N1,METER%05d,kWh,%d," % (point, point, 1440 // slots))
        values = rng.gamma(0.7, 300, (days, slots)).astype(np.int64) / 1000
        for day in range(days):
            stamp = (date(2025, 1, 1) + timedelta(days=day)).strftime("%Y%m%d").encode()
            numbers = ",".join(map(str, values[day].tolist())).encode()
            lines.append(b"300,%s,%s,A,,,20250201000000,20250201000000" % (stamp, numbers))
    return b"\n".join([*lines, b"900", b""])


def decode(data: memoryview) -> list[Decoded]:
    """Inspect and decode a whole file."""
    dialect = NEM12.inspect(data, "seeded.csv", ReadOptions())
    return [NEM12.decode(data, chunk, dialect) for chunk in NEM12.chunks(data, dialect)]


def arrow(data: bytes) -> int:
    """Read the 300 records alone as a table of one column a slot, as a bare library would."""
    import pyarrow.csv

    rows = b"\n".join(line for line in data.split(b"\n") if line.startswith(b"300,"))
    options = pyarrow.csv.ReadOptions(autogenerate_column_names=True, use_threads=False)
    return int(pyarrow.csv.read_csv(io.BytesIO(rows), read_options=options).num_rows)


def rows(*, quick: bool) -> Iterable[Row]:
    """Measure readings a second of processor time, 30-minute and 5-minute days."""
    for slots, points in ((48, 200), (288, 30)):
        days = 60 if quick else 365
        text = seeded_file(points, days, slots)
        count = points * days * slots
        data = memoryview(text)
        reading = timed(lambda data=data: decode(data))  # type: ignore[misc]
        decoded = decode(data)
        gridding = timed(lambda decoded=decoded: grid_series([part for one in decoded for part in one.series]))  # type: ignore[misc]
        peer = timed(lambda text=text: arrow(text))  # type: ignore[misc]
        rate = count / reading.cpu_s
        comparison = more_than("pyarrow.csv on the 300 records", count / peer.cpu_s, rate)
        yield Row(f"nem12 decode, {1440 // slots} min", rate, "readings/s", ">= 3e6", comparison)
        yield Row(f"ingest to panel, {1440 // slots} min", count / gridding.cpu_s, "readings/s", ">= 1e7")


if __name__ == "__main__":
    main(rows)
