"""The town of `make demo`: three usage points, thirteen months of quarter-hours and a handful of visible faults.

Run as `python -m gridwright.simulate.demo_file FOLDER` it writes FOLDER/town.csv.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import date
from pathlib import Path

from gridwright.domain.errors import UsageError
from gridwright.domain.interval import Interval, local_midnight, zone_of
from gridwright.simulate.faults import inject
from gridwright.simulate.homes import simulate_homes
from gridwright.simulate.town import FaultKind, Kind, Town
from gridwright.simulate.writers import to_long_csv

ZONE = "Europe/Berlin"
SEED = 20_250_401
FIRST_ID = 1042
KINDS = (Kind.HOME, Kind.PV_HOME, Kind.SHOP)
FAULTS = (
    FaultKind.GAP_SHORT,
    FaultKind.GAP_DAY,
    FaultKind.GAP_WEEK,
    FaultKind.SPIKE,
    FaultKind.STUCK,
    FaultKind.ZERO_RUN,
    FaultKind.NEGATIVE,
    FaultKind.DUPLICATE,
    FaultKind.LATE,
    FaultKind.CORRECTED,
    FaultKind.DST_STAMPS,
)


def demo_period() -> Interval:
    """Return March 2024 to March 2025, whole local months."""
    zone = zone_of(ZONE)
    return Interval(local_midnight(date(2024, 3, 1), zone), local_midnight(date(2025, 4, 1), zone))


def demo_town() -> Town:
    """Return the demo's town: a home, a home with PV and a shop, one fault of each kind."""
    town = simulate_homes(len(KINDS), demo_period(), SEED, zone=ZONE, kinds=KINDS, first_id=FIRST_ID)
    return inject(town, SEED, kinds=FAULTS)


def demo_csv() -> bytes:
    """Return the demo's meter file."""
    return to_long_csv(demo_town())


def main(arguments: Sequence[str]) -> None:
    """Write town.csv into the folder named first, which is made where it is absent."""
    if len(arguments) != 1:
        raise UsageError("one folder is needed", remedy="python -m gridwright.simulate.demo_file FOLDER")
    folder = Path(arguments[0])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "town.csv"
    path.write_bytes(demo_csv())
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
