"""What lies on both sides of a silence is judged apart, and laid on one grid again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.edit import Edit
from gridwright.domain.panel import Panel
from gridwright.jobs.cascade.channel import Channel
from gridwright.vee import lay_agreed
from gridwright.vee.silence import Silences

Place = tuple[list[int], int]


def judged_apart(
    panel: Panel, silences: Silences | None, judge: Callable[[Panel], Channel], edits: Sequence[Edit]
) -> Channel:
    """Judge the stretches between the silences of a panel each by itself, and return them as one channel.

    What people agreed on within a silence counts there.
    """
    if silences is None:
        return judge(panel)
    places, parts = zip(*_stretches(panel, silences), strict=True)
    made = [judge(part) for part in parts]
    unedited = partial(_under, panel, places, made) if any(each.unedited for each in made) or edits else None
    return Channel(
        _together(panel, places, [each.validated for each in made]),
        lay_agreed(_together(panel, places, [each.trusted for each in made]), edits),
        (*silences.findings(), *(finding for each in made for finding in each.findings)),
        unedited,
    )


def _under(panel: Panel, places: Sequence[Place], made: Sequence[Channel]) -> Panel:
    return _together(panel, places, [each.under for each in made])


def _stretches(panel: Panel, silences: Silences) -> Iterator[tuple[Place, Panel]]:
    """Yield rows and first slot of each stretch, and the stretch; rows with the same silences together."""
    cuts: dict[int, list[int]] = defaultdict(list)
    runs = silences.runs
    for row, first, last in zip(runs.row.tolist(), runs.first.tolist(), runs.last.tolist(), strict=True):
        cuts[row] += [first, last]
    alike: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for row in range(len(panel.points)):
        alike[tuple(cuts[row])].append(row)
    for ends, rows in alike.items():
        some = panel.rows(rows)
        edges = list(pairwise((0, *ends, panel.slots)))
        for first, last in edges[::2]:
            if first < last:
                yield (rows, first), some.slice(first, last)


def _together(panel: Panel, places: Sequence[Place], parts: Sequence[Panel]) -> Panel:
    values, quality = np.full(panel.values.shape, np.nan), np.full(panel.values.shape, q.MISSING, np.uint8)
    for (rows, first), part in zip(places, parts, strict=True):
        at = np.ix_(rows, range(first, first + part.slots))
        values[at], quality[at] = part.values, part.quality
    return panel.with_values(values, quality)
