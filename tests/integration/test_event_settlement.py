"""An event on every database: settled by two at once it is settled once, and its payment stands on one bill."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.billing import postings
from gridwright.billing.credit_line import with_credits
from gridwright.demand_response import Settlement
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.bill import Bill, BillLine
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval, local_month, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.program import Program
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.programs.run_event import plan_event
from gridwright.jobs.programs.settle_event import event_credits, settle_event
from gridwright.store import open_store
from tests.integration.store.conftest import empty

ME, SITE = LOCAL_OWNER, SiteDefaults()
HOUR = timedelta(hours=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
PERIOD = Interval(datetime(2025, 2, 26, 17, tzinfo=UTC), datetime(2025, 2, 26, 19, tzinfo=UTC))
AFTER = PERIOD.end + timedelta(days=1)
FEBRUARY = local_month(2025, 2, zone_of("UTC"))


@pytest.fixture(params=["sqlite", "postgres_url", "mysql_url"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database that holds nothing of these usage points yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/town.db"
    url = str(request.getfixturevalue(request.param))
    with open_store(url) as store:
        empty(store)
    return url


def prepare(address: str) -> str:
    """Put two usage points below a transformer, and an event in which each does without 1.1 kWh."""
    with open_store(address) as store:
        store.registry.save_points(ME, [UsagePoint(name) for name in ("DR-1", "DR-2", "DR-M")])
        store.network.save_nodes(ME, [Node("DR-T", NodeKind.TRANSFORMER, meter="DR-M")])
        ever = Interval(START, START + timedelta(days=900))
        store.network.connect(ME, [Connection(name, "DR-T", ever) for name in ("DR-1", "DR-2")])
        store.programs.save_program(ME, Program("peak", "Peak saver", "EUR", Decimal("0.50")))
        values = np.full((3, 52 * 24), 1000.0)
        values[2] = 2040
        first = (PERIOD.start - START) // HOUR
        values[:2, first : first + 2] = 400, 500
        values[2, first : first + 2] = 820, 1020
        panel = Panel(("DR-1", "DR-2", "DR-M"), START, HOUR, values)
        store.readings.save(ME, panel, known_at=panel.end)
        made = plan_event(store, ME, program="peak", period=PERIOD, targets=("DR-1", "DR-2"), now=PERIOD.start - HOUR)
    return made.id


def test_settled_by_two_at_once_it_is_settled_and_paid_once(address: str) -> None:
    event = prepare(address)
    done: list[Settlement] = []
    failed: list[GridwrightError] = []

    def settle() -> None:
        with open_store(address) as store:
            try:
                done.append(settle_event(store, ME, event, site=SITE, now=AFTER))
            except GridwrightError as error:
                failed.append(error)

    workers = [threading.Thread(target=settle) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    with open_store(address) as store:
        statement = settle_event(store, ME, event, site=SITE, now=AFTER)
        assert [each for each in done if each != statement] == []
        assert len(done) + len(failed) == 2
        assert statement.portfolio.payment == Decimal("1.10")
        assert len(store.programs.performances(ME, event=event)) == 2
        credits_ = event_credits(store, ME, "DR-1", FEBRUARY)
        line = BillLine("energy", "Energy", Decimal(10), "kWh", Decimal("0.30"), "EUR")
        bill = Bill("DR-1-x", "d" * 64, "DR-1", FEBRUARY, "UTC", "c 1", "EUR", (line,), "u", AFTER)
        bill = with_credits(bill, credits_)
        assert bill.total == Decimal("2.45")
        assert store.ledger.save_bill(ME, bill, postings(bill))
        assert store.ledger.bill(ME, bill.id).bill.lines == bill.lines
        each = balance_grid(store, ME, Interval(START, START + timedelta(days=7)), now=AFTER).node("DR-T")
        assert each is not None
        assert each.loss_share == pytest.approx(40 / 2040)
