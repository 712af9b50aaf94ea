"""Rolling-origin backtest: what the models would have forecast, midnight after midnight, and how wrong they were.

Metrics and leakage rules: forecasting reference 3.11 and 3.12.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import TooLittleData, UsageError
from gridwright.domain.forecast import BacktestResult
from gridwright.domain.panel import Panel, slot_time
from gridwright.forecast.history import History, history_of
from gridwright.forecast.ladder import LADDER, choose
from gridwright.forecast.metrics import Tally, concat, mixed, naive_errors, point_scores, pooled_scores, tally
from gridwright.forecast.model import Fitted, Model, Prediction
from gridwright.forecast.origins import Index, Zones, blocks, local_midnights, steps_of

ORIGINS = 28
SCORED = tuple(status for status in q.TRUSTED if status not in q.ESTIMATES)
Timer = Callable[[], float]


def no_timer() -> float:
    """Stand still: without a clock handed in, a backtest costs 0 seconds."""
    return 0.0


@dataclass(frozen=True, slots=True)
class Span:
    """One forecast: its first slot, its number of steps, and the slots before it that were not known yet."""

    issue: int
    steps: int
    lead: int


@dataclass(slots=True)
class Clockwork:
    """Seconds spent by each model on fitting and on predicting, by the clock handed in."""

    timer: Timer
    fit_s: dict[str, float] = field(default_factory=dict)
    predict_s: dict[str, float] = field(default_factory=dict)

    def fit(self, model: Model, history: History, issue: int, steps: int) -> Fitted:
        """Fit and add the time."""
        start = self.timer()
        fitted = model.fit(history, issue, steps)
        self.fit_s[model.name] = self.fit_s.get(model.name, 0.0) + self.timer() - start
        return fitted

    def predict(self, model: Model, fitted: Fitted, history: History, span: Span) -> Prediction:
        """Predict and add the time."""
        start = self.timer()
        prediction = fitted.predict(history, span.issue - span.lead, span.steps + span.lead).after(span.lead)
        self.predict_s[model.name] = self.predict_s.get(model.name, 0.0) + self.timer() - start
        return prediction


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
    """Score every model from the last `origins` local midnights that leave a full horizon, one a day.

    Each model is fitted once, before the first origin, and sees at every origin only what came `delay` before it.
    Estimated values are never scored. A model that cannot serve a point at an origin is scored with the forecast of
    the model before it in `models`, so that all models are scored on the same readings. `zone` is one for all points
    or one each. Raises TooLittleData where no midnight has a day of history before it and a horizon after it.
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
    clockwork, rows, issues, parts, first = Clockwork(timer), [], [], [], 0
    for panel, zone in zip(panels, zones, strict=True):
        steps, lead = steps_of(panel, horizon), -(-delay // panel.interval)
        for block in blocks(panel, zone):
            midnights = local_midnights(block.panel, block.zone, steps, origins, after=lead)
            spans = [Span(at, steps, lead) for at in midnights.tolist()]
            rows.append(block.rows + first)
            issues.append([slot_time(panel, span.issue) for span in spans])
            parts.append(score_block(block.panel, spans, rungs, clockwork))
        first += len(panel.points)
    if not any(issues):
        raise nothing_to_score(panels, horizon)
    order = np.argsort(np.concatenate(rows))
    sums = {model.name: concat([part[model.name] for part in parts]).rows(order) for model in rungs}
    served = choose(rungs, sums)
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


def score_block(panel: Panel, spans: Sequence[Span], models: Sequence[Model], clockwork: Clockwork) -> dict[str, Tally]:
    """Fit every model once, before the first span, and add up its errors over all spans."""
    nothing = Tally(*(np.zeros(len(panel.points)) for _ in fields(Tally)))
    sums = dict.fromkeys([model.name for model in models], nothing)
    if not spans:
        return sums
    history = history_of(panel)
    scored = np.where(q.has_status(panel.quality, SCORED), panel.values, np.nan)
    naive = naive_errors(history.trusted, history.slots_per_day)
    first = spans[0]
    fitted = [clockwork.fit(model, history, first.issue - first.lead, first.steps + first.lead) for model in models]
    for span in spans:
        actual = scored[:, span.issue : span.issue + span.steps]
        below: Prediction | None = None
        for model, fit in zip(models, fitted, strict=True):
            mine = clockwork.predict(model, fit, history, span)
            below = mine if below is None else mine.over(below)
            sums[model.name] = sums[model.name] + tally(actual, below, naive, span.issue, mine.served)
    return sums


def nothing_to_score(panels: Sequence[Panel], horizon: timedelta) -> TooLittleData:
    """Say what a backtest would need."""
    panel = max(panels, key=lambda one: one.slots, default=None)
    if panel is None:
        return TooLittleData("there is no usage point to forecast")
    length = panel.end - panel.start
    return TooLittleData(
        f"a backtest over {horizon} needs a local midnight with 24 h of history before it and {horizon} after it; "
        f"the readings cover {length}",
        where=panel.start.isoformat(),
        remedy=f"bring at least {timedelta(days=2) + horizon} of readings, or ask for a shorter horizon",
    )


def origin_notes(issues: Sequence[Sequence[datetime]], wanted: int, horizon: timedelta) -> list[str]:
    """Say so where there are fewer origins than asked for."""
    fewest = min(map(len, issues))
    return [f"{fewest} origins instead of {wanted}: no more midnights leave {horizon}"] if fewest < wanted else []


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


def named(points: Sequence[str], which: Index, most: int = 5) -> str:
    """Name some usage points, and count the rest."""
    names = ", ".join(points[at] for at in which[:most])
    return names if which.size <= most else f"{names} and {which.size - most} more"
