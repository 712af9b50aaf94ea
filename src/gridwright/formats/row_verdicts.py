"""What is wrong with the rows of a table: all of it counted, the first of it with line, value and record."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.verdict import Reject
from gridwright.formats.layout import Batch
from gridwright.formats.source import KEPT_REJECTS
from gridwright.formats.text import shortened

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]
# As much of a value and of a row as a person reads: a field may be as long as the file.
LONGEST_VALUE, LONGEST_RECORD = 120, 1_000


class Verdicts:
    """Collects rejects of one batch: all are counted, the first ones keep their text."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.rejects = list(batch.rejects)
        self.rejected = batch.rejected
        self.notes: list[str] = list(batch.notes)

    def refuse(self, rows: Mask, reason: str, remedy: str, column: int | None = None) -> None:
        """Reject the rows of a mask for one reason; `{value}` in it becomes the text of `column`."""
        places = np.flatnonzero(rows)
        places = places[places >= self.batch.lead]
        self.rejected += places.size
        for row in places[: max(0, KEPT_REJECTS - len(self.rejects))].tolist():
            value = shortened(cell(self.batch, column, row), LONGEST_VALUE) if column is not None else ""
            text, record = reason.replace("{value}", repr(value)), shortened(self.batch.record(row), LONGEST_RECORD)
            self.rejects.append(Reject(int(self.batch.line[row]), text, remedy, value, record))

    def add(self, line: int, reason: str, remedy: str, value: str, record: str = "") -> None:
        """Reject one reading; the text of the first ones is kept, as much of it as a person reads."""
        self.rejected += 1
        if len(self.rejects) < KEPT_REJECTS:
            self.rejects.append(Reject(line, reason, remedy, value, record))

    def note(self, text: str) -> None:
        """Tell something about the batch that is no reject."""
        self.notes.append(text)


def cell(batch: Batch, column: int, row: int) -> str:
    """Return the text of one cell."""
    return scalar_text(batch.columns[column][row])


def scalar_text(scalar: pa.Scalar) -> str:
    """Return a value as text, one that Python cannot hold (a year beyond 9999) as `?`."""
    try:
        value = scalar.as_py()
    except (OverflowError, ValueError):
        return "?"
    return word_of(value)


def word_of(word: bytes | str | float | None) -> str:
    """Return a cell as a word, without the blanks around it."""
    if isinstance(word, bytes):
        return word.decode("utf-8", "replace").strip()
    return "" if word is None else str(word).strip()
