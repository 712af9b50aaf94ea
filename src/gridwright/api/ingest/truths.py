"""True and false in lines: the reader makes 1 and 0 of them, which is a state, but no energy."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.meaning import Said, Wrong, meaning_of
from gridwright.domain.reading_type import Quantity
from gridwright.formats.line_protocol import FieldValues

TRUTH = re.compile(rb"[ ,]([^ ,=\n]+)=(?:[tTfF]|true|True|TRUE|false|False|FALSE)(?=[ ,\r\n]|\Z)")


def truths_of(
    body: bytes, values: FieldValues, said: Sequence[Said], which: npt.NDArray[np.int32]
) -> npt.NDArray[np.intp]:
    """Return the rows that are true or false and mean something else than a state."""
    if not values.truths or all(map(_may_be, said)):
        return np.zeros(0, np.intp)
    ends = np.flatnonzero(np.frombuffer(body, np.uint8) == ord("\n"))
    told = {(int(np.searchsorted(ends, one.start())) + 1, one[1]) for one in TRUTH.finditer(body)}
    refused = np.array([not _may_be(one) for one in said] or [False])
    rows = np.flatnonzero((which >= 0) & refused[np.maximum(which, 0)] & np.isin(values.value, (0.0, 1.0)))
    names = [name.encode() for name in values.fields]
    found = [row for row in rows.tolist() if (int(values.line[row]), names[values.field[row]]) in told] if told else []
    return np.array(found, np.intp)


def _may_be(said: Said) -> bool:
    """Tell whether true or false may be a value of this meaning; one that means nothing is refused elsewhere."""
    try:
        return meaning_of(said).reading_type.quantity is Quantity.STATE
    except Wrong:
        return True
