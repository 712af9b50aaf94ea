"""The buffer's part of the fault drill: the centre is away until the edge's buffer is full, which refuses or drops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gridwright.edge.status import read_status
from tests.integration.fault_drill_row import PAUSE, some
from tests.integration.patience import await_progress

if TYPE_CHECKING:
    from tests.integration.fault_drill import Fault, Load, Site

PADDING = 6_000  # bytes around a reading, which the edge keeps: the smallest buffer is then full of a few hundred


@contextmanager
def buffer_full(site: Site) -> Iterator[Fault]:
    """Let the edge's buffer get full, which refuses more: nothing is lost, for whoever was refused sends again."""
    site.edge_env |= {"GRIDWRIGHT_EDGE__LIMIT_MB": "1", "GRIDWRIGHT_EDGE__ON_FULL": "refuse"}
    site.padding = PADDING

    def fill(site: Site, load: Load) -> None:
        caught = site.caught
        site.kill_centre()
        refused = load.refused
        await_progress(lambda: load.acknowledged + load.refused, lambda _: load.refused > refused + 5, "a full buffer")
        site.caught = caught + 1  # a full buffer, whatever waited in the journal
        _restart(site)
        site.start_centre()
        site.met()
        load.more(some())

    yield fill


@contextmanager
def buffer_drops(site: Site) -> Iterator[Fault]:
    """Let the edge's buffer get full, which drops the oldest: each number that is gone is told to the centre."""
    site.edge_env |= {"GRIDWRIGHT_EDGE__LIMIT_MB": "1", "GRIDWRIGHT_EDGE__ON_FULL": "drop-oldest"}
    site.padding = PADDING
    site.drops = True

    def fill(site: Site, load: Load) -> None:
        caught = site.caught
        site.kill_centre()
        dropped = _dropped(site)
        await_progress(lambda: load.acknowledged, lambda _: _dropped(site) > dropped, "a buffer that drops", 0.2)
        load.more(some())
        site.caught = caught + 1  # a full buffer, whatever waited in the journal
        _restart(site)
        site.start_centre()
        site.met()
        load.more(some())

    yield fill


def _dropped(site: Site) -> int:
    return int(read_status(site.buffer)["dropped"])


def _restart(site: Site) -> None:
    """Kill the edge now and then, while its buffer is full."""
    if PAUSE.random() < 0.5:
        site.kill_edge()
        site.start_edge()
