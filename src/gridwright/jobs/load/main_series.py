"""Pick, of all that a file holds, the series to bill, forecast and plan: delivered energy, and what was fed in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from gridwright.analytics import energy_panel
from gridwright.domain.interval import DAY_S, Interval, epoch_s, from_epoch_s
from gridwright.domain.panel import Panel, Values, slot_time
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.jobs.load.added_up import added
from gridwright.jobs.load.told_parts import without_told_parts

Grid = tuple[int, int]
Key = tuple[int, Grid]  # rank and grid
CUMULATIVE = Accumulation.CUMULATIVE
NEVER = -1
NO_PERIODS: Mapping[str, tuple[Interval, ...]] = MappingProxyType({})
NEVER_FED: Mapping[str, int] = MappingProxyType({})
FAR_S = 1 << 60  # later than anything
HOUR_S = 3600


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Usage points of one zone with readings on one grid over one period; one panel a channel, for those who have it.

    `period` runs from the first to the last value; `received` is empty where nothing is fed in. Each panel covers the
    part of it in which its channel had values: a channel that begins with a new meter lacks nothing before that.
    """

    zone: str
    period: Interval
    points: tuple[str, ...]
    delivered: tuple[Panel, ...]
    received: tuple[Panel, ...]


def main_groups(panels: Iterable[Panel], zones: Mapping[str, str]) -> tuple[list[Group], list[str]]:
    """Group the usage points by zone and grid; the notes name the series that are left out, and why.

    Delivered energy comes first; where a point has none, net energy or power (split by sign), then any other energy.
    Of several interval lengths of one point the one with most readings is taken; only fine ones (`is_fine`) count.
    """
    ranked = [(rank, panel) for source in panels for rank, panel in _usable(source)]
    chosen = _best_grids([(rank, panel) for rank, panel in ranked if rank is not None])
    groups = _grouped({point: (key,) for point, key in chosen.items()}, ranked, zones)
    return groups, _left_out([panel for rank, panel in ranked if rank is not None], chosen)


def every_series(
    panels: Iterable[Panel], zones: Mapping[str, str], fed_since: Mapping[str, int] = NEVER_FED
) -> tuple[list[Group], list[Panel]]:
    """Group as `main_groups` does, but leave nothing out: the second list holds all that is no main series.

    Interval lengths of one usage point that follow each other, as when its meter is exchanged, are groups each.
    `fed_since`: from when on, in seconds, usage points are known to feed in, whatever these panels say.
    """
    energy = without_told_parts([panel for panel in panels if panel.reading_type.accumulation is not CUMULATIVE])
    sources = [(panel, list(_usable(panel, fed_since))) for panel in energy]
    ranked = [part for _, parts in sources for part in parts]
    candidates = [(rank, panel) for rank, panel in ranked if rank is not None]
    best = _best_grids(candidates)
    alone = {key: (key,) for key in set(best.values())}
    chosen: dict[str, tuple[Key, ...]] = {point: alone[key] for point, key in best.items()}
    chosen |= {point: _one_after_the_other(point, best[point], candidates) for point in _several(candidates)}
    beside = [each for panel, parts in sources for each in _beside(panel, parts[0][0] if parts else NEVER, chosen)]
    return _grouped(chosen, ranked, zones), beside


