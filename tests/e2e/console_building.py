"""The small town, served with its console on a real port, for a real browser."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from gridwright.api.app import make_app
from gridwright.app.live import refresh_outlooks
from gridwright.domain.access import LOCAL_OWNER
from gridwright.web.pages import add_pages
from tests.integration.api.small_town import Town, build, platform_at

PASSWORD = "a long enough password"  # noqa: S105 - of the test's own town
STARTED_S = 30


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, Town]]:
    """Serve the town until the block ends; yields the address and the town's ids."""
    town = build(folder)
    platform = platform_at(folder)
    refresh_outlooks(platform)
    for name in ("admin", "own", "second"):
        platform.store.identities.set_password(LOCAL_OWNER, name, PASSWORD)
    app = make_app(platform)
    add_pages(app, platform)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        pause = threading.Event()
        for _ in range(STARTED_S * 50):
            if server.started:
                break
            pause.wait(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://localhost:{port}", town
    finally:
        server.should_exit = True
        thread.join(STARTED_S)
        platform.close()
