"""Now against before: the last weeks against the weeks before them, each month against the year before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from gridwright.analytics.totals import Totals
from gridwright.domain.panel import Values

WEEK, MOST_DAYS = 7, 28


@dataclass(frozen=True, slots=True)
class Comparison:
    """Energy a day over two stretches of equal length that begin on the same weekday; only whole days count.

    `now_from` and `before_from` are local dates; `change` is a share of before (-0.1 = ten percent less).
    """

    days: int
    now_from: date
    before_from: date
    now_kwh_per_day: float
    before_kwh_per_day: float

    @property
    def change(self) -> float:
        """Relative change; NaN when before was nothing."""
        if self.before_kwh_per_day <= 0:
            return float("nan")
        return self.now_kwh_per_day / self.before_kwh_per_day - 1


def compare_previous(days: Totals, *, row: int = 0) -> Comparison | None:
    """Compare the last (up to four) whole weeks with the weeks before; None with less than two weeks of whole days.

    `days`: totals by local day. The stretch ends with the last whole day; gaps within it lower the number of days
    averaged, and a stretch of which less than half is whole is not compared.
    """
    complete = days.complete[row]
    if not complete.any():
        return None
    end = int(np.flatnonzero(complete)[-1]) + 1
    length = min(MOST_DAYS, end // 2 // WEEK * WEEK)
    now, before = slice(end - length, end), slice(end - 2 * length, end - length)
    if not length or min(complete[now].sum(), complete[before].sum()) * 2 < length:
        return None
    kwh = days.kwh[row]
    return Comparison(
        days=length,
        now_from=date.fromisoformat(days.names[now.start]),
        before_from=date.fromisoformat(days.names[before.start]),
        now_kwh_per_day=float(kwh[now][complete[now]].mean()),
        before_kwh_per_day=float(kwh[before][complete[before]].mean()),
    )


def year_before(months: Totals) -> Values:
    """Return the kWh of the same month a year earlier, float64[n, months]; NaN unless both months are whole."""
    place = {name: at for at, name in enumerate(months.names)}
    before = np.full(months.counts.shape, np.nan)
    kwh, complete = months.kwh, months.complete
    for at, name in enumerate(months.names):
        earlier = place.get(f"{int(name[:4]) - 1}{name[4:]}")
        if earlier is not None:
            both = complete[:, at] & complete[:, earlier]
            before[:, at] = np.where(both, kwh[:, earlier], np.nan)
    return before
