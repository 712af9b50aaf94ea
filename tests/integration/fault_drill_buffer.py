"""The buffer's part of the fault drill: the centre is away until the edge's buffer is full, which refuses or drops."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.edge.status import read_status
from tests.integration.fault_drill_row import PAUSE, some
from tests.integration.patience import await_progress

if TYPE_CHECKING:
    from gridwright.edge.gone import Numbers
    from gridwright.store import Store
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


def ranges_told(store: Store) -> list[Numbers]:
    """Return the runs of numbers that the centre knows as lost, as it has audited them: epoch, first and last."""
    told: list[Numbers] = []
    for record in reversed(store.audit.records(ME, limit=1_000_000)):
        for part in filter(None, str(record.detail.get("numbers", "")).split(", ")):
            epoch, (first, last) = str(record.detail["epoch"]), map(int, part.split("-"))
            if told and (told[-1][0], told[-1][2] + 1) == (epoch, first):
                first = told.pop()[1]
            told.append((epoch, first, last))
    return told


def dropped_of(
    gone: Sequence[Sequence[int]], newest: Sequence[int], ranges: Sequence[Numbers], told: int, resent: int
) -> int:
    """Return how many of the slots that are gone were dropped by the edge as it was set to: the oldest, and told.

    `newest`: of each meter, the slot that it sends next. `told`: how many numbers the centre knows as lost; among them
    requests whose answer never came, and which came again.
    """
    dropped = sum(map(len, gone))
    assert dropped <= told <= dropped + resent, (dropped, told, resent)
    assert told == sum(last - first + 1 for _, first, last in ranges), (told, ranges)
    for slots, following in zip(gone, newest, strict=True):
        # A meter sends a slot once the one before is acknowledged, so its slots rise with the numbers, and between two
        # that are gone in one range of numbers nothing of it arrived: it has no more rows than there are ranges. One
        # outage may have several: while the centre takes a batch, slowly, what is behind it in the buffer is dropped.
        rows = sum(after - before > 1 for before, after in pairwise(slots)) + bool(slots)
        assert rows <= len(ranges), (rows, slots, ranges)
        assert not slots or slots[-1] < following - 1, (slots, following)  # never the newest
    return dropped


def _dropped(site: Site) -> int:
    return int(read_status(site.buffer)["dropped"])


def _restart(site: Site) -> None:
    """Kill the edge now and then, while its buffer is full."""
    if PAUSE.random() < 0.5:
        site.kill_edge()
        site.start_edge()
