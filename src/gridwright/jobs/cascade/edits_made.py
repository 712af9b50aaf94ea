"""Edits of series that have no final image of their own: what is made of such readings is made of their edits too."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from gridwright.analytics import energy_panel
from gridwright.domain.access import Access
from gridwright.domain.edit import Edit
from gridwright.domain.image import Image
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.jobs.cascade.correct_scope import Scope
from gridwright.jobs.cascade.trust_readings import Channel
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.store import Store
from gridwright.vee import lay_agreed

ONE_WAY = (Flow.DELIVERED, Flow.RECEIVED)
Own = Collection[tuple[str, ReadingType]]


def is_split(kind: ReadingType) -> bool:
    """Tell whether readings of a type become delivered and received energy by their sign, where nothing finer is."""
    if kind.quantity is Quantity.POWER:
        return kind.flow not in ONE_WAY
    return kind.quantity is Quantity.ENERGY and kind.accumulation is Accumulation.DELTA and kind.flow is Flow.NET


def own_images(panels: Sequence[Panel]) -> Own:
    """Return which usage points have a final image of a series itself, as panels beside the main series have."""
    return {(point, panel.reading_type.finer(0)) for panel in panels for point in panel.points}


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


@dataclass(frozen=True, slots=True, eq=False)
class Unfed:
    """Usage points whose readings have both directions in one series, `panels` of a scope with its `edits`.

    Where no reading says that they fed in, an edit may, or the final image that an edit has left: then what was fed in
    is zero wherever what was delivered is known, and not unknown.
    """

    store: Store
    access: Access
    scope: Scope
    panels: Sequence[Panel]
    edits: Sequence[Edit]

    def beside(self, delivered: Sequence[Channel], received: Sequence[Channel]) -> list[Channel]:
        """Return the received channels that are lacking beside those that were made."""
        told = {point for channel in received for point in channel.trusted.points}
        split = {point for panel in self.panels if is_split(panel.reading_type) for point in panel.points} - told
        return [] if not split else [each for channel in delivered for each in self._beside(channel, split)]

    def _beside(self, channel: Channel, split: Collection[str]) -> Iterator[Channel]:
        panel = channel.trusted
        kind = replace(panel.reading_type, flow=Flow.RECEIVED)
        rows = [row for row, point in enumerate(panel.points) if point in split]
        fed = self._fed([panel.points[row] for row in rows], kind) if rows and not kind.channel else set()
        if fed:
            some = panel.rows([row for row in rows if panel.points[row] in fed])
            zeros = replace(some, values=np.where(some.missing, np.nan, 0.0), reading_type=kind)
            yield Channel(zeros, lay_agreed(zeros, self.edits), (), partial(replace, zeros))

    def _fed(self, points: Sequence[str], kind: ReadingType) -> set[str]:
        """Return who fed in by an edit, or has a final image of what was fed in."""
        fed = {
            each.usage_point
            for each in self.edits
            if each.usage_point in points and each.reading_type.finer(0) == kind.finer(0) and any(each.values)
        }
        found = load_stretches(self.store, self.access, points, self.scope.period, kind, image=Image.FINAL)
        return fed | {point for panel in found for point in panel.points if not panel.row(point).missing.all()}
