"""Series with both directions, or none, in one: what is made of them, and how they look as they came."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gridwright.analytics import energy_panel
from gridwright.domain.access import Access
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.store import Store
from gridwright.store.days.series import Extent

ONE_WAY = (Flow.DELIVERED, Flow.RECEIVED)


def one_way_types(store: Store, access: Access) -> list[ReadingType]:
    """Return the types of delivered and received energy, without a channel, of which final images are stored."""
    return [
        kind
        for kind in store.readings.image_types(access)
        if kind.quantity is Quantity.ENERGY
        and kind.accumulation is Accumulation.DELTA
        and kind.flow in ONE_WAY
        and not kind.channel
    ]


def made_of(extents: Sequence[Extent], kinds: Sequence[ReadingType]) -> list[Extent]:
    """Return the series of `kinds` that final images may have beside those that were read, and on which days."""
    read = {(one.usage_point, one.reading_type) for one in extents}
    found: dict[tuple[str, ReadingType, int], Extent] = {}
    for one in extents:
        for kind in kinds if _is_made_into_others(one.reading_type) else ():
            if (one.usage_point, kind) in read:
                continue
            key = (one.usage_point, kind, one.interval_s)
            known = found.get(key, one)
            first, last = min(one.first_day, known.first_day), max(one.last_day, known.last_day)
            found[key] = one._replace(reading_type=kind, first_day=first, last_day=last)
    return list(found.values())


def _is_made_into_others(kind: ReadingType) -> bool:
    if kind.quantity is Quantity.POWER:
        return True
    return kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA and kind.flow not in ONE_WAY


def with_sign(panels: Iterable[Panel], point: str, delivered: Panel) -> Panel:
    """Return the energy of a usage point as it came: `delivered`, or the series with both directions it was made of."""
    mine = [panel for panel in panels if point in panel.points]
    if any(_is_delivered(panel.reading_type) for panel in mine):
        return delivered
    for panel in mine:
        on_grid = panel.interval == delivered.interval and not (panel.start - delivered.start) % panel.interval
        if on_grid and _has_sign(panel.reading_type):
            return energy_panel(panel.row(point)).regrid(delivered.period)
    return delivered


def _is_delivered(kind: ReadingType) -> bool:
    flows = kind.quantity is Quantity.POWER or kind.accumulation is Accumulation.DELTA
    return kind.flow is Flow.DELIVERED and kind.quantity in {Quantity.ENERGY, Quantity.POWER} and flows


def _has_sign(kind: ReadingType) -> bool:
    return _is_made_into_others(kind) and (
        kind.flow is Flow.NET or (kind.quantity is Quantity.POWER and kind.flow not in ONE_WAY)
    )
