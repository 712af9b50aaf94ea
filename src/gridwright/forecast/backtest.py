"""Rolling-origin backtest: what the models would have forecast, midnight after midnight, and how wrong they were.

Metrics and leakage rules: forecasting reference 3.11 and 3.12.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain.errors import TooLittleData, UsageError
from gridwright.domain.forecast import BacktestResult
from gridwright.domain.panel import Panel, slot_time
from gridwright.forecast.choice import choose_before
from gridwright.forecast.ladder import LADDER
from gridwright.forecast.metrics import Tally, concat, mixed, point_scores, pooled_scores
from gridwright.forecast.model import Model
from gridwright.forecast.origins import Zones, blocks, local_midnights, steps_of
from gridwright.forecast.scoring import ORIGINS, Clockwork, Span, Timer, no_timer, score_block
from gridwright.forecast.words import named, spelled


def backtest(
    panel: Panel,
    *,
    horizon: timedelta,
    zone: Zones,
    origins: int = ORIGINS,
    models: Sequence[Model] | None = None,
    delay: timedelta = timedelta(0),
    timer: Timer = no_timer,
) -> BacktestResult:
    """Score every model, and their ladder, from the last `origins` local midnights that leave a full horizon.

    Each model is fitted once, before the first origin, and sees at every origin only what came `delay` before it.
    The rung that serves a point is chosen before the first origin too, so its scores are out of sample (reference 3.11,
    rule 7). Estimated values are never scored. A model that cannot serve a point at an origin is scored with the
    forecast of the model before it in `models`, so that all models are scored on the same readings. `zone` is one for
    all points or one each. Raises TooLittleData where no midnight has a day of history before it and a horizon after.
    """
    return backtest_all(
        [panel], horizon=horizon, zones=[zone], origins=origins, models=models, delay=delay, timer=timer
    )


def backtest_all(
    panels: Sequence[Panel],
    *,
    horizon: timedelta,
    zones: Sequence[Zones],
    origins: int = ORIGINS,
    models: Sequence[Model] | None = None,
    delay: timedelta = timedelta(0),
    timer: Timer = no_timer,
) -> BacktestResult:
    """Backtest several panels, each with its own grid, end and zone, as one: the pooled scores are over all points."""
    rungs = tuple(LADDER if models is None else models)
    if not rungs or origins < 1 or delay < timedelta(0):
        raise UsageError("a backtest needs a model, an origin, and no negative delay")
    clockwork, rows, issues, parts, chosen, first = Clockwork(timer), [], [], [], [], 0
    for panel, zone in zip(panels, zones, strict=True):
        steps, lead = steps_of(panel, horizon), -(-delay // panel.interval)
        for block in blocks(panel, zone):
            midnights = local_midnights(block.panel, block.zone, steps, origins, after=lead)
            spans = [Span(at, steps, lead) for at in midnights.tolist()]
            chosen.append(choose_before(block, spans, rungs))
            rows.append(block.rows + first)
            issues.append([slot_time(panel, span.issue) for span in spans])
            parts.append(score_block(block.panel, spans, rungs, clockwork))
        first += len(panel.points)
    if not any(issues):
        raise nothing_to_score(panels, horizon)
    order = np.argsort(np.concatenate(rows))
    sums = {model.name: concat([part[model.name] for part in parts]).rows(order) for model in rungs}
    served = np.concatenate(chosen)[order]
    points = tuple(point for panel in panels for point in panel.points)
    return BacktestResult(
        points=points,
        pooled={name: pooled_scores(part) for name, part in sums.items()},
        per_point={name: point_scores(part) for name, part in sums.items()},
        served=tuple(rungs[rung].name for rung in served),
        pooled_served=pooled_scores(mixed([sums[model.name] for model in rungs], served)),
        fit_s=clockwork.fit_s,
        predict_s=clockwork.predict_s,
        origins=tuple(sorted(set().union(*issues))),
        horizon=horizon,
        notes=(*origin_notes(issues, origins, horizon), *rung_notes(points, rungs, sums)),
    )


def nothing_to_score(panels: Sequence[Panel], horizon: timedelta) -> TooLittleData:
    """Say what a backtest would need."""
    panel = max(panels, key=lambda one: one.slots, default=None)
    if panel is None:
        return TooLittleData("there is no usage point to forecast")
    length = panel.end - panel.start
    return TooLittleData(
        f"a backtest over {spelled(horizon)} needs a local midnight with 24 h of history before it and "
        f"{spelled(horizon)} after it; the readings cover {spelled(length)}",
        where=panel.start.isoformat(),
        remedy=f"bring at least {spelled(timedelta(days=2) + horizon)} of readings, or ask for a shorter horizon",
    )


def origin_notes(issues: Sequence[Sequence[datetime]], wanted: int, horizon: timedelta) -> list[str]:
    """Say so where there are fewer origins than asked for."""
    fewest = min(map(len, issues))
    return (
        [f"{fewest} origins instead of {wanted}: no more midnights leave {spelled(horizon)}"] if fewest < wanted else []
    )


def rung_notes(points: Sequence[str], models: Sequence[Model], sums: Mapping[str, Tally]) -> list[str]:
    """Say for each model which points it could not serve at every origin, and what it needs."""
    notes = []
    for model in models:
        part = sums[model.name]
        short = np.flatnonzero(part.own < part.origins)
        if short.size:
            notes.append(f"{model.name} needs {model.needs}: not met at every origin by {named(points, short)}")
    flat = np.flatnonzero((sums[models[0].name].steps > 0) & (sums[models[0].name].scaled == 0))
    if flat.size:
        notes.append(f"flat until every origin, so without a scaled error (MASE): {named(points, flat)}")
    return notes
