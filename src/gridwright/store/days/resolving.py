"""One resolution for a series, however finely its values came: what is stored of a day is never there in two.

What comes is counted as the series is, where that loses nothing. Where it needs more, it is kept in its own resolution,
and so are the days that it touches from then on; the rest of the series follows with `Resolutions.settle`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.errors import GridMismatch
from gridwright.domain.interval import DAY_S
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import LARGEST_EXACT, ReadingType
from gridwright.ingest.order import is_guess
from gridwright.store.days.blocks import lock_points
from gridwright.store.days.bringing import Beyond, bring_days, bring_whole
from gridwright.store.days.countable import Stored, require_countable, too_fine
from gridwright.store.days.kept_series import Kept, stored_series
from gridwright.store.days.laying import Single
from gridwright.store.days.loading import PanelLoader
from gridwright.store.days.recounting import Change
from gridwright.store.instant import to_seconds
from gridwright.store.names import Names
from gridwright.store.session import Unit


class KeptSingles(NamedTuple):
    """Single readings in the resolution in which they are kept: their places, and their usage points' keys."""

    kind: ReadingType
    places: list[int]
    singles: list[Single]
    keys: list[int | None]


class KeptPart(NamedTuple):
    """Readings in the resolution in which they are kept, and the key of that type.

    `coarser`: keys of types in which some of the series are stored besides, by how many counts become of one of theirs.
    """

    kind: int
    panel: Panel
    coarser: Mapping[int, int]


def singles_as_kept(
    unit: Unit, names: Names, kind: ReadingType, singles: Sequence[Single], keys: Sequence[int | None]
) -> list[KeptSingles]:
    """Return single readings in parts of one resolution each; the key of one that needs a closer look is None."""
    family = names.resolutions(unit, kind)
    others = family.keys() - {kind.exponent}
    there = stored_series(unit, family, [key for key in keys if key is not None]) if others else {}
    if all(one.exponent == kind.exponent for some in there.values() for one in some):
        return [KeptSingles(kind, list(range(len(singles))), list(singles), list(keys))]
    found: dict[int, KeptSingles] = {}
    for place, (single, key) in enumerate(zip(singles, keys, strict=True)):
        exponents = {one.exponent for one in there.get(key or 0, ())} or {kind.exponent}
        exponent = min(exponents)
        part = found.setdefault(exponent, KeptSingles(kind.finer(exponent), [], [], []))
        factor = 10.0 ** abs(kind.exponent - exponent)
        counts = float(single.counts * factor if exponent < kind.exponent else single.counts / factor)
        fits = len(exponents) == 1 and counts.is_integer() and abs(counts) <= LARGEST_EXACT
        part.places.append(place)
        part.singles.append(single._replace(counts=counts))
        part.keys.append(key if fits else None)
    return list(found.values())


def in_one_resolution(unit: Unit, names: Names, kind: int, panel: Panel, known_at_us: int) -> list[KeptPart]:
    """Return raw readings in parts, each with the type's key under which it is to be stored.

    Their usage points are locked first: another writer may be about to store them in another resolution. Days that are
    stored in one are brought to that of what touches them. What cannot be counted as the series is, is a GridMismatch.
    """
    keys = names.key_array(unit, panel.points).tolist()
    lock_points(unit, keys)
    family = names.resolutions(unit, panel.reading_type)
    if len(family) <= 1:
        return [KeptPart(kind, panel, {})]
    there, own = stored_series(unit, family, keys), panel.reading_type.exponent
    every = {one.exponent for some in there.values() for one in some}
    if every <= {own}:
        return [KeptPart(kind, panel, {})]
    wanted = np.array([_wanted(panel, row, there.get(key, ())) for row, key in enumerate(keys)])
    for row, key in enumerate(keys):
        if key in there:
            require_countable(unit, panel, row, Stored(key, there[key], family), int(wanted[row]))
    parts = []
    for exponent in np.unique(wanted).tolist():
        rows = np.flatnonzero(wanted == exponent)
        part = panel if rows.size == len(keys) else panel.rows(rows)
        if exponent != own:
            part = part.rescaled(exponent)
        _bring(unit, names, part, (family, there), known_at_us)
        if exponent < own:
            part = _as_known(unit, names, family[exponent], part, 10.0 ** (own - exponent))
        coarser = {10 ** (one - exponent): family[one] for one in every if one > exponent}
        parts.append(KeptPart(family[exponent], part, coarser))
    return parts


def _as_known(unit: Unit, names: Names, kind: int, part: Panel, factor: float) -> Panel:
    """Return coarser values that came with the stored digits, where they are only these rounded: they say no other.

    Else two senders of which one rounds would supersede each other for ever.
    """
    loader = PanelLoader(unit, kind, names.key_array(unit, part.points), None)
    try:
        stored = loader.load(part.points, part.period, part.reading_type, part.interval_s)
    except GridMismatch:
        return part
    if stored.start != part.start:
        return part
    told = ~(stored.missing | is_guess(stored.quality) | (stored.quality == q.TAKEN_BACK))
    rounded = told & (np.abs(stored.values - part.values) <= factor / 2)
    return part.with_values(np.where(rounded, stored.values, part.values)) if rounded.any() else part


def _wanted(panel: Panel, row: int, there: Sequence[Kept]) -> int:
    """Return the exponent in which a row is kept: the finest that is stored, unless its values need another."""
    own = panel.reading_type.exponent
    finest = min((one.exponent for one in there), default=own)
    values = panel.values[row][~np.isnan(panel.values[row])]
    factor = 10.0 ** abs(own - finest)
    fits = np.abs(values) <= LARGEST_EXACT / factor if own > finest else np.fmod(values, factor) == 0
    return finest if fits.all() else own


def _bring(
    unit: Unit, names: Names, part: Panel, stored: tuple[dict[int, int], dict[int, list[Kept]]], known_at_us: int
) -> None:
    """Bring the days that a panel touches to its resolution, where they are stored in a coarser one.

    `stored`: the keys of the types by exponent, and the series of the usage points. Of one that has no other day
    nothing would be left that tells of what was made of it: that goes with it.
    """
    family, there = stored
    fine = part.reading_type
    days = range(to_seconds(part.start) // DAY_S, -(-to_seconds(part.end) // DAY_S))
    mine: dict[tuple[int, bool], list[int]] = defaultdict(list)
    for key in names.key_array(unit, part.points).tolist():
        for exponent in {one.exponent for one in there.get(key, ()) if one.exponent > fine.exponent}:
            some = [one for one in there[key] if one.exponent == exponent]
            if any(one.first < days.stop and days.start < one.last for one in some):
                whole = all(days.start <= one.first and one.last <= days.stop for one in some)
                mine[exponent, whole].append(key)
    for (exponent, whole), keys in mine.items():
        change = Change(family[exponent], family[fine.exponent], fine.finer(exponent), fine)
        beyond: Beyond = {}
        if whole:
            every = [one for key in keys for one in there[key]]
            reach = range(min(one.first for one in every), max(one.last for one in every))
            bring_whole(unit, names, change, (keys, reach), known_at_us, beyond=beyond)
        else:
            bring_days(unit, names, change, (keys, days), known_at_us, beyond=beyond)
        for key, found in beyond.items():
            raise too_fine(part, names.key_array(unit, part.points).tolist().index(key), exponent, found)
