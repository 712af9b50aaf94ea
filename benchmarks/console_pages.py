"""What the server needs for one page of the console, with 10,000 usage points and a year of readings in the store."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.harness import Row, main
from benchmarks.http_pages import GOAL_MS, NOW, asked, filled
from gridwright.api.app import make_app
from gridwright.app import Platform
from gridwright.settings import Settings, StoreSettings
from gridwright.web.pages import add_pages

PAGES = {
    "today": "/today",
    "usage points": "/usage-points",
    "search": "/usage-points?search=UP-01999",
    "usage point, a week": "/usage-points/UP-01000?from=2026-11-17",
    "its chart, a week": "/usage-points/UP-01000/chart.json?from=2026-11-17",
    "usage point, two weeks, trusted": "/usage-points/UP-01000?from=2026-11-10&days=14&view=trusted",
    "exceptions": "/exceptions",
    "controls": "/controls",
    "events": "/events",
    "grid": "/grid",
}


def rows(*, quick: bool) -> Iterator[Row]:
    """Ask for each page, again and again, in process: no network, no browser."""
    points, days, times = (2_000, 60, 20) if quick else (10_000, 365, 50)
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Settings(store=StoreSettings(url=str(Path(folder) / "pages.db"))), clock=lambda: NOW)
        key = filled(platform, points, days)
        app = make_app(platform)
        add_pages(app, platform)
        for name, page in PAGES.items():
            took = asyncio.run(asked(app, page, key, times))
            yield Row(f"console: {name}, {points:,} usage points, p95", float(np.percentile(took, 95)), "ms", GOAL_MS)
        platform.close()


if __name__ == "__main__":
    main(rows)
