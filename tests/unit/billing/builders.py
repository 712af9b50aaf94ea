"""Builders that the billing tests share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright import billing
from gridwright.domain.bill import Bill
from gridwright.domain.interval import Interval, parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.rate import RateCard
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.domain.usage_point import UsagePoint

BERLIN = "Europe/Berlin"
KNOWN = datetime(2026, 12, 1, tzinfo=UTC)
HEAD = '[tariff]\nid = "t"\nversion = 1\ncurrency = "EUR"\n'


def a_card(text: str, *, head: str = HEAD) -> RateCard:
    return billing.parse_rate_card(head + text, where="card.toml")


def a_period(text: str, zone: str = BERLIN) -> Interval:
    return parse_period(text, zone_of(zone))


def a_panel(
    values: npt.ArrayLike, start: datetime, *, minutes: int = 60, kind: ReadingType = DELIVERED_ENERGY
) -> Panel:
    rows = np.atleast_2d(np.asarray(values, dtype=np.float64))
    points = tuple(f"UP-{row + 1}" for row in range(rows.shape[0]))
    return Panel(points, start, timedelta(minutes=minutes), rows, reading_type=kind)


def flat(period: Interval, wh: float, *, minutes: int = 60, kind: ReadingType = DELIVERED_ENERGY) -> Panel:
    return a_panel(np.full(period.slots(timedelta(minutes=minutes)), wh), period.start, minutes=minutes, kind=kind)


def a_bill(panel: Panel, card: RateCard, **options: Any) -> Bill:  # noqa: ANN401 - passed on to rate
    options = {"usage_point": UsagePoint("UP-1", BERLIN), "known_at": KNOWN, **options}
    return billing.rate(panel, card, **options)
