"""Metrics against values worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from gridwright.forecast import Prediction
from gridwright.forecast.metrics import naive_errors, pooled_scores, tally

CASE = Path(__file__).parent / "metrics_by_hand"


def test_metrics_are_those_worked_by_hand() -> None:
    case = json.loads((CASE / "input.json").read_text(encoding="utf-8"))
    expected = json.loads((CASE / "expected.json").read_text(encoding="utf-8"))
    history, actual = np.array([case["history"]], float), np.array([case["actual"]], float)
    prediction = Prediction(np.array([case["quantiles"]], float), np.array([case["mean"]], float))
    naive = naive_errors(np.concatenate([history, actual], axis=1), case["slots_per_day"])
    scores = pooled_scores(tally(actual, prediction, naive, history.shape[1], np.array([True])))
    assert {name: getattr(scores, name) for name in expected} == pytest.approx(expected)
    assert (scores.origins, scores.scored) == (1, 2)
