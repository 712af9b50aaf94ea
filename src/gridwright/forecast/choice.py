"""Which rung a point has earned, judged on two windows of its own past (forecasting reference 3.6)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gridwright.forecast.history import MONTH
from gridwright.forecast.ladder import FEWEST_DAYS, choose, without_evidence
from gridwright.forecast.model import Model
from gridwright.forecast.origins import Block, Index, local_midnights
from gridwright.forecast.scoring import ORIGINS, Clockwork, Span, no_timer, score_windows

WINDOWS = 2


def earned(block: Block, span: Span, models: Sequence[Model]) -> tuple[Index, npt.NDArray[np.bool_], Index]:
    """Return (chosen rung, models that could never serve, scored days) from a backtest on the last days, each [n].

    Up to 28 days, as long as 28 days remain before them for the models to learn from, and 7 where they do not; a rung
    must win in the first half of them and in the second.
    """
    panel, day = block.panel, block.panel.slots_per_day
    spare = panel.slots // day - MONTH - -(-(span.steps + span.lead) // day)
    wanted = min(ORIGINS, max(FEWEST_DAYS, spare))
    issues = local_midnights(panel, block.zone, span.steps, wanted, after=span.lead).tolist()
    spans = [Span(issue, span.steps, span.lead) for issue in issues]
    windows = score_windows(panel, spans, models, Clockwork(no_timer), WINDOWS)
    unable = np.stack([sum(sums[model.name].own for sums in windows) == 0 for model in models], axis=1)
    if not issues:
        unable[:] = False
    return choose(models, windows), unable, np.full(len(block.rows), len(issues))


def choose_before(block: Block, spans: Sequence[Span], models: Sequence[Model]) -> Index:
    """Return the rung of each point, int[n], chosen on nothing that came at or after what the first span knew."""
    if not spans:
        return np.full(len(block.rows), without_evidence(models))
    first = spans[0]
    known = first.issue - first.lead
    past = Block(block.rows, block.panel.slice(0, known), block.zone)
    return earned(past, Span(known, first.steps, first.lead), models)[0]
