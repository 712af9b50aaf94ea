"""An event on every database: settled by two at once it is settled once, and its payment stands on one bill."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from gridwright.billing import parse_rate_card, postings
from gridwright.billing.credit_line import with_credits
from gridwright.demand_response import Settlement
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.bill import Bill, BillLine, BillState
from gridwright.domain.errors import ArchiveUnreadable, GridwrightError
from gridwright.domain.interval import Interval, local_month, zone_of
from gridwright.domain.month import parse_month
from gridwright.domain.panel import Panel
from gridwright.domain.program import Program
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.billing import run_billing as billing
from gridwright.jobs.billing.run_billing import BillOrder, BillRun, run_billing
from gridwright.jobs.cascade.rerate import rated
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.jobs.programs.measure_event import measured_event
from gridwright.jobs.programs.run_event import plan_event
from gridwright.jobs.programs.settle_event import event_credits, settle_event
from gridwright.jobs.upkeep.archive_months import archive_months
from gridwright.store import Store, open_store
from tests.integration.store.conftest import emptied
from tests.integration.test_cascade_together import waits

ME, SITE = LOCAL_OWNER, SiteDefaults()
HOUR = timedelta(hours=1)
START = datetime(2025, 1, 6, tzinfo=UTC)
PERIOD = Interval(datetime(2025, 2, 26, 17, tzinfo=UTC), datetime(2025, 2, 26, 19, tzinfo=UTC))
AFTER = PERIOD.end + timedelta(days=1)
CARD = parse_rate_card(
    """
[tariff]
id = "flat"
version = 1
currency = "EUR"
tz = "UTC"
[[charges]]
id = "energy"
price = { rate = 0.30 }
""",
    where="a test",
)
FEBRUARY = local_month(2025, 2, zone_of("UTC"))


@pytest.fixture(params=["sqlite", "postgres_url", "mysql_url"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Name a database that holds nothing of these usage points yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/town.db"
    return emptied(str(request.getfixturevalue(request.param)))


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
        assert store.ledger.save_bill(ME, bill, postings(bill)).new
        assert store.ledger.bill(ME, bill.id).bill.lines == bill.lines
        each = balance_grid(store, ME, Interval(START, START + timedelta(days=7)), now=AFTER).node("DR-T")
        assert each is not None
        assert each.loss_share == pytest.approx(40 / 2040)


def test_what_is_archived_is_measured_as_before_and_nothing_is_paid_without_it(address: str, tmp_path: Path) -> None:
    event = prepare(address)
    with open_store(address) as store:
        here = measured_event(store, ME, store.programs.event(ME, event), SITE, AFTER).intervals()
        store.dirty.clear(ME, store.dirty.ranges(ME))
        march = parse_month("2025-03")
        assert archive_months(store, ME, str(tmp_path / "away"), before=march, drop_before=march).dropped
        assert measured_event(store, ME, store.programs.event(ME, event), SITE, AFTER).intervals() == here
        (tmp_path / "away").rename(tmp_path / "elsewhere")
        with pytest.raises(ArchiveUnreadable, match="2025-01 is in the archive"):
            settle_event(store, ME, event, site=SITE, now=AFTER)
        assert store.programs.performances(ME, event=event) == []
        (tmp_path / "elsewhere").rename(tmp_path / "away")
        assert settle_event(store, ME, event, site=SITE, now=AFTER).portfolio.payment == Decimal("1.10")


def bill_february(store: Store) -> BillRun:
    return run_billing(store, ME, BillOrder(["DR-1"], "2025-02"), lambda _: CARD, SITE, now=AFTER)


def meanwhile(real: Callable[..., object], act: Callable[[], None]) -> Callable[..., object]:
    """Return the function with something that happens, once, right after it."""
    left = [act]

    def overtaken(*given: object, **more: object) -> object:
        found = real(*given, **more)
        if left:
            left.pop()()
        return found

    return overtaken


def carried(store: Store) -> list[list[Decimal]]:
    """Return the credits on each bill that stands."""
    kept = [each.bill for each in store.ledger.bills(ME, "DR-1") if each.bill.state is not BillState.CANCELLED]
    return [[line.amount for line in bill.lines if line.amount < 0] for bill in kept]


def test_what_is_settled_while_a_bill_is_made_is_on_it_when_it_is_kept(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    event = prepare(address)

    def settle() -> None:
        with open_store(address) as theirs:
            settle_event(theirs, ME, event, site=SITE, now=AFTER)

    begin = Store.transaction

    def begun(self: Store, *, cascade: str = "", settled: bool = True) -> object:
        monkeypatch.setattr(Store, "transaction", begin)
        settle()
        return begin(self, cascade=cascade, settled=settled)

    with open_store(address) as store:
        # The transaction that begins after the bill was made is the one that keeps it.
        made = meanwhile(rated, lambda: monkeypatch.setattr(Store, "transaction", begun))
        monkeypatch.setattr(billing, "rated", made)
        run = bill_february(store)
        monkeypatch.undo()
        assert carried(store) == [[Decimal("-0.55")]]
        assert [bill.key for bill in run.bills] == [each.bill.key for each in store.ledger.bills(ME, "DR-1")]
        again = bill_february(store)
        assert (again.new, again.replaced) == (0, 0)


def test_who_settles_waits_until_a_bill_that_has_looked_for_credits_is_kept(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two transactions that do not see each other would keep a bill without what was settled before it was kept."""
    event = prepare(emptied(postgres_url))
    order: list[str] = []

    def settle() -> None:
        with open_store(postgres_url) as theirs:
            settle_event(theirs, ME, event, site=SITE, now=AFTER)
            order.append("settled")

    other = threading.Thread(target=settle)

    def begin() -> None:
        other.start()
        while other.is_alive() and not waits(store):
            time.sleep(0.01)
        order.append("kept")

    with open_store(postgres_url) as store:
        monkeypatch.setattr(billing, "event_credits", meanwhile(event_credits, begin))
        assert bill_february(store).new == 1
        monkeypatch.undo()
        other.join()
        assert order == ["kept", "settled"]
        assert carried(store) == [[]]
        # It is a draft still: the next run puts the payment on it.
        run = bill_february(store)
        assert (run.new, run.replaced, carried(store)) == (1, 1, [[Decimal("-0.55")]])
