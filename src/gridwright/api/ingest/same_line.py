"""Fields of one line that mean the same reading, and do not say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.meaning import Meaning, Said, Wrong, meaning_of
from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.reading_type import ReadingType
from gridwright.formats.counts import DOUBLE_NOISE

Rows = npt.NDArray[np.intp]


class Alike:
    """Collects which fields mean the same reading beside the same words."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, ReadingType], list[tuple[int, Meaning]]] = {}

    def add(self, words: int, at: int, said: Said) -> None:
        """Take note of a pair of words and field, by its place."""
        try:
            meaning = meaning_of(said)
        except Wrong:  # it is told with its values
            return
        self._found.setdefault((words, meaning.reading_type), []).append((at, meaning))

    def groups(self, *, alone: bool = False) -> Iterator[list[tuple[int, Meaning]]]:
        """Yield the places of pairs that mean the same, with their meanings; `alone`: also single ones."""
        return (pairs for pairs in self._found.values() if alone or len(pairs) > 1)


def is_field_twice(field: npt.NDArray[np.int32], line: npt.NDArray[np.int64]) -> bool:
    """Tell whether any field stands twice in one line; the values of a line follow each other."""
    if not (line[1:] == line[:-1]).any():
        return False
    told = np.sort(line * (int(field.max()) + 1) + field)
    return bool((told[1:] == told[:-1]).any())


def contradiction(names: Sequence[str], meaning: Meaning) -> Fault:
    """Return what is wrong with a line in which fields of some names differ."""
    reason = f"these fields mean the same reading ({meaning.reading_type.code}), and differ"
    return Fault(", ".join(names), reason, "send one of them, or list the other in [line_protocol] ignore")


def contradicting(
    parts: Sequence[tuple[Rows, Meaning]], value: npt.NDArray[np.float64], line: npt.NDArray[np.int64]
) -> list[Rows]:
    """Return the rows of each line in which fields that mean the same differ; `parts`: the rows of each field."""
    rows = np.concatenate([part for part, _ in parts])
    counts = np.concatenate([value[part] * 10.0**meaning.power for part, meaning in parts])
    order = np.lexsort((rows, line[rows]))
    rows, counts = rows[order], counts[order]
    starts = np.flatnonzero(np.r_[True, np.diff(line[rows]) != 0])
    low, high = np.minimum.reduceat(counts, starts), np.maximum.reduceat(counts, starts)
    differ = high - low > DOUBLE_NOISE * np.maximum(np.abs(low), np.abs(high))
    ends = np.r_[starts[1:], rows.size]
    return [rows[start:end] for start, end in zip(starts[differ].tolist(), ends[differ].tolist(), strict=True)]
