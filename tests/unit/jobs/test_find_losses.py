"""V37: a node that loses more than it can is doubted day by day at its master meter, until the readings are right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.topology import Connection, Node, NodeKind
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.find_losses import note_losses
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.grid.balance_grid import balance_grid
from gridwright.store import Store, open_store

START = datetime(2025, 3, 3, 5, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
PERIOD = Interval(START, START + 3 * DAY)
EVER = Interval(START - 900 * DAY, START + 900 * DAY)
SITE = SiteDefaults()


@pytest.fixture
def store() -> Iterator[Store]:
    with open_store("sqlite://") as opened:
        opened.registry.save_points(ME, [UsagePoint(name, "Europe/Berlin") for name in ("A", "B", "M1", "M2")])
        opened.network.save_nodes(ME, [Node("T1", NodeKind.TRANSFORMER, meter="M1")])
        opened.network.connect(ME, [Connection(name, "T1", EVER) for name in "AB"])
        for name, value in (("A", 300.0), ("B", 700.0), ("M1", 1030.0)):
            save(opened, name, value)
        yield opened


def save(store: Store, name: str, value: float, since: datetime = START, hours: int = 72) -> None:
    store.readings.save(ME, Panel((name,), since, HOUR, np.full((1, hours), value)), known_at=PERIOD.end)


def losses(store: Store) -> list[tuple[str, Interval, str]]:
    note_losses(store, ME, balance_grid(store, ME, PERIOD, now=PERIOD.end), SITE)
    found = [each for each in store.findings.load(ME) if each.code == "V37_balance"]
    return [(each.usage_point, each.period, each.message) for each in found]


def test_what_a_transformer_loses_by_technical_reasons_is_no_doubt(store: Store) -> None:
    assert losses(store) == []


def test_a_night_without_a_meter_is_doubted_until_its_readings_come(store: Store) -> None:
    night = datetime(2025, 3, 4, 23, tzinfo=UTC)  # midnight in Berlin
    save(store, "B", 100.0, night, 4)
    ((point, period, message),) = losses(store)
    assert (point, period) == ("M1", Interval(night, night + DAY))
    assert message.startswith("41.7% of what went into T1 by night on 2025-03-05 did not arrive")
    # Judging readings again does not take it away; readings that are right do.
    correct(store, ME, SITE, now=PERIOD.end)
    assert len(losses(store)) == 1
    save(store, "B", 700.0, night, 4)
    assert losses(store) == []


def test_a_node_without_readings_is_not_judged(store: Store) -> None:
    store.network.save_nodes(ME, [Node("T2", NodeKind.TRANSFORMER, meter="M2")])
    assert losses(store) == []
