"""Balance the network: load what master meters and usage points measured, on one grid, and compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access
from gridwright.domain.errors import AccessDenied, NotFound
from gridwright.domain.interval import Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.grid import GridBalance, balance, common_interval, together
from gridwright.grid.align import RANK
from gridwright.jobs.grid.grid_events import GridEvents, grid_events
from gridwright.jobs.load.counted_once import counted_once
from gridwright.jobs.load.load_series import load_series
from gridwright.jobs.load.load_trusted import with_final
from gridwright.jobs.load.touched_days import days_of, touched_types
from gridwright.store import Store

__all__ = ["GridEvents", "balance_grid", "grid_events"]


def balance_grid(store: Store, access: Access, period: Interval, *, now: datetime) -> GridBalance:
    """Balance every node of the network over the whole intervals of a period; what lies after `now` is left out.

    Only who sees all usage points may: a sum over a part of them would be called a loss.
    """
    if access.points is not None:
        raise AccessDenied(f"{access.actor} sees a part of the network only, and a balance needs all of it")
    topology = store.network.topology(access)
    if not topology.nodes:
        raise NotFound("the network has no node", remedy="save its feeders, transformers and connections first")
    asked = Interval(period.start, max(min(period.end, now), period.start))
    panels = list(load_series(store, access, asked, _is_energy))
    if not panels:
        raise NotFound(f"there are no energy readings in {asked}", remedy="name another period")
    interval = common_interval(panels)
    whole = whole_intervals(asked, interval)
    if whole.seconds <= 0:
        raise NotFound(f"no interval of {interval} lies within {asked}", remedy="name a longer period")
    sides = _sides(store, access, panels, whole, interval)
    delivered = sides.delivered or _nothing_of(panels[0], whole, interval)
    found = balance(topology, delivered, sides.received, notes=sides.notes)
    return replace(found, computed=now)


def whole_intervals(period: Interval, interval: timedelta) -> Interval:
    """Return the part of a period that whole intervals fill."""
    step = int(interval.total_seconds())
    start, end = -(-epoch_s(period.start) // step) * step, epoch_s(period.end) // step * step
    return Interval(from_epoch_s(start), from_epoch_s(max(start, end)))


@dataclass(frozen=True, slots=True, eq=False)
class _Sides:
    """Delivered and received energy of everybody, on one grid."""

    delivered: Panel | None
    received: Panel | None
    notes: tuple[str, ...]


def _is_energy(kind: ReadingType) -> bool:
    is_energy = kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA
    return is_energy and kind.flow is not Flow.NONE


def _sides(store: Store, access: Access, panels: Sequence[Panel], period: Interval, interval: timedelta) -> _Sides:
    """Add up each side from the final images, and from the readings as they came where they are not judged yet."""
    by_flow: dict[Flow, dict[str, list[Panel]]] = defaultdict(lambda: defaultdict(list))
    waiting = touched_types(store, access, list({point for panel in panels for point in panel.points}))
    for panel in panels:
        for flow, part in _split(panel):
            # What was read as net energy waits as that, and has final images of either direction.
            touched = days_of(waiting, {panel.reading_type, part.reading_type})
            by_flow[flow][panel.reading_type.channel].append(with_final(store, access, part, touched))
    sides = {flow: added(_once(channels, period, interval)) for flow, channels in by_flow.items()}
    lengths = sorted({panel.interval_s // 60 for panel in panels})
    notes = (f"intervals of {', '.join(map(str, lengths))} min are compared by {interval}",) if len(lengths) > 1 else ()
    return _Sides(sides.get(Flow.DELIVERED), sides.get(Flow.RECEIVED), notes)


def _once(channels: Mapping[str, Sequence[Panel]], period: Interval, interval: timedelta) -> list[Panel]:
    """Return the channels on one grid, the same energy in one of them only."""
    wholes = [
        replace(whole, reading_type=replace(whole.reading_type, channel=name))
        for name, parts in channels.items()
        if (whole := together(parts, period, interval))
    ]
    return [replace(each, reading_type=replace(each.reading_type, channel="")) for each in counted_once(wholes).panels]


def _split(panel: Panel) -> Iterable[tuple[Flow, Panel]]:
    """Yield a panel by its direction; net energy is both, each where its sign says so."""
    if panel.reading_type.flow is not Flow.NET:
        yield panel.reading_type.flow, panel
        return
    for flow, values in ((Flow.DELIVERED, panel.values), (Flow.RECEIVED, -panel.values)):
        # Its final images are of these types.
        kind = replace(panel.reading_type, flow=flow, channel="")
        yield flow, replace(panel, values=np.maximum(values, 0.0), reading_type=kind)


def added(panels: Sequence[Panel]) -> Panel:
    """Add up the channels of each usage point; unknown where one of its own channels is."""
    if len(panels) == 1:
        return panels[0]
    points = tuple(dict.fromkeys(point for panel in panels for point in panel.points))
    row = {point: place for place, point in enumerate(points)}
    first = panels[0]
    exponent = min(panel.reading_type.exponent for panel in panels)
    values = np.zeros((len(points), first.slots))
    quality = np.full(values.shape, q.pack(q.Status.DERIVED), np.uint8)
    for panel in panels:
        part = panel.rescaled(exponent)
        at = [row[point] for point in part.points]
        values[at] += part.values
        worse = RANK[q.status_of(part.quality)] >= RANK[q.status_of(quality[at])]
        quality[at] = np.where(worse, part.quality, quality[at])
    return Panel(points, first.start, first.interval, values, quality, first.reading_type.finer(exponent))


def _nothing_of(panel: Panel, period: Interval, interval: timedelta) -> Panel:
    """Return delivered energy of nobody: where all that is known was fed in."""
    kind = replace(panel.reading_type, flow=Flow.DELIVERED, channel="")
    return Panel((), period.start, interval, np.empty((0, period.slots(interval))), reading_type=kind)
