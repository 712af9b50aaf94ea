"""What really flows through a meter: its source, cut where the relay is open or the power is out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.reading_type import Flow
from gridwright.simulate.town import Floats

Source = Callable[[Interval, Flow], npt.ArrayLike]
Seconds = npt.NDArray[np.int64]
OPEN_END = 1 << 40


class Supply:
    """The energy a meter counts, in whole Wh, for any moment since `since`.

    `source(period, flow)` tells Wh of each interval of a period on the grid; within an interval energy flows evenly.
    The source is also asked for the interval that is still running.
    """

    def __init__(
        self, source: Source, *, interval: timedelta, since: datetime, opening_wh: int = 0, phase_s: int = 0
    ) -> None:
        self._source = source
        self._step = int(interval.total_seconds())
        self._phase = phase_s
        self._since = self.floor(epoch_s(since))
        self._opening = {Flow.DELIVERED: opening_wh, Flow.RECEIVED: 0}
        self._counted: dict[Flow, tuple[int, int]] = {}
        self._off: list[tuple[int, int]] = []
        self._outages: list[tuple[int, int]] = []

    @property
    def since(self) -> int:
        """First second that was measured (epoch)."""
        return self._since

    def floor(self, moment: int) -> int:
        """Return the start of the interval in which a moment lies; `phase_s` after whole intervals of the epoch."""
        return (moment - self._phase) // self._step * self._step + self._phase

    def switch(self, at: int, *, connected: bool) -> None:
        """Open or close the relay from `at` on."""
        is_open = bool(self._off) and self._off[-1][1] == OPEN_END
        if connected and is_open:
            self._off[-1] = (self._off[-1][0], max(at, self._off[-1][0]))
        elif not connected and not is_open:
            self._off.append((at, OPEN_END))
        self._forget_after(at)

    def power_out(self, since: int, until: int) -> None:
        """Take the power away for a while."""
        self._outages.append((since, until))
        self._forget_after(since)

    def is_powered(self, at: int) -> bool:
        """Tell whether there is voltage at the meter."""
        return not any(since <= at < until for since, until in self._outages)

    def outages(self) -> list[tuple[int, int]]:
        """List the outages, in the order in which they were told."""
        return list(self._outages)

    def measured(self, period: Interval, flow: Flow) -> Floats:
        """Return Wh of each interval of a period on the grid."""
        starts = np.arange(epoch_s(period.start), epoch_s(period.end), self._step, dtype=np.int64)
        return self._cut(starts, starts + self._step, flow)

    def register(self, at: int, flow: Flow) -> int:
        """Return the counter in Wh at a moment."""
        return int(self.registers(np.array([at], np.int64), flow)[0])

    def registers(self, at: Seconds, flow: Flow) -> Seconds:
        """Return the counter at each of several moments, in ascending order."""
        at = np.maximum(at, self._since)
        first = self.floor(int(at[0]))
        starts = np.arange(first, int(at[-1]) + 1, self._step, dtype=np.int64)
        whole = np.concatenate([[0], np.cumsum(self._cut(starts, starts + self._step, flow))])
        slot = (at - first) // self._step
        running = self._cut(starts[slot], at, flow)
        result: Seconds = (self._at_grid(first, flow) + whole[slot] + running).astype(np.int64)
        return result

    def _at_grid(self, moment: int, flow: Flow) -> int:
        """Return the counter at a moment on the grid, going on from where it was last known."""
        since, total = self._counted.get(flow, (self._since, self._opening[flow]))
        if moment < since:
            since, total = self._since, self._opening[flow]
        if moment > since:
            total += int(self.measured(Interval(from_epoch_s(since), from_epoch_s(moment)), flow).sum())
            if moment >= self._counted.get(flow, (0, 0))[0]:
                self._counted[flow] = (moment, total)
        return total

    def _cut(self, starts: Seconds, ends: Seconds, flow: Flow) -> Floats:
        """Return whole Wh between each start (on the grid) and its end, at most one interval later."""
        if starts.size == 0:
            return np.empty(0)
        first, last = int(starts.min()), int(starts.max()) + self._step
        raw = np.rint(np.asarray(self._source(Interval(from_epoch_s(first), from_epoch_s(last)), flow), np.float64))
        full = raw[(starts - first) // self._step]
        on = (ends - starts).astype(np.float64)
        for since, until in _joined([*self._off, *self._outages]):
            on -= np.clip(np.minimum(ends, until) - np.maximum(starts, since), 0, None)
        energy: Floats = np.floor(full * on / self._step)
        return energy

    def _forget_after(self, moment: int) -> None:
        self._counted = {flow: known for flow, known in self._counted.items() if known[0] <= moment}


def _joined(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return spans in order, overlapping ones as one."""
    joined: list[tuple[int, int]] = []
    for since, until in sorted(spans):
        if joined and since <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(until, joined[-1][1]))
        else:
            joined.append((since, until))
    return joined
