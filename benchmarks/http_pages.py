"""What the server needs for one page of the API, with 10,000 usage points and a year of readings in the store."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.harness import Row, main
from gridwright.api.app import make_app
from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.finding import Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.usage_point import UsagePoint
from gridwright.settings import Settings, StoreSettings

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
GOAL_MS = "<= 200"
YEAR = "from=2025-12-01T00:00:00Z&to=2026-11-25T00:00:00Z"
PAGES = {
    "list of usage points": "/v1/usage-points",
    "list of usage points, 1,000 a page": "/v1/usage-points?limit=1000",
    "search for a usage point": "/v1/usage-points?search=UP-01999",
    "a year of intervals": f"/v1/usage-points/UP-01000/interval-blocks?{YEAR}",
    "a year in 1,000 columns": f"/v1/usage-points/UP-01000/interval-blocks?{YEAR}&points=1000",
    "list of findings": "/v1/findings",
    "findings, 1,000 a page": "/v1/findings?limit=1000",
    "status": "/v1/status",
    "a forecast, computed": "/v1/usage-points/UP-01000/forecast",
}


def rows(*, quick: bool) -> Iterator[Row]:
    """Ask for each page, again and again, in process: no network, no client."""
    points, days, times = (2_000, 60, 20) if quick else (10_000, 365, 100)
    with tempfile.TemporaryDirectory() as folder:
        platform = Platform(Settings(store=StoreSettings(url=str(Path(folder) / "pages.db"))), clock=lambda: NOW)
        key = filled(platform, points, days)
        app = make_app(platform)
        for name, page in PAGES.items():
            took = asyncio.run(asked(app, page, key, times))
            yield Row(f"{name}, {points:,} usage points, p95", float(np.percentile(took, 95)), "ms", GOAL_MS)
        platform.close()


def filled(platform: Platform, points: int, days: int) -> str:
    """Fill the store with hourly readings and a finding for everybody; return the admin's key."""
    store = platform.store
    key = store.identities.bootstrap(NOW)
    names = [f"UP-{at:05}" for at in range(points)]
    store.registry.save_points(LOCAL_OWNER, [UsagePoint(name, "Europe/Berlin") for name in names])
    random = np.random.default_rng(7)
    first = NOW.replace(hour=0) - timedelta(days=days)
    for day in range(0, days, 30):
        slots = 24 * min(30, days - day)
        for at in range(0, points, 2_000):
            part = tuple(names[at : at + 2_000])
            values = random.integers(0, 900, (len(part), slots)).astype(float)
            store.readings.save(LOCAL_OWNER, Panel(part, first + timedelta(days=day), HOUR, values), known_at=NOW)
    period = Interval(NOW - timedelta(days=1), NOW)
    doubts = [Finding("V17_stuck", name, period, Severity.WARN, "the same value for hours") for name in names]
    store.findings.save(LOCAL_OWNER, doubts, known_at=NOW)
    return key or ""


async def asked(app: Any, page: str, key: str, times: int) -> list[float]:  # noqa: ANN401 - an ASGI application
    """Return how many milliseconds each of some requests took, after one to warm up."""
    url = urlsplit(page)
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": url.path,
        "raw_path": url.path.encode(),
        "query_string": url.query.encode(),
        "headers": [(b"x-api-key", key.encode()), (b"host", b"localhost")],
        "server": ("localhost", 80),
        "client": ("localhost", 1),
    }
    took = []
    for _ in range(times + 1):
        began = time.perf_counter()
        status = await one(app, dict(scope))
        took.append(1000 * (time.perf_counter() - began))
        if status != 200:
            raise RuntimeError(f"{page} was answered with {status}")
    return took[1:]


async def one(app: Any, scope: dict[str, Any]) -> int:  # noqa: ANN401 - an ASGI application
    """Do one request and return its status."""
    found = 0

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        nonlocal found
        found = message.get("status", found)

    await app(scope, receive, send)
    return found


if __name__ == "__main__":
    main(rows)
