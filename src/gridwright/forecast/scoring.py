"""Score models from many origins: each fitted once, before the first, and judged on what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.panel import Panel
from gridwright.forecast.history import History, history_of
from gridwright.forecast.metrics import Tally, naive_errors, tally
from gridwright.forecast.model import Fitted, Model, Prediction

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


Sums = dict[str, Tally]


def score_block(panel: Panel, spans: Sequence[Span], models: Sequence[Model], clockwork: Clockwork) -> Sums:
    """Fit every model once, before the first span, and add up its errors over all spans."""
    return score_windows(panel, spans, models, clockwork, 1)[0]


def score_windows(
    panel: Panel, spans: Sequence[Span], models: Sequence[Model], clockwork: Clockwork, windows: int
) -> list[Sums]:
    """Score as `score_block`, the errors added up apart for `windows` runs of spans of about equal length."""
    nothing = Tally(*(np.zeros(len(panel.points)) for _ in fields(Tally)))
    sums = [dict.fromkeys([model.name for model in models], nothing) for _ in range(windows)]
    if not spans:
        return sums
    history = history_of(panel)
    scored = np.where(q.has_status(panel.quality, SCORED), panel.values, np.nan)
    naive = naive_errors(history.trusted, history.slots_per_day)
    first = spans[0]
    fitted = [clockwork.fit(model, history, first.issue - first.lead, first.steps + first.lead) for model in models]
    for at, span in enumerate(spans):
        actual = scored[:, span.issue : span.issue + span.steps]
        mine_of = sums[at * windows // len(spans)]
        below: Prediction | None = None
        for model, fit in zip(models, fitted, strict=True):
            mine = clockwork.predict(model, fit, history, span)
            below = mine if below is None else mine.over(below)
            mine_of[model.name] = mine_of[model.name] + tally(actual, below, naive, span.issue, mine.served)
    return sums
