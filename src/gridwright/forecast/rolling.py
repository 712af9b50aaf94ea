"""Forecasts as they would have been issued, midnight after midnight: what a plan made then could have known."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np

from gridwright.domain.errors import TooLittleData
from gridwright.domain.forecast import Forecast
from gridwright.domain.panel import Panel, slot_time
from gridwright.forecast.choice import earned
from gridwright.forecast.history import history_of
from gridwright.forecast.ladder import LADDER
from gridwright.forecast.model import Model, Prediction, nowhere
from gridwright.forecast.origins import Block, Index, steps_of
from gridwright.forecast.scoring import Span
from gridwright.forecast.serve import NONE


def rolling(
    panel: Panel, *, zone: str, horizon: timedelta, days: int, models: Sequence[Model] = LADDER
) -> list[Forecast]:
    """Return one forecast for each of the last `days` local midnights that have a day of history before them.

    Rungs are chosen and models fitted once, on what was known before the first of these midnights; each forecast sees
    only what came before its own. All points share the zone. No such midnight is a TooLittleData.
    """
    steps = steps_of(panel, horizon)
    starts = panel.calendar(zone).day_starts
    issues = starts[starts >= panel.slots_per_day][-days:].tolist()
    if not issues:
        raise TooLittleData(
            "no local midnight has a day of readings before it", remedy="bring at least two whole days of readings"
        )
    every = np.arange(len(panel.points))
    past = Block(every, panel.slice(0, issues[0]), zone)
    chosen, _, _ = earned(past, Span(issues[0], steps, 0), models)
    history = history_of(panel)
    rungs = [model.fit(history, issues[0], steps) for model in models[: int(chosen.max()) + 1]]
    return [
        _issued(panel, slot, models, *_best([r.predict(history, slot, steps) for r in rungs], chosen, steps))
        for slot in issues
    ]


def _best(predictions: Sequence[Prediction], chosen: Index, steps: int) -> tuple[Prediction, Index]:
    """Take for each point its chosen rung, or the highest below it that can serve."""
    best, rung = nowhere(chosen.size, steps), np.full(chosen.size, -1)
    for at, mine in enumerate(predictions):
        takes = mine.served & (chosen >= at)
        rung[takes] = at
        best.quantiles[takes], best.mean[takes] = mine.quantiles[takes], mine.mean[takes]
    return best, rung


def _issued(panel: Panel, slot: int, models: Sequence[Model], best: Prediction, rung: Index) -> Forecast:
    start = slot_time(panel, slot)
    return Forecast(
        points=panel.points,
        start=start,
        interval=panel.interval,
        quantiles=best.quantiles,
        mean=best.mean,
        models=tuple(models[at].name if at >= 0 else NONE for at in rung.tolist()),
        known_until=start,
        reading_type=panel.reading_type,
    )
