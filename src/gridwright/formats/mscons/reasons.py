"""The reasons (STS) behind values that say what was the matter with the meter."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.formats import marked
from gridwright.formats.mscons.codes import EVENT_OF_REASON, REASONED
from gridwright.formats.mscons.segments import Marks, Segments

Index = npt.NDArray[np.int64]


def reasons_of(segments: Segments, marks: Marks, values: Index) -> marked.Marks | None:
    """Return what the STS segments behind each of the `values` (QTY) say of its meter; None where none does."""
    kinds: dict[frozenset[str], int] = {frozenset(): 0}
    of = np.zeros(values.size, np.int64)
    told: dict[int, frozenset[str]] = {}
    for at in np.flatnonzero(segments.of(b"STS")).tolist():
        owner, kind = int(np.searchsorted(values, at)) - 1, _event_of(segments, marks, at)
        if kind and owner >= 0:
            told[owner] = told.get(owner, frozenset()) | {kind}
    for owner, said in told.items():
        of[owner] = kinds.setdefault(said, len(kinds))
    return marked.Marks(tuple(kinds), of) if told else None


def _event_of(segments: Segments, marks: Marks, at: int) -> str:
    """Return the event that one STS means: its category, an empty status, then the reason."""
    parts = [[marks.plain(part) for part in element] for element in segments.elements(at)]
    if len(parts) < 3 or parts[1][0] not in REASONED:  # noqa: PLR2004 - the tag, the category, and more
        return ""
    codes = [element[0] for element in parts[2:]]
    return next((EVENT_OF_REASON[code] for code in codes if code in EVENT_OF_REASON), "")
