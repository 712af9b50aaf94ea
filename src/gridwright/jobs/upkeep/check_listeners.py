"""How the listeners of MQTT are, as the doctor sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from gridwright.jobs.upkeep.health import Check, ago, fails, fine, graded
from gridwright.jobs.upkeep.listener_status import ListenerStatus

SLOW = timedelta(seconds=30)
GONE = timedelta(days=7)  # as long as a broker keeps a session, unless it is set otherwise


def check_listeners(listeners: Sequence[ListenerStatus], broker: str, now: datetime) -> Iterator[Check]:
    """Look at each listener: connected, how far behind, its last message, and what it refused."""
    if broker and not listeners:
        yield fails("MQTT", f"a broker is set, {broker}, but nobody has listened yet", "gridwright serve, or listen")
    if not broker and not listeners:
        yield fine("MQTT", "no broker is set")
    for one in listeners:
        yield _checked(one, now)


def _checked(one: ListenerStatus, now: datetime) -> Check:
    name, since = f"listener {one.listener}", now - one.written
    if not one.runs(now):
        found = f"{'stopped' if one.stopped else 'silent'} for {ago(since)}" + _why(one)
        # The broker keeps its messages for a while; one that is long gone was given up.
        remedy = "start it: gridwright serve, or gridwright listen"
        return graded(name, found, remedy, warn=since < GONE, fail=not one.stopped and since < GONE)
    if not one.connected:
        return fails(name, f"not connected to {one.broker}" + _why(one), "see the broker, and the listener's log")
    last = "no message yet" if one.last_message is None else f"the last message {ago(now - one.last_message)} ago"
    parts = [f"connected to {one.broker}", last, f"{one.waiting} wait, the oldest for {one.lag_s:.3g} s"]
    parts += [f"{one.held} of them for a birth"] if one.held else []
    parts += [f"{one.rejected} refused"] if one.rejected else []
    parts += [f"{one.doubted} reads doubted"] if one.doubted else []
    slow = one.lag_s > SLOW.total_seconds()
    remedy = "gridwright listen rejected shows what was refused" if one.rejected and not slow else "see the database"
    return graded(name, ", ".join(parts), remedy, warn=slow or one.held > 0 or one.rejected > 0)


def _why(one: ListenerStatus) -> str:
    return f": {one.problem}" if one.problem else ""
