"""The forecast that goes out: each point by the rung of the ladder that has earned it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import TooLittleData, UsageError
from gridwright.domain.forecast import Forecast
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel, slot_time
from gridwright.forecast.choice import earned
from gridwright.forecast.history import history_of
from gridwright.forecast.ladder import FEWEST_DAYS, LADDER
from gridwright.forecast.model import Model, Prediction, Values, nowhere
from gridwright.forecast.origins import Block, Index, Zones, blocks, steps_of
from gridwright.forecast.scoring import Span
from gridwright.forecast.words import named

NONE = "none"


def serve(
    panel: Panel,
    horizon: timedelta,
    *,
    zone: Zones,
    known_until: datetime | None = None,
    start: datetime | None = None,
    models: Sequence[Model] = LADDER,
) -> Forecast:
    """Forecast every point over `horizon`, by the rung of `models` that won its own last scored days.

    Nothing at or after `known_until` (by default the panel's end) is looked at. The forecast begins at `start`, by
    default at `known_until`; a later start bridges a head-end's delay. A point without a usable value gets NaN and
    the model `none`; where that holds for all points TooLittleData is raised.
    """
    steps = steps_of(panel, horizon)
    known, first = moments(panel, known_until, start)
    past = panel.slice(0, known)
    parts = [serve_block(block, Span(known, steps, first - known), models) for block in blocks(past, zone)]
    whole = joined(parts)
    if np.all(whole.rung < 0):
        raise nothing_known(past, models)
    return Forecast(
        points=panel.points,
        start=slot_time(panel, first),
        interval=panel.interval,
        quantiles=whole.prediction.quantiles,
        mean=whole.prediction.mean,
        models=tuple(models[rung].name if rung >= 0 else NONE for rung in whole.rung),
        known_until=past.end,
        reading_type=panel.reading_type,
        coefficients=whole.coefficients,
        notes=tuple(notes(whole, panel.points, models)),
    )


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What some rows of a panel get: `rung` int[n] serves them (-1: none can), `chosen` int[n] had won.

    `unable` bool[n, models]: the model lacks the readings it needs; `days` int[n]: scored days behind the choice.
    """

    rows: Index
    prediction: Prediction
    rung: Index
    chosen: Index
    unable: npt.NDArray[np.bool_]
    days: Index
    coefficients: Mapping[str, Values]


def moments(panel: Panel, known_until: datetime | None, start: datetime | None) -> tuple[int, int]:
    """Return (slots known, slot at which the forecast begins), both rounded down to the grid."""
    known = panel.end if known_until is None else Interval(known_until, known_until).start
    begin = known if start is None else Interval(start, start).start
    if begin < known or known < panel.start:
        raise UsageError(
            f"a forecast from {begin.isoformat()} on what was known at {known.isoformat()} is none",
            where=f"readings from {panel.start.isoformat()}",
            remedy="let it start at or after the moment of knowledge, and that within the readings",
        )
    return min((known - panel.start) // panel.interval, panel.slots), (begin - panel.start) // panel.interval


def serve_block(block: Block, span: Span, models: Sequence[Model]) -> Served:
    """Choose a rung for each point of the block on its own past, then forecast; what cannot serve gives way below."""
    chosen, unable, days = earned(block, span, models)
    history = history_of(block.panel)
    points = len(block.rows)
    rung = np.full(points, -1)
    prediction, coefficients = nowhere(points, span.steps), {}
    for at, model in enumerate(models[: int(chosen.max()) + 1]):
        fitted = model.fit(history, span.issue, span.steps + span.lead)
        mine = fitted.predict(history, span.issue, span.steps + span.lead).after(span.lead)
        takes = mine.served & (chosen >= at)
        unable[:, at] |= ~mine.served
        rung[takes] = at
        prediction = Prediction(
            np.where(takes[:, None, None], mine.quantiles, prediction.quantiles),
            np.where(takes[:, None], mine.mean, prediction.mean),
        )
        for name, value in fitted.coefficients.items():
            coefficients[name] = np.where(takes, value, np.nan)
    return Served(block.rows, prediction, rung, chosen, unable, days, coefficients)


def joined(parts: Sequence[Served]) -> Served:
    """Put the blocks back into the order of the panel."""
    order = np.argsort(np.concatenate([part.rows for part in parts]))
    names = list(dict.fromkeys(name for part in parts for name in part.coefficients))

    def column(read: Callable[[Served], npt.NDArray[Any]]) -> npt.NDArray[Any]:
        return np.concatenate([read(part) for part in parts])[order]

    return Served(
        rows=column(lambda part: part.rows),
        prediction=Prediction(
            column(lambda part: part.prediction.quantiles), column(lambda part: part.prediction.mean)
        ),
        rung=column(lambda part: part.rung),
        chosen=column(lambda part: part.chosen),
        unable=column(lambda part: part.unable),
        days=column(lambda part: part.days),
        coefficients={name: column(partial(coefficient, name)) for name in names},
    )


def coefficient(name: str, part: Served) -> Values:
    """Return one coefficient of some rows; NaN where no model of theirs has it."""
    return part.coefficients.get(name, np.full(part.rung.size, np.nan))


def notes(served: Served, points: Sequence[str], models: Sequence[Model]) -> list[str]:
    """Say which model serves how many points, on what evidence, and why a higher one does not."""
    lines = []
    for at, model in enumerate(models):
        mine = np.flatnonzero(served.rung == at)
        if mine.size:
            lines.append(f"{model.name} serves {mine.size} of {len(points)} usage points")
        lacking = np.flatnonzero(served.unable[:, at] & (served.rung < at))
        if lacking.size:
            lines.append(f"{model.name} needs {model.needs}: not met by {named(points, lacking)}")
    blind = np.flatnonzero(served.days < FEWEST_DAYS)
    if blind.size:
        lines.append(f"fewer than {FEWEST_DAYS} scored days, so models are not compared: {named(points, blind)}")
    else:
        lines.append(f"chosen by the weighted quantile loss of the last {int(served.days.min())} scored days")
    silent = np.flatnonzero(served.rung < 0)
    if silent.size:
        lines.append(f"no forecast, for want of trusted values: {named(points, silent)}")
    return lines


def nothing_known(past: Panel, models: Sequence[Model]) -> TooLittleData:
    """Say what the least demanding model needs."""
    days = np.isfinite(past.values).sum() / max(past.slots_per_day * len(past.points), 1)
    return TooLittleData(
        f"no usage point can be forecast: {models[0].name} needs {models[0].needs}; known are {days:.1f} days a point",
        where=f"{named(past.points, np.arange(len(past.points)))} until {past.end.isoformat()}",
        remedy="bring at least one day of readings, better eight weeks",
    )
