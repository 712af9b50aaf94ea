"""Margins: parts of a whole that are told over other times than it is agree with it, in whole counts.

A register by time of use that is read less often than the total one leaves open when within its time it counted. What
is told of it and of the total is a table of which the margins are known: it is fitted to both, its shape kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.vee.closure import close_to
from gridwright.vee.runs import Floats, Index, Mask
from gridwright.vee.spans import Cells, Spans

ROUNDS = 200
NOBODY = -1
Register = tuple[Cells, Spans]  # of one row: what it is told of, before anything of it was closed
Arc = tuple[int, int, int]  # the node it leads to, the number of a group, and whether it gets more (1) or less (-1)


@dataclass(frozen=True, slots=True, eq=False)
class Margins:
    """In which `part` and in which `whole` each cell is, `NOBODY`: in none; and what is told of each, in counts."""

    part: Index
    whole: Index
    of_parts: Floats
    of_wholes: Floats

    def fit(self, shape: Floats) -> Floats | None:
        """Return the cells such that each part and each whole is what is told of it; None where that cannot be."""
        keys, group = np.unique(np.stack([self.part, self.whole]), axis=1, return_inverse=True)
        group = group.ravel()
        number = np.bincount(group)
        seed = np.maximum(np.bincount(group, shape), number * 1e-6)
        fitted = self._fitted(seed, keys)
        counts = _Table(keys, np.floor(fitted), fitted % 1).settled(self.of_parts, self.of_wholes)
        return None if counts is None else close_to(shape, group, counts)

    def _fitted(self, each: Floats, keys: Index) -> Floats:
        """Scale groups to both margins in turn (Deming and Stephan 1940); none has more than is told in the end."""
        sides = [(key, told) for key, told in zip(keys, (self.of_parts, self.of_wholes), strict=True) if told.size]
        for turn in range(ROUNDS + 1):
            for key, told in sides:
                there = key != NOBODY
                total = np.bincount(key[there], each[there], told.size)
                factor = np.where(total > 0, told / np.where(total > 0, total, 1.0), 1.0)
                factor = np.minimum(factor, 1.0) if turn == ROUNDS else factor
                each = np.where(there, each * factor[np.where(there, key, 0)], each)
        return each


@dataclass(slots=True, eq=False)
class _Table:
    """Whole counts of groups, each of a part and a whole; they move along groups until the margins are right.

    Nodes are the parts, then the wholes, then what has no margin.
    """

    keys: Index
    counts: Floats
    left: Floats

    def settled(self, of_parts: Floats, of_wholes: Floats) -> Floats | None:
        """Return the counts, None where there are none with these margins; the largest remainders come first."""
        parts, outside = of_parts.size, of_parts.size + of_wholes.size
        ends = [np.where(key == NOBODY, outside, key + shift) for key, shift in zip(self.keys, (0, parts), strict=True)]
        arcs = self._arcs(ends, outside)
        held = sum(np.bincount(end, self.counts, outside + 1) for end in ends)
        lacks = np.concatenate([of_parts, of_wholes, [np.inf]]) - np.where(np.arange(outside + 1) < outside, held, 0.0)
        for source in (*range(parts), outside):
            while lacks[source] > 0 and (path := self._path(arcs, source, lacks, parts)):
                self._move(path, source, lacks)
        return None if lacks[:outside].any() else self.counts

    def _arcs(self, ends: Sequence[Index], outside: int) -> list[list[Arc]]:
        arcs: list[list[Arc]] = [[] for _ in range(outside + 1)]
        for at in np.argsort(-self.left, kind="stable").tolist():
            part, whole = int(ends[0][at]), int(ends[1][at])
            arcs[part].append((whole, at, 1))
            arcs[whole].append((part, at, -1))
        return arcs

    def _path(self, arcs: Sequence[Sequence[Arc]], source: int, lacks: Floats, parts: int) -> list[Arc]:
        """Return the shortest way to a whole that lacks something, else to what has no margin; nothing: none."""
        came: dict[int, tuple[int, Arc]] = {}
        found, turn, outside = [source], 0, len(arcs) - 1
        while turn < len(found):
            node = found[turn]
            turn += 1
            if parts <= node < outside and lacks[node] > 0:
                return _back(came, source, node)
            for arc in arcs[node]:
                if arc[0] not in came and arc[0] != source and (arc[2] > 0 or self.counts[arc[1]] > 0):
                    came[arc[0]] = node, arc
                    found.append(arc[0])
        return _back(came, source, outside) if outside in came else []

    def _move(self, path: Sequence[Arc], source: int, lacks: Floats) -> None:
        end = path[-1][0]
        most = min(lacks[source], lacks[end], *(self.counts[at] for _, at, sign in path if sign < 0), np.inf)
        for _, at, sign in path:
            self.counts[at] += sign * most
        lacks[[source, end]] -= most


def _back(came: Mapping[int, tuple[int, Arc]], source: int, node: int) -> list[Arc]:
    path: list[Arc] = []
    while node != source:
        node, arc = came[node]
        path.append(arc)
    return path[::-1]


def in_agreement(
    parts: Sequence[Register], whole: Register, seed: Floats, closed: Floats, done: Mask
) -> tuple[Index, Floats] | None:
    """Return which cells of a row are to be what, so that registers by time of use and the total one both are told.

    `closed`: as those by time of use left the cells that are `done`; `seed`: what was estimated. None where the total
    one agrees with that, or nothing agrees with all.
    """
    of_whole, told = _laid([whole])
    wrong = _contradicted(of_whole, told, closed, done, whole[0].open[0])
    if not wrong.any():
        return None
    of_part, of_parts = _laid(parts)
    at = _concerned(of_part, of_whole, wrong)
    part, mine = _numbered(of_part[at])
    total, its = _numbered(of_whole[at])
    made = Margins(part, total, of_parts[mine], told[its]).fit(np.nan_to_num(seed[at]))
    return None if made is None else (at, made)


def _laid(registers: Sequence[Register]) -> tuple[Index, Floats]:
    """Return in which span each cell is that is open in it, and what is left for each span, from nothing on."""
    which, left = np.full(registers[0][0].open.shape[1], NOBODY, np.intp), list[float]()
    for cells, spans in registers:
        for at in np.flatnonzero((spans.open > 0) & (spans.left >= 0)).tolist():
            some = slice(int(spans.first[at]), int(spans.last[at]))
            which[some][cells.open[0, some]] = len(left)
            left.append(float(spans.left[at]))
    return which, np.array(left)


def _contradicted(which: Index, left: Floats, closed: Floats, done: Mask, open_: Mask) -> Mask:
    """Tell of which spans of the total something else is left than the registers by time of use gave them."""
    there = which != NOBODY
    gone, more = there & done, there & open_ & ~done
    off = left - np.bincount(which[gone], closed[gone], left.size)
    return np.asarray((off < 0) | ((off != 0) & (np.bincount(which[more], minlength=left.size) == 0)))


def _concerned(part: Index, whole: Index, wrong: Mask) -> Index:
    """Return the cells of some wholes, of all parts that have cells of these, of their wholes, and so on."""
    some = np.r_[wrong, False][whole]
    while True:
        both = some | (np.isin(part, part[some]) & (part != NOBODY))
        both |= np.isin(whole, whole[both]) & (whole != NOBODY)
        if (both == some).all():
            return np.flatnonzero(some)
        some = both


def _numbered(which: Index) -> tuple[Index, Index]:
    """Return the same with numbers from 0 on, and which number each of them was."""
    mine = np.unique(which[which != NOBODY])
    return np.where(which == NOBODY, NOBODY, np.searchsorted(mine, which)), mine
