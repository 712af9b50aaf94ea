"""Billing: determinants of many meters, bills with explained lines, PDF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from benchmarks.harness import Peer, Row, main, more_than, timed
from gridwright import billing
from gridwright.billing.determinants import interval_labels, label_sums, one_hot
from gridwright.documents.bill_pdf import bill_pdf
from gridwright.domain.interval import parse_period, zone_of
from gridwright.domain.panel import Panel
from gridwright.domain.rate import RateCard
from gridwright.domain.usage_point import UsagePoint

ZONE = "Europe/Berlin"
KNOWN = datetime(2026, 6, 1, tzinfo=UTC)
CARD = """
[tariff]
id = "bench"
version = 1
currency = "EUR"
[calendars.c]
labels = ["low", "middle", "high"]
weekday = [[0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 1, 0, 0]]
weekend = [[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
holidays = "DE-BE"
[[charges]]
id = "energy"
quantity = { when = { calendar = "c" } }
price = { by_label = { low = 0.219, middle = 0.289, high = 0.399 } }
[[charges]]
id = "standing"
quantity = { reduce = "one" }
price = { rate = 12.9 }
[[taxes]]
code = "vat"
rate = 0.19
"""


def month(meters: int) -> Panel:
    """Return a May of quarter-hours of whole watt-hours."""
    period = parse_period("2026-05", zone_of(ZONE))
    values = np.random.default_rng(3).integers(0, 900, (meters, 2976)).astype(np.float64)
    return Panel(tuple(f"UP-{n}" for n in range(meters)), period.start, timedelta(minutes=15), values)


def loop(panel: Panel, card: RateCard) -> float:
    """Return meter-months a second of one bincount by label for each meter: the plain numpy way."""
    labels = interval_labels(panel, card.calendars[0], (), ZONE)
    few = panel.values[:1000]
    taken = timed(lambda: [np.bincount(labels, weights=row, minlength=3) for row in few])
    return len(few) / taken.cpu_s


def rows(*, quick: bool) -> Iterator[Row]:
    """Measure sums, sums with quality, bills and PDF; rates count processor time."""
    card = billing.parse_rate_card(CARD, where="benchmark")
    panel = month(4_000 if quick else 20_000)
    meters = len(panel.points)
    hot = one_hot(interval_labels(panel, card.calendars[0], (), ZONE).tobytes(), 3)
    sums = meters / timed(lambda: label_sums(panel.values, hot), runs=5).cpu_s
    peer = more_than("numpy bincount for each meter", loop(panel, card), sums)
    yield Row("billing: sums by label", sums, "meter-months/s", ">= 1e5", peer)
    full = meters / timed(lambda: billing.determinants(panel, card, ZONE), runs=5).cpu_s
    yield Row("billing: determinants with quality", full, "meter-months/s")
    few = panel.rows(range(1000))
    yield Row("billing: bills with explained lines", bills(few, card), "bills/s", ">= 850")
    yield Row("billing: PDF", *pdfs(few, card, 50 if quick else 300))


def bills(panel: Panel, card: RateCard) -> float:
    """Return bills a second of one run over the panel."""
    points = [UsagePoint(name, ZONE) for name in panel.points]
    taken = timed(lambda: list(billing.rate_all(panel, card, usage_points=points, known_at=KNOWN)))
    return len(points) / taken.cpu_s


def pdfs(panel: Panel, card: RateCard, count: int) -> tuple[float, str, str, Peer | None]:
    """Return PDF files a second, each of another bill."""
    bill = billing.rate(panel.rows([0]), card, usage_point=UsagePoint("UP-0", ZONE), known_at=KNOWN)
    bill_pdf(bill)
    taken = timed(lambda: [bill_pdf(replace(bill, id=f"B-{n}")) for n in range(count)], runs=1)
    return count / taken.cpu_s, "PDF/s", "", None


if __name__ == "__main__":
    main(rows)
