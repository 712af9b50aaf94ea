"""What counts at a usage point now, as the ground of an edit: final values, and where there are none the raw ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict, GridMismatch, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval
from gridwright.domain.panel import Panel, Values
from gridwright.domain.reading_type import Accumulation, Flow, Quantity, ReadingType
from gridwright.jobs.cascade.edits_made import is_split, rank_of
from gridwright.jobs.cascade.feeds import ONE_WAY
from gridwright.store import Store

HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class CountsNow:
    """Looks at the readings of one usage point within a period, on intervals of one length."""

    store: Store
    access: Access
    point: str
    period: Interval
    interval: timedelta

    def of(self, kind: ReadingType) -> Panel:
        """Return what counts of a series, NaN where nothing is known.

        A series without a final image of its own counts as what was made of it: net energy is what was delivered less
        what was received. Where that is made of several such series it is a Conflict: nobody can tell them apart in it.
        """
        final = self._load(kind, Image.FINAL)
        try:
            raw = self._load(kind, Image.RAW)
        except GridMismatch:  # what was read lies on another grid than what is made of it
            if final.missing.any():
                raise
            return final
        counts = final.values
        if final.missing.all() and self._is_main(kind):
            counts = self._made_of(kind, final.values)
            if kind.quantity is Quantity.POWER:
                # Energy is kept in whole Wh, power is not changed by that.
                counts = np.where(np.abs(counts - raw.values) <= HOUR / self.interval / kind.resolution, np.nan, counts)
        return raw.with_values(np.where(np.isnan(counts), raw.values, counts))

    def _load(self, kind: ReadingType, image: Image) -> Panel:
        load = self.store.readings.load
        return load(self.access, self.point, self.period, reading_type=kind, interval=self.interval, image=image)

    def _made_of(self, kind: ReadingType, nothing: Values) -> Values:
        """Return the final images that a series was made into, as counts of that series."""
        power = kind.quantity is Quantity.POWER
        energy = replace(
            kind,
            quantity=Quantity.ENERGY,
            accumulation=Accumulation.DELTA,
            exponent=0 if power else kind.exponent,
            channel=kind.channel if kind.flow in ONE_WAY else "",
        )
        both = []
        for flow in ONE_WAY:
            try:
                both.append(self._load(replace(energy, flow=flow), Image.FINAL).values)
            except (GridMismatch, NotFound):
                both.append(nothing)
        delivered, received = both
        if is_split(kind):
            counts = delivered - np.nan_to_num(received)
        else:
            counts = received if kind.flow is Flow.RECEIVED else delivered
        return np.rint(counts / (self.interval / HOUR) / kind.resolution) if power else counts

    def _is_main(self, kind: ReadingType) -> bool:
        """Tell whether delivered energy is made of a series: none at its usage point comes before it."""
        extents = self.store.readings.extents(self.access, [self.point])
        kinds = {each.reading_type for each in extents if each.interval_s < DAY_S}
        mine = rank_of(kind)
        if mine is None or mine != min((rank for rank in map(rank_of, kinds) if rank is not None), default=mine):
            return False
        channels = sorted(
            each.code for each in kinds if replace(each, channel=kind.channel, exponent=kind.exponent) == kind
        )
        if mine and len(channels) > 1:
            raise Conflict(
                f"what was delivered to {self.point} is made of {' and '.join(channels)} together: an edit of one of "
                "them could not be told from the other",
                remedy="have the readings delivered again as they should be; an import of the right values counts",
            )
        return True
