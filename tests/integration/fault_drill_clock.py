"""The clocks' part of the fault drill: the clock of the edge, or of the centre, jumps while meters send.

Some of them tell no time: their readings get the instant at which they came in, which must be the true one, whatever
the clock of the edge shows.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.interval import DAY_S, Interval
from gridwright.store import Store
from tests.integration.fault_drill_journal import all_is_seen
from tests.integration.fault_drill_places import Impossible, system
from tests.integration.fault_drill_row import PAUSE, some

if TYPE_CHECKING:
    from tests.integration.fault_drill import Fault, Load, Site

SOURCE = Path(__file__).with_name("wrong_clock.c")
HOUR_S = 3600
EVER = Interval(datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
# By so much a clock is off, one jump after another; None: it stands in 1970, as after a power cut.
JUMPS: tuple[int | None, ...] = (HOUR_S, -HOUR_S, DAY_S, 0, -DAY_S, None, 30 * DAY_S, 3, 500 * DAY_S, -10, 0)
STAMPED_EVERY_S = 5.0  # what is told to the second must not meet another reading within it
# An instant is told to the second; the centre's clock is known to half a second and half of a busy answer.
WITHIN = timedelta(seconds=5)


class Clock:
    """The clock of a process, which jumps when it is told to; its ticks go on."""

    def __init__(self, file: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None or sys.platform != "linux":
            raise Impossible("a clock that is off needs Linux and a C compiler")
        self._file, self._library = file, file.with_suffix(".so")
        file.parent.mkdir(parents=True, exist_ok=True)
        system(compiler, "-shared", "-fPIC", "-O2", "-o", str(self._library), str(SOURCE), "-ldl")
        self.jump(0)

    @property
    def env(self) -> dict[str, str]:
        """What gives a process this clock."""
        return {"LD_PRELOAD": str(self._library), "WRONG_CLOCK": str(self._file)}

    def jump(self, ahead_s: int | None) -> int:
        """Be off by so many seconds from now on; returns how many that are."""
        ahead_s = -int(time.time()) if ahead_s is None else ahead_s
        fresh = self._file.with_suffix(".new")
        fresh.write_text(f"{ahead_s}\n")
        fresh.replace(self._file)
        return ahead_s


@dataclass(slots=True)
class Try:
    """One reading without a time of its own: its value, when it was sent, and when it was acknowledged."""

    value: int
    sent: datetime
    answered: datetime | None = None


@dataclass(slots=True)
class Stamped:
    """A meter that sends its register without a time, each value once: without an answer nobody knows of it."""

    number: int
    tries: list[Try] = field(default_factory=list)
    resent: int = 0
    odd: list[str] = field(default_factory=list)

    @property
    def acknowledged(self) -> int:
        return sum(one.answered is not None for one in self.tries)

    async def send(self, client: httpx.AsyncClient) -> None:
        one = Try(len(self.tries) + 1, datetime.now(UTC))
        self.tries.append(one)
        form = {"meter_id": f"M-{self.number}", "reading": f"{one.value / 1000}"}
        try:
            answer = await client.post("/meter_reading", data=form)
        except httpx.TransportError:
            self.resent += 1
        else:
            if answer.is_success:
                one.answered = datetime.now(UTC)
            elif answer.status_code != HTTPStatus.INSUFFICIENT_STORAGE:
                self.odd.append(f"{answer.status_code} {answer.text}")
        await asyncio.sleep(STAMPED_EVERY_S)


def compare_stamped(store: Store, meter: Stamped) -> tuple[int, list[int], int, int]:
    """Return how many readings are stored, which are lost, how many are doubled, and wrong in value, time or order."""
    if not meter.tries:
        return 0, [], 0, 0
    reads = store.registers.load(ME, f"UP-{meter.number}", EVER)
    sent = {one.value: one for one in meter.tries}
    times = Counter(int(read.value) for read in reads)
    lost = [one.value for one in meter.tries if one.answered is not None and one.value not in times]
    doubled = sum(count - 1 for count in times.values())
    in_time = sorted(reads, key=lambda read: read.at)
    wrong = sum(int(before.value) > int(after.value) for before, after in pairwise(in_time))
    for read in reads:
        one = sent.get(int(read.value))
        until = None if one is None else (one.answered or one.sent + timedelta(seconds=30))
        wrong += one is None or until is None or not one.sent - WITHIN <= read.at <= until + WITHIN
    return len(reads), lost, doubled, wrong


@contextmanager
def edge_clock(site: Site) -> Iterator[Fault]:
    """Give the edge a clock that jumps: while all runs, while the centre is away, and before it starts again."""
    clock = Clock(site.folder / "clock-edge")
    site.edge_env |= clock.env
    site.stamped = [Stamped(100), Stamped(101)]
    turns = iter(range(1_000_000))

    def jump(site: Site, load: Load) -> None:
        turn = next(turns)
        clock.jump(JUMPS[turn % len(JUMPS)])
        load.more(some())
        if turn % 3 == 1:
            site.kill_centre()
            load.more(some())
            clock.jump(PAUSE.choice(JUMPS))
            load.more(some())
            if turn % 2:
                site.kill_edge()
                site.start_edge()
                load.more(some())
            site.start_centre()
            site.met()
        elif turn % 3 == 2:
            site.kill_edge()
            clock.jump(PAUSE.choice(JUMPS))
            site.start_edge()
        load.more(some())

    yield jump
    clock.jump(0)


@contextmanager
def centre_clock(site: Site) -> Iterator[Fault]:
    """Give the centre a clock that jumps, within what leaves the meters' readings in its past; it is killed too."""
    clock = Clock(site.folder / "clock-centre")
    site.centre_env |= clock.env
    jumps = [one for one in JUMPS if one is not None]
    turns = iter(range(1_000_000))

    def jump(site: Site, load: Load) -> None:
        turn = next(turns)
        site.ahead = timedelta(seconds=clock.jump(jumps[turn % len(jumps)]))
        load.more(some())
        site.met()
        if turn % 3 == 1:
            site.kill_centre()
            site.ahead = timedelta(seconds=clock.jump(PAUSE.choice(jumps)))
            load.more(some())
            site.start_centre()
            site.met()
        elif turn % 3 == 2:
            site.kill_edge()
            site.start_edge()
            site.met()
        site.unseen += all_is_seen(site, load)

    yield jump
