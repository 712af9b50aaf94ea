"""A day that is there in two resolutions, from before series were kept in one: one of each two values counts on."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.interval import DAY_S, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.ingest.order import gives_way, is_guess
from gridwright.store.days.incoming import PLAINLY
from gridwright.store.days.known import Instants, unpack_known
from gridwright.store.days.recounting import Change, Image, day_image
from gridwright.store.days.saving_panels import leave_traces, merge_panel
from gridwright.store.days.series import uncount
from gridwright.store.names import Names
from gridwright.store.session import Unit


def merge_both(
    unit: Unit, names: Names, change: Change, place: tuple[int, int, bool], known_at_us: int, *, made: bool = False
) -> bool:
    """Let the better value of each interval count, and of equals the later, as if all had come in one resolution.

    The other is taken back, so that what was known before still can be asked. Days on different grids stay as they are.
    `place`: day, usage point, and whether the archive has a file of it: what was told in both resolutions while the day
    was in that alone was counted once. `made`: of final images, which the days of the raw ones are made into again.
    """
    day, key, filed = place
    coarse, fine = (day_image(unit, kind, day, key) for kind in (change.source, change.target))
    if coarse is None or not _counts(coarse).any():
        return False
    if fine is not None and (fine.slots, fine.phase_s) != (coarse.slots, coarse.phase_s):
        return False
    name = names.find_codes(unit, [key])[key]
    wins = _counts(coarse) if fine is None else _wins(coarse, fine, change.factor, day)
    start = from_epoch_s(day * DAY_S + coarse.phase_s)
    values = np.where(wins, coarse.integers.astype(np.float64) * change.factor, np.nan)[None, :]
    quality = np.where(wins, _quality(coarse), np.uint8(q.MISSING))[None, :]
    step = timedelta(seconds=DAY_S // coarse.slots)
    laid = Panel((name,), start, step, values, quality, change.fine)
    zeros = np.where(_counts(coarse), 0.0, np.nan)[None, :]
    gone = Panel((name,), start, step, zeros, np.full(zeros.shape, q.TAKEN_BACK, np.uint8), change.coarse)
    for kind, panel in ((change.target, laid), (change.source, gone)):
        saver, _ = merge_panel(unit, names, kind, panel, known_at_us, how=PLAINLY)
        if not made:
            leave_traces(unit, saver)
    if not made:
        told = np.zeros(coarse.slots, np.bool_) if fine is None else fine.present
        fewer = np.count_nonzero(coarse.present & (wins & ~told if filed else wins | told))
        uncount(unit, change.source, DAY_S // coarse.slots, np.array([key]), np.array([fewer]), kept=True)
    return True


def _wins(coarse: Image, fine: Image, factor: int, day: int) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which intervals of the coarse image count: those that it has alone, the better ones, and later equals.

    Not those that are the finer ones rounded.
    """
    mine, its = _quality(coarse), _quality(fine)
    apart = np.abs(coarse.integers.astype(np.float64) * factor - fine.integers)
    same = apart == 0
    later = _instants(coarse, day) > _instants(fine, day)
    better = np.where(later, ~gives_way(mine, its, same), gives_way(its, mine, same))
    return np.asarray(_counts(coarse) & (~_counts(fine) | (better & ((apart > factor / 2) | is_guess(its)))))


def _counts(image: Image) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    return np.asarray(image.present & (_quality(image) != q.TAKEN_BACK))


def _quality(image: Image) -> q.Qualities:
    if image.quality is None:
        return np.full(image.slots, image.quality_all or 0, np.uint8)
    return np.frombuffer(image.quality, np.uint8)


def _instants(image: Image, day: int) -> Instants:
    if image.known is None:
        return np.full(image.slots, image.known_at_us, np.int64)
    return np.asarray(unpack_known(image.known, 1, image.slots, day)[0])
