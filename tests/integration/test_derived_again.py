"""Energy derived from registers follows a change of factor or meter booked late, its cancelling, and its reads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import Meter, UsagePoint, install
from gridwright.formats.source import ReadOptions
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.files.ingest_file import ingest_file
from gridwright.jobs.meters.cancel_exchange import ExchangeCancelling, cancel, preview_cancel
from gridwright.jobs.meters.exchange_meter import MeterExchange, exchange_meter
from gridwright.jobs.meters.preview_exchange import preview_exchange
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied

pytestmark = pytest.mark.servers_in_turn

START = datetime(2026, 10, 1, tzinfo=UTC)
DAY, HALF = timedelta(days=1), timedelta(minutes=30)
BOTH = Interval(START, START + 2 * DAY)
NOW = START + 9 * DAY
NUMBERS = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgres", "mysql"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    if request.param == "sqlite":
        address = f"sqlite:///{Path(tmp_path_factory.mktemp('derived'))}/store.db"
    else:
        address = emptied(str(request.getfixturevalue(f"{request.param}_url")))
    with open_store(address) as opened:
        yield opened


@pytest.fixture
def name(store: Store) -> str:
    """A usage point whose meter hangs since the first, 0 on its register."""
    name = f"C{next(NUMBERS)}"
    store.registry.save_points(ME, [UsagePoint(name, capacity_kw=1000.0)])
    store.registry.save_meter(ME, Meter(f"{name}-OLD", dials=9))
    store.registry.save_installation(ME, install(name, f"{name}-OLD", START))
    return name


def read(store: Store, folder: Path, meter: str, shown: dict[int, float], off: timedelta = timedelta()) -> None:
    """Import what a register shows after so many half-hours, in kWh; `off`: so much later."""
    rows = [f"{meter},{START + half * HALF + off:%Y-%m-%dT%H:%M}Z,{kwh:.1f}" for half, kwh in shown.items()]
    path = folder / f"{next(NUMBERS)}.csv"
    path.write_text("\n".join(["meter,time,register_kwh", *rows, ""]))
    ingest_file(store, ME, path, ReadOptions(kind="cumulative"), known_at=NOW)


def two_days(store: Store, folder: Path, name: str) -> None:
    """Half a kWh each half-hour, by the register alone: 48 kWh on two days."""
    read(store, folder, f"{name}-OLD", {half: half / 2 for half in range(97)})


def order(name: str, at: datetime, factor: int, kwh: str, *, meter: str = "OLD", opening: str = "") -> MeterExchange:
    reads = Decimal(kwh), Decimal(opening or kwh)
    return MeterExchange(name, Meter(f"{name}-{meter}", dials=9), at, *reads, Decimal(factor))


def total(store: Store, name: str) -> float:
    """Cascade, and return the final energy of both days, of which the raw one must be the same."""
    correct(store, ME, SiteDefaults(), now=NOW)
    raw, final = (store.readings.load(ME, name, BOTH, image=image) for image in (Image.RAW, Image.FINAL))
    assert np.array_equal(raw.values, final.values, equal_nan=True)
    return round(float(final.total_kwh()[0]), 6)


def codes(store: Store, name: str) -> set[str]:
    """Return the doubts that fail, and V03: what is derived again did not come again."""
    found = store.findings.load(ME, [name])
    return {each.code for each in found if each.severity == "fail" or each.code == "V03_duplicate"}


def test_a_factor_booked_late_counts_from_its_day_on(store: Store, tmp_path: Path, name: str) -> None:
    """24 kWh on the first day, forty times 24 on the second: 984 kWh."""
    two_days(store, tmp_path, name)
    assert total(store, name) == 48.0
    change = order(name, START + DAY, 40, "24")
    told = preview_exchange(store, ME, change, now=NOW).doubts
    assert any("48 intervals" in each and "960.000 kWh instead of 24.000 kWh" in each for each in told)
    assert total(store, name) == 48.0
    exchange_meter(store, ME, change, now=NOW)
    assert (total(store, name), codes(store, name)) == (984.0, set())
    exchange_meter(store, ME, change, now=NOW)
    assert total(store, name) == 984.0


def test_its_cancelling_takes_it_back(store: Store, tmp_path: Path, name: str) -> None:
    two_days(store, tmp_path, name)
    exchange_meter(store, ME, order(name, START + DAY, 40, "24"), now=NOW)
    assert total(store, name) == 984.0
    undo = ExchangeCancelling(name, START + DAY, "the factor is 20")
    assert any("24.000 kWh instead of 960.000 kWh" in each for each in preview_cancel(store, ME, undo).doubts)
    assert total(store, name) == 984.0
    cancel(store, ME, undo, now=NOW)
    assert (total(store, name), codes(store, name)) == (48.0, set())
    exchange_meter(store, ME, order(name, START + DAY, 20, "24"), now=NOW)
    assert total(store, name) == 504.0


def test_the_interval_in_which_it_was_holds_both_parts(store: Store, tmp_path: Path, name: str) -> None:
    """0.1 kWh until six past and forty times 0.4 after it, then 47 intervals of 20 kWh: 24 + 16.1 + 940."""
    two_days(store, tmp_path, name)
    at = START + DAY + timedelta(minutes=6)
    exchange_meter(store, ME, order(name, at, 40, "24.1"), now=NOW)
    assert total(store, name) == 980.1
    cancel(store, ME, ExchangeCancelling(name, at, "never was"), now=NOW)
    assert total(store, name) == 48.0


def test_a_read_of_the_exchange_that_is_corrected_corrects_it(store: Store, tmp_path: Path, name: str) -> None:
    """Opened at 23.9 instead of 24.0 the first interval holds 0.1 kWh more, forty times: 4 kWh."""
    two_days(store, tmp_path, name)
    exchange_meter(store, ME, order(name, START + DAY, 40, "24"), now=NOW)
    exchange_meter(store, ME, order(name, START + DAY, 40, "24", opening="23.9"), now=NOW)
    assert total(store, name) == 988.0


def test_what_was_measured_stays(store: Store, tmp_path: Path, name: str) -> None:
    """Three intervals say another energy than the registers: they were measured, and 45 are derived."""
    two_days(store, tmp_path, name)
    values = np.full((1, 3), 7000.0)
    store.readings.save(ME, Panel((name,), START + DAY + 4 * HALF, HALF, values), known_at=NOW)
    exchange_meter(store, ME, order(name, START + DAY, 40, "24"), now=NOW)
    raw = store.readings.load(ME, name, BOTH)
    assert raw.values[0, 52:55].tolist() == [7000.0] * 3
    assert float(raw.total_kwh()[0]) == 24 + 45 * 20 + 21


def test_reads_that_count_again_count_with_the_new_factor(store: Store, tmp_path: Path, name: str) -> None:
    """A new meter with a wrong factor, cancelled with its reads, exchanged anew: forty times, not ten."""
    read(store, tmp_path, f"{name}-OLD", {half: half / 2 for half in range(49)})
    exchange_meter(store, ME, order(name, START + DAY, 10, "24", meter="NEW", opening="0"), now=NOW)
    read(store, tmp_path, f"{name}-NEW", {half: (half - 48) / 2 for half in range(49, 97)})
    assert total(store, name) == 24 + 240.0
    cancel(store, ME, ExchangeCancelling(name, START + DAY, "the factor is 40", with_reads=True), now=NOW)
    exchange_meter(store, ME, order(name, START + DAY, 40, "24", meter="NEW", opening="0"), now=NOW)
    assert (total(store, name), codes(store, name)) == (984.0, set())


def test_reads_that_came_before_their_meter_was_on_record_follow_too(store: Store, tmp_path: Path) -> None:
    """They name no meter: they are of the one that hung there, as is said later."""
    name = f"C{next(NUMBERS)}"
    store.registry.save_points(ME, [UsagePoint(name, capacity_kw=1000.0)])
    read(store, tmp_path, name, {half: half / 2 for half in range(97)})
    assert total(store, name) == 48.0
    first = MeterExchange(name, Meter(f"{name}-OLD", dials=9), START, None, Decimal(0))
    exchange_meter(store, ME, first, now=NOW)
    assert total(store, name) == 48.0
    exchange_meter(store, ME, order(name, START + DAY, 40, "24"), now=NOW)
    assert (total(store, name), codes(store, name)) == (984.0, set())
    cancel(store, ME, ExchangeCancelling(name, START + DAY, "never was"), now=NOW)
    assert total(store, name) == 48.0


def test_energy_of_an_archived_month_follows_too(tmp_path: Path) -> None:
    """The month is dropped from the database: what its registers told is read in the archive, and told anew."""
    with open_store(f"sqlite:///{tmp_path}/store.db") as store:
        store.registry.save_points(ME, [UsagePoint("C", capacity_kw=1000.0)])
        store.registry.save_meter(ME, Meter("C-OLD", dials=9))
        store.registry.save_installation(ME, install("C", "C-OLD", START))
        two_days(store, tmp_path, "C")
        correct(store, ME, SiteDefaults(), now=NOW)
        november = parse_month("2026-11")
        done = archive_months(store, ME, str(tmp_path / "archive"), before=november, drop_before=november)
        assert done.dropped
        exchange_meter(store, ME, order("C", START + DAY, 40, "24"), now=NOW)
        assert round(float(store.readings.load(ME, "C", BOTH).total_kwh()[0]), 6) == 984.0
        again = archive_months(store, ME, str(tmp_path / "archive"), before=november, drop_before=november)
        assert not again.failed
        assert round(float(store.readings.load(ME, "C", BOTH).total_kwh()[0]), 6) == 984.0
