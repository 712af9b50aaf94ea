"""Energy derived from late register reads stands where nothing was measured, also in months that the archive has."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from gridwright.api.ingest.json import decode_json
from gridwright.api.ingest.meaning import Said
from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Meter
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.store import Store
from tests.integration.store.test_rollovers import NOW, START, a_place

QUARTER = timedelta(minutes=15)
MEASURED = 105.0
NEXT = parse_month(f"{START + timedelta(days=31):%Y-%m}")


@pytest.mark.parametrize("together", [False, True])
@pytest.mark.parametrize("journal", [False, True])
def test_what_a_meter_measured_in_a_dropped_month_stays(
    store: Store, tmp_path: Path, *, journal: bool, together: bool
) -> None:
    home = a_place(store, Meter("M-1", dials=9, lsb_wh=1), 1000.0)
    profile = np.full((1, 96), MEASURED)
    profile[0, 2] = np.nan
    for image in Image:
        store.readings.save(ME, Panel(("UP-1",), START, QUARTER, profile), known_at=NOW, image=image)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    archive_months(store, ME, str(tmp_path / "archive"), before=NEXT, drop_before=NEXT)
    late = [{"meter": "M-1", "at": (START + QUARTER * n).isoformat(), "register_kwh": 1000 + n / 10} for n in range(5)]
    for records in [late] if together else [[each] for each in late]:
        home.post(decode_json(msgspec.json.encode(records), Said(), NOW), journal=journal)
    period = Interval(START, START + 4 * QUARTER)
    (row,) = store.readings.load(ME, "UP-1", period, interval=QUARTER).values.tolist()
    assert [*row[:2], row[3]] == [MEASURED] * 3
    assert row[2] > 0  # nobody measured it
