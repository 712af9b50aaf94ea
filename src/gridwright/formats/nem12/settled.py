"""Days of which a file has versions in several of its pieces: what became of each version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.formats.nem12.layout import Index
from gridwright.formats.nem12.piece import Piece
from gridwright.formats.nem12.versions import Chosen, Fill, blank

BLANKED, REPLACED, UNREAD = 1, 2, 4


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """`line`: of each version in the file, ascending; `outcome`: what became of it; `fills`: by line in the file."""

    line: Index = field(default_factory=lambda: np.zeros(0, np.int64))
    outcome: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))
    fills: Mapping[int, Fill] = field(default_factory=dict)

    def apply(self, piece: Piece) -> tuple[Index, Chosen]:
        """Blank what other pieces have a later version of; returns the lines of the piece that are settled, and how."""
        number, chosen = piece.whole.number, Chosen()
        if not self.line.size or not number.size:
            return self.line[:0], chosen
        first, last = np.searchsorted(self.line, [number[0], number[-1] + 1])
        lines, outcome = np.searchsorted(number, self.line[first:last]), self.outcome[first:last]
        blank(piece.whole, lines[(outcome & BLANKED) > 0])
        chosen.replaced += lines[(outcome & REPLACED) > 0].tolist()
        chosen.unread += lines[(outcome & UNREAD) > 0].tolist()
        filled = ((int(line), self.fills.get(int(number[line]))) for line in lines)
        chosen.fills |= {line: fill for line, fill in filled if fill is not None} if self.fills else {}
        return lines, chosen


NOTHING = Settled()
