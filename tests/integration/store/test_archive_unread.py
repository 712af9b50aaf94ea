"""Late readings of another interval length than an archived month has, whose file could not be read when they came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.jobs.upkeep.archive_months import archive_months, restore_month
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store

DAY = datetime(2025, 3, 20, tzinfo=UTC)
NEXT = parse_month("2025-04")
KNOWN = datetime(2025, 5, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def panel_of(minutes: int, value: float) -> Panel:
    values = np.full((1, 1440 // minutes), np.nan)
    values[0, :2] = value
    return Panel(("a",), DAY, timedelta(minutes=minutes), values)


def test_they_are_put_aside_when_the_month_is_back(store: Store, tmp_path: Path) -> None:
    store.readings.save(ME, panel_of(15, 1.0), known_at=KNOWN, register=True)
    store.dirty.clear(ME, store.dirty.ranges(ME))
    archive_months(store, ME, str(tmp_path), before=NEXT, drop_before=NEXT)
    (path,) = tmp_path.rglob("readings/*/*-raw-*.parquet")
    content = path.read_bytes()
    path.write_bytes(content[:100])
    for hour, value in ((1, 2.0), (2, 3.0)):
        store.readings.save(ME, panel_of(30, value), known_at=KNOWN + hour * HOUR)
    path.write_bytes(content)
    assert restore_month(store, ME, NEXT - 1)
    whole = Interval(DAY, DAY + timedelta(days=1))
    assert store.readings.load(ME, "a", whole).values[0, :3].tolist()[:2] == [1.0, 1.0]
    assert [each.readings for each in store.readings.extents(ME, ["a"])] == [2]
    aside = store.journal.put_aside(ME)
    assert [(each.readings, each.received) for each in aside] == [(2, KNOWN + hour * HOUR) for hour in (1, 2)]
    assert all("0:30:00 do not fit the stored ones of 0:15:00" in each.reason for each in aside)
    assert {each.name for each in verify_store(store, ME).checks if each.faults} == {"journal"}
