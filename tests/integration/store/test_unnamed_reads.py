"""Register reads that name their usage point alone are of the meter that hung there, in files as by HTTP."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.panel import Panel
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.store import Store
from gridwright.vee.registers import Registers
from gridwright.vee.steps import steps_of
from tests.integration.store.test_rollovers import ALL_TIME, DAY, HOUR, NOW, START

# How a read is kept is the same for each case.
pytestmark = pytest.mark.few_on_servers(1)

EXCHANGED = START + 2 * DAY + 13 * HOUR
EXCHANGE = MeterExchange("A", Meter("M-2", dials=9, lsb_wh=1), EXCHANGED, Decimal(125), Decimal(0))


def a_point(store: Store) -> None:
    store.registry.save_points(ME, [UsagePoint("A")])
    store.registry.save_meter(ME, Meter("M-1", dials=9, lsb_wh=1))
    store.registry.exchange_meter(ME, install("A", "M-1", ALL_TIME.start))


def import_reads(store: Store, folder: Path, *reads: tuple[datetime, float]) -> None:
    path = folder / f"{reads[0][0]:%d}.csv"
    lines = (f"A,{at:%Y-%m-%dT%H:%M:%SZ},{value}" for at, value in reads)
    path.write_text("\n".join(["usage_point,time,register_kwh", *lines, ""]))
    done = ingest_file(store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)
    assert done.intake.accepted == len(reads), done


def energies(store: Store) -> list[float | None]:
    """Return what is known from read to read in kWh, as it is judged."""
    reads = store.registers.load(ME, "A", ALL_TIME)
    panel = Panel(("A",), START, HOUR, np.full((1, 120), np.nan))
    known = Registers({"A": reads}, store.field.meters(ME, ["A"]), store.field.installations(ME, ["A"]))
    return [None if step.energy is None else step.energy / 1000 for *_, step in steps_of(panel, known, {"A": 100.0})]


def test_a_file_of_reads_without_a_meter_joins_what_hangs_there(store: Store, tmp_path: Path) -> None:
    """From 120 kWh to the final 125, and from the opening 0 to 6: 11 kWh of the day of the exchange are known."""
    a_point(store)
    import_reads(store, tmp_path, (START, 100), (START + DAY, 110), (START + 2 * DAY, 120))
    preview = preview_exchange(store, ME, EXCHANGE, now=NOW)
    assert not any("not of M-1" in doubt for doubt in preview.doubts)
    assert preview.closing_kwh == Decimal(5)
    exchange_meter(store, ME, EXCHANGE, now=NOW)
    import_reads(store, tmp_path, (START + 3 * DAY, 6), (START + 4 * DAY, 16))
    reads = store.registers.load(ME, "A", ALL_TIME)
    assert [(read.end_device, read.epoch) for read in reads] == [("M-1", 0)] * 4 + [("M-2", 1)] * 3
    assert energies(store) == [10, 10, 5, None, 6, 10]


def test_one_file_over_an_exchange_names_both_meters(store: Store, tmp_path: Path) -> None:
    a_point(store)
    exchange_meter(store, ME, EXCHANGE, now=NOW)
    import_reads(store, tmp_path, *((START + DAY * day, value) for day, value in enumerate((100, 110, 120, 6, 16))))
    reads = store.registers.load(ME, "A", ALL_TIME)
    assert [read.end_device for read in reads] == ["M-1"] * 4 + ["M-2"] * 3
    assert energies(store) == [10, 10, 5, None, 6, 10]


def test_reads_that_were_stored_without_a_meter_count_as_the_meters_that_hung_there(
    store: Store, tmp_path: Path
) -> None:
    a_point(store)
    unnamed = [RegisterReading("A", START + DAY * day, 100_000.0 + 10_000 * day) for day in range(3)]
    store.registers.save(ME, unnamed, known_at=NOW)
    assert preview_exchange(store, ME, EXCHANGE, now=NOW).closing_kwh == Decimal(5)
    exchange_meter(store, ME, EXCHANGE, now=NOW)
    later = [RegisterReading("A", START + DAY * day, value, "", 2) for day, value in ((3, 6_000.0), (4, 16_000.0))]
    store.registers.save(ME, later, known_at=NOW)
    assert energies(store) == [10, 10, 5, None, 6, 10]
    import_reads(store, tmp_path, (START + 5 * DAY, 20))
    assert energies(store) == [10, 10, 5, None, 6, 10, 4]


def test_where_nothing_hung_a_read_names_no_meter(store: Store, tmp_path: Path) -> None:
    store.registry.save_points(ME, [UsagePoint("A")])
    import_reads(store, tmp_path, (START, 100), (START + DAY, 110))
    assert [read.end_device for read in store.registers.load(ME, "A", ALL_TIME)] == ["", ""]
    assert energies(store) == [10]