def by_zone(panel: Panel, zones: Mapping[str, str]) -> Iterator[tuple[str, Panel]]:
    """Yield the rows of a panel zone by zone."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row, point in enumerate(panel.points):
        rows[zones.get(point, "UTC")].append(row)
    for zone, some in rows.items():
        yield zone, panel if len(some) == len(panel.points) else panel.rows(some)


def _grouped(
    chosen: Mapping[str, Sequence[Key]], ranked: Sequence[tuple[int | None, Panel]], zones: Mapping[str, str]
) -> list[Group]:
    extents = _extents(chosen, ranked)
    members: dict[tuple[str, Grid, int, Interval], list[str]] = {}
    # Nearly all usage points share few keys and periods: to hash those for each of them would take longest.
    same: dict[tuple[str, int, int], list[str]] = {}
    for point, keys in chosen.items():
        zone = zones.get(point, "UTC")
        for key in keys:
            for own in extents.get(key[1], NO_PERIODS).get(point, ()):
                known = zone, id(key), id(own)
                if known not in same:
                    same[known] = members.setdefault((zone, key[1], key[0], own), [])
                same[known].append(point)
    return [_group(key, points, ranked) for key, points in members.items()]


def _several(candidates: Sequence[tuple[int, Panel]]) -> list[str]:
    """Return the usage points that occur on more than one grid."""
    if len({grid_of(panel) for _, panel in candidates}) <= 1:
        return []
    grids: dict[str, set[Grid]] = defaultdict(set)
    for _, panel in candidates:
        grid = grid_of(panel)
        for point in panel.points:
            grids[point].add(grid)
    return [point for point, some in grids.items() if len(some) > 1]


def _one_after_the_other(point: str, best: Key, candidates: Sequence[tuple[int, Panel]]) -> tuple[Key, ...]:
    """Return the grids of the best rank of a usage point that share no hour, the one with most values first."""
    hours: dict[Key, set[int]] = defaultdict(set)
    for rank, panel in candidates:
        if rank == best[0] and point in panel.points:
            known = np.flatnonzero(np.isfinite(panel.values[panel.index(point)]))
            hours[rank, grid_of(panel)].update(
                np.unique((epoch_s(panel.start) + known * panel.interval_s) // HOUR_S).tolist()
            )
    kept = [best]
    for key in sorted(hours.keys() - {best}, key=lambda key: (-len(hours[key]), key)):
        if hours[key] and all(hours[key].isdisjoint(hours[other]) for other in kept):
            kept.append(key)
    return tuple(kept)


def _beside(panel: Panel, rank: int | None, chosen: Mapping[str, Sequence[Key]]) -> Iterator[Panel]:
    """Yield the rows of a panel that belong to no group; `rank` is NEVER where it is neither energy nor power."""
    grid = grid_of(panel)
    keys = [chosen.get(point, ()) for point in panel.points]
    grouped = {
        id(each): any(mine == grid and rank in {None, place} for place, mine in each)
        for each in {id(each): each for each in keys}.values()
    }
    if all(grouped.values()):
        return
    known = np.asarray(np.isfinite(panel.values).any(axis=1)).tolist()
    rows = [row for row, each in enumerate(keys) if known[row] and not grouped[id(each)]]
    if rows:
        yield from lived(panel if len(rows) == len(panel.points) else panel.rows(rows), panel.period)


def is_fine(panel: Panel) -> bool:
    """Tell whether intervals are shorter than a day, and whole ones make a day: others have no profile and no hours."""
    return panel.interval_s < DAY_S and DAY_S % panel.interval_s == 0


def grid_of(panel: Panel) -> Grid:
    """Return interval length and phase in seconds."""
    return panel.interval_s, epoch_s(panel.start) % panel.interval_s


def _usable(panel: Panel, fed_since: Mapping[str, int] = NEVER_FED) -> Iterator[tuple[int | None, Panel]]:
    """Yield (rank, panel of energy): 0 delivered, 1 net, 2 other energy; None marks received energy."""
    kind = panel.reading_type
    if not is_fine(panel):
        return
    if kind.quantity is Quantity.POWER:
        panel = energy_panel(panel)
    elif kind.quantity is not Quantity.ENERGY or kind.accumulation is not Accumulation.DELTA:
        return
    if kind.flow is Flow.RECEIVED:
        yield None, panel
    elif kind.flow is Flow.DELIVERED:
        yield 0, panel
    elif kind.flow is Flow.NET or kind.quantity is Quantity.POWER:
        yield from _split(panel, fed_since)
    else:
        yield 2, _as_flow(panel, Flow.DELIVERED, panel.values)


def _split(panel: Panel, fed_since: Mapping[str, int]) -> Iterator[tuple[int | None, Panel]]:
    """Yield delivered and received energy by the sign; nothing was received until somebody fed in."""
    yield 1, _as_flow(panel, Flow.DELIVERED, np.maximum(panel.values, 0))
    fed_in = (panel.values < 0).any(axis=1)
    if fed_in.any():
        some = panel.rows(np.flatnonzero(fed_in))
        known = np.array([fed_since.get(point, FAR_S) for point in some.points], np.int64)
        begins = np.minimum(fed_from(some), known)
        at = epoch_s(some.start) + np.arange(some.slots) * some.interval_s
        received = np.maximum(-some.values, 0) + 0.0
        yield None, _as_flow(some, Flow.RECEIVED, np.where(at[None] < begins[:, None], np.nan, received))


def fed_from(panel: Panel) -> npt.NDArray[np.int64]:
    """Return since when, in seconds, each row is below zero at times: the UTC day before, as civil days are whole."""
    below = panel.values < 0
    first = epoch_s(panel.start) + below.argmax(axis=1) * panel.interval_s
    return np.where(below.any(axis=1), (first // DAY_S - 1) * DAY_S, FAR_S)


def _as_flow(panel: Panel, flow: Flow, values: Values) -> Panel:
    kind = replace(panel.reading_type, flow=flow, channel="")
    return replace(panel, values=values, reading_type=kind)


def _best_grids(candidates: Sequence[tuple[int, Panel]]) -> dict[str, Key]:
    """Choose for each usage point the best rank, and there the grid with most values."""
    keys = {(rank, grid_of(panel)) for rank, panel in candidates}
    if len(keys) == 1:
        return dict.fromkeys((point for _, panel in candidates for point in panel.points), keys.pop())
    known: dict[str, dict[Key, int]] = defaultdict(lambda: defaultdict(int))
    for rank, panel in candidates:
        key = rank, grid_of(panel)
        for point, count in zip(panel.points, np.isfinite(panel.values).sum(axis=1).tolist(), strict=True):
            known[point][key] += count
    best = {}
    for point, counts in known.items():
        lowest = min(rank for rank, _ in counts)
        best[point] = max((key for key in counts if key[0] == lowest), key=lambda key: counts[key])
    return best


def _extents(
    chosen: Mapping[str, Sequence[Key]], ranked: Sequence[tuple[int | None, Panel]]
) -> dict[Grid, dict[str, tuple[Interval, ...]]]:
    """Return from the first to the last value of each chosen series; a point without any value has none.

    Where another chosen series of the point lies in between, that are two or more: from 15 minutes to 30 and back.
    """
    found: dict[Grid, dict[str, tuple[Interval, ...]]] = defaultdict(dict)
    for rank, panel in ranked:
        known = np.isfinite(panel.values)
        if rank is None or not known.any():
            continue
        some = np.asarray(known.any(axis=1))
        first, last = known.argmax(axis=1), panel.slots - known[:, ::-1].argmax(axis=1)
        ends: list[tuple[int, int]] = list(zip(first.tolist(), last.tolist(), strict=True))
        # Most usage points of a panel share their ends.
        periods = {pair: (Interval(slot_time(panel, pair[0]), slot_time(panel, pair[1])),) for pair in set(ends)}
        grid = grid_of(panel)
        mine, of_grid = (rank, grid), found[grid]
        for point, there, pair in zip(panel.points, some.tolist(), ends, strict=True):
            if there and mine in chosen.get(point, ()):
                own = periods[pair]
                old = of_grid.get(point)
                if old is not None and old != own:
                    own = (Interval(min(old[0].start, own[0].start), max(old[0].end, own[0].end)),)
                of_grid[point] = own
    for point, keys in chosen.items():
        if len(keys) > 1:
            for grid, periods_of in _turns(point, keys, ranked).items():
                found[grid][point] = periods_of
    return found


def _turns(
    point: str, keys: Sequence[Key], ranked: Sequence[tuple[int | None, Panel]]
) -> dict[Grid, tuple[Interval, ...]]:
    """Return when each of a usage point's series has its turn: from its first value to its last before another's."""
    parts = []
    for rank, panel in ranked:
        if rank is not None and (rank, grid_of(panel)) in keys and point in panel.points:
            known = np.flatnonzero(np.isfinite(panel.values[panel.index(point)]))
            which = keys.index((rank, grid_of(panel)))
            parts.append(np.stack([epoch_s(panel.start) + known * panel.interval_s, np.full(known.size, which)]))
    at, which = (every := np.concatenate(parts, axis=1))[:, np.lexsort(every[::-1])]
    cuts = [0, *(np.flatnonzero(np.diff(which)) + 1).tolist(), at.size]
    found: dict[Grid, list[Interval]] = defaultdict(list)
    for begin, end in pairwise(cuts):
        grid = keys[int(which[begin])][1]
        found[grid].append(Interval(from_epoch_s(int(at[begin])), from_epoch_s(int(at[end - 1]) + grid[0])))
    return {grid: tuple(periods) for grid, periods in found.items()}


def _group(
    key: tuple[str, Grid, int, Interval], points: Sequence[str], ranked: Sequence[tuple[int | None, Panel]]
) -> Group:
    zone, grid, rank, period = key
    near = [(found, panel) for found, panel in ranked if grid_of(panel) == grid and panel.period.overlaps(period)]
    fitting = [(found, each) for found, panel in near for each in _rows_of(panel, points)]
    return Group(
        zone,
        period,
        tuple(points),
        added([part for found, each in fitting if found == rank for part in lived(each, period)]),
        added([part for found, each in fitting if found is None for part in lived(each, period)]),
    )


def _rows_of(panel: Panel, points: Sequence[str]) -> Iterator[Panel]:
    """Yield the panel of just those of `points` that it holds, if any."""
    if panel.points == tuple(points):
        yield panel
        return
    where = {point: row for row, point in enumerate(panel.points)}
    rows = [where[point] for point in points if point in where]
    if len(rows) == len(panel.points) == len(points) and rows == sorted(rows):
        yield panel
    elif rows:
        yield panel.rows(rows)


def lived(panel: Panel, period: Interval) -> Iterator[Panel]:
    """Cut each row to the time from its first to its last value within the period; rows of one time stay together."""
    whole = panel.regrid(period)
    known = np.isfinite(whole.values)
    some = np.asarray(known.any(axis=1))
    first = np.where(some, known.argmax(axis=1), 0)
    last = np.where(some, whole.slots - known[:, ::-1].argmax(axis=1), whole.slots)
    pair = first * (whole.slots + 1) + last
    for both in np.unique(pair).tolist():
        begin, end = divmod(both, whole.slots + 1)
        rows = np.flatnonzero(pair == both)
        some_rows = whole if rows.size == len(whole.points) else whole.rows(rows)
        yield some_rows if (begin, end) == (0, whole.slots) else some_rows.slice(begin, end)


def _left_out(panels: Sequence[Panel], chosen: Mapping[str, tuple[int, Grid]]) -> list[str]:
    lost: dict[tuple[ReadingType, int], list[str]] = defaultdict(list)
    for panel in panels:
        grid = grid_of(panel)
        for point in panel.points:
            if chosen[point][1] != grid:
                lost[panel.reading_type, panel.interval_s].append(point)
    return [
        f"{kind} at {seconds // 60} min was read for {len(points)} usage points ({', '.join(points[:3])}"
        f"{' …' if len(points) > 3 else ''}) but is not the series analysed here"  # noqa: PLR2004 - three names
        for (kind, seconds), points in lost.items()
    ]
