"""Edits of series that have no final image of their own: what is made of such readings is made of their edits too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from gridwright.analytics import energy_panel
from gridwright.domain.access import Access
from gridwright.domain.edit import Edit
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.jobs.cascade.feeds import ONE_WAY
from gridwright.store import Store

Own = Collection[tuple[str, ReadingType]]


def is_split(kind: ReadingType) -> bool:
    """Tell whether readings of a type become delivered and received energy by their sign, where nothing finer is."""
    if kind.quantity is Quantity.POWER:
        return kind.flow not in ONE_WAY
    return kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA and kind.flow is Flow.NET


def rank_of(kind: ReadingType) -> int | None:
    """Return the place of a series among those that delivered energy is made of, None for what it is not made of."""
    if kind.quantity is Quantity.ENERGY and kind.accumulation is not Accumulation.DELTA:
        return None
    if kind.quantity not in {Quantity.ENERGY, Quantity.POWER} or kind.flow is Flow.RECEIVED:
        return None
    if kind.flow is Flow.DELIVERED:
        return 0
    return 1 if is_split(kind) else 2


def own_images(
    store: Store, access: Access, edits: Sequence[Edit], panels: Sequence[Panel], others: Sequence[Panel]
) -> Own:
    """Return which usage points have a final image of a series itself, as `others` beside the main series have.

    Where an edit lies outside its series the readings there are (`panels`) say which series is the main one, and
    without any all that were ever read.
    """
    own = {(point, panel.reading_type.finer(0)) for panel in others for point in panel.points}
    asked = [each for each in edits if rank_of(each.reading_type)]
    ranks = _ranks(store, access, {each.usage_point for each in asked}, panels) if asked else {}
    beside = {
        (each.usage_point, each.reading_type.finer(0))
        for each in asked
        if min(ranks[each.usage_point], default=0) < (rank_of(each.reading_type) or 0)
    }
    return own | beside


def _ranks(store: Store, access: Access, points: Collection[str], panels: Sequence[Panel]) -> dict[str, set[int]]:
    """Return the places of the series of usage points: of those that were read here, else of all."""
    found: dict[str, set[int]] = {point: set() for point in points}
    for panel in panels:
        rank = rank_of(panel.reading_type)
        for point in points if rank is not None else ():
            if point in panel.points and not panel.row(point).missing.all():
                found[point].add(rank or 0)
    silent = sorted(point for point, ranks in found.items() if not ranks)
    for extent in store.readings.extents(access, silent) if silent else ():
        rank = rank_of(extent.reading_type)
        if rank is not None:
            found[extent.usage_point].add(rank)
    return found


def as_final(edits: Sequence[Edit], own: Own) -> list[Edit]:
    """Return edits in the types of the final images that their series are made into, in their order.

    An edit of net energy, or of power, is one of delivered and one of received energy, zero where the other is not; so
    main series are made from such readings. `own`: series that have a final image themselves.
    """
    return [made for edit in edits for made in _made(edit, own)]


def _made(edit: Edit, own: Own) -> Iterator[Edit]:
    kind = edit.reading_type
    energy = kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA
    if (edit.usage_point, kind.finer(0)) in own or not (energy or kind.quantity is Quantity.POWER):
        yield edit
        return
    values = np.array([edit.values], np.float64)
    panel = energy_panel(Panel((edit.usage_point,), edit.period.start, edit.interval, values, reading_type=kind))
    if is_split(kind):
        yield _of(edit, Flow.DELIVERED, panel, np.maximum(panel.values, 0))
        yield _of(edit, Flow.RECEIVED, panel, np.maximum(-panel.values, 0) + 0.0)
    elif kind.flow in ONE_WAY:
        yield replace(edit, reading_type=panel.reading_type, values=tuple(panel.values[0].tolist()))
    else:
        yield _of(edit, Flow.DELIVERED, panel, panel.values)


def _of(edit: Edit, flow: Flow, panel: Panel, values: Values) -> Edit:
    kind = replace(panel.reading_type, flow=flow, channel="")
    return replace(edit, reading_type=kind, values=tuple(values[0].tolist()))


def feeding(edits: Sequence[Edit]) -> set[str]:
    """Return the usage points at which edits say that something was fed in where both directions are one series."""
    return {each.usage_point for each in edits if is_split(each.reading_type) and min(each.values) < 0}
