"""Verdicts on records of a document: each with its line, the text at fault and the record as it stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.domain.verdict import Reject
from gridwright.formats.markup.pieces import is_cut_off, line_of
from gridwright.formats.markup.records import Records
from gridwright.formats.markup.tags import BROKEN, Index, Tags
from gridwright.formats.nem12.days import Verdicts
from gridwright.formats.source import KEPT_REJECTS, Decoded

Mask = npt.NDArray[np.bool_]
Spans = tuple[Index, Index]
TORN_BYTES = 320
MOST_STRAY = 20
MOST_TAGS = 6_000_000  # in one piece: some hundred thousand readings


@dataclass(frozen=True, slots=True)
class Refusals:
    """What is refused of a piece of a document."""

    tags: Tags
    verdicts: Verdicts = field(default_factory=Verdicts)

    def torn(self, records: Records, name: str) -> None:
        """Refuse the records that damage has torn, and tell of damage that no record shows."""
        torn, broken = (self.tags.start[at] for at in (records.torn, np.flatnonzero(self.tags.kind == BROKEN)))
        for at in torn.tolist():
            self.damaged(at, f"this {name} is damaged: its tags do not fit each other")
        marks = np.sort(np.concatenate([records.places, torn]))
        before = np.append(marks, -1)[np.searchsorted(marks, broken) - 1]
        for at in broken[~np.isin(before, torn)][:MOST_STRAY].tolist():
            self.damaged(at, "the markup is damaged here; readings may be lost")

    def damaged(self, place: int, reason: str) -> None:
        """Refuse what stands at a place of the text, for damage."""
        line = int(self.tags.lines(np.array([place]))[0]) if len(self.verdicts.kept) < KEPT_REJECTS else 0
        shown = self.tags.shown(place, place + TORN_BYTES)
        self.verdicts.add(Reject(line, reason, "fetch the file again", "", shown))

    def some(self, records: Records, which: Mask, advice: tuple[str, str], leaf: Spans | None = None) -> None:
        """Refuse some records; `advice`: (reason, remedy); `leaf`: spans of the text at fault of every record."""
        at = np.flatnonzero(which)
        lines = self.tags.lines(records.places[at]) if at.size else at
        for record, line in zip(at.tolist(), lines.tolist(), strict=True):
            value = ""
            if leaf is not None and leaf[0][record] >= 0:
                value = self.tags.shown(int(leaf[0][record]), int(leaf[1][record]), 40)
            start, end = int(records.places[record]), int(records.stops[record]) + 1
            self.verdicts.add(Reject(line, *advice, value, self.tags.shown(start, end)))

    def group(self, records: Records, which: Mask, advice: tuple[str, str]) -> None:
        """Refuse records for one common reason: one verdict, at the first of them, that counts them all."""
        at = np.flatnonzero(which)
        if at.size:
            line = int(self.tags.lines(records.places[at[:1]])[0])
            self.verdicts.add(Reject(line, *advice, "", f"{at.size} readings"), at.size)

    def sorted(self) -> tuple[Reject, ...]:
        """Return the rejects in the order of the text."""
        return tuple(sorted(self.verdicts.kept, key=lambda reject: reject.line))


def oversized(data: bytes, first_line: int, mark: bytes) -> Decoded | None:
    """Refuse a piece that cannot be cut and holds more tags than the memory is meant for; None for any other.

    `mark`: the name of a record, by which the lost readings are counted.
    """
    if len(data) < 2 * MOST_TAGS or data.count(b"<") <= MOST_TAGS:
        return None
    reason = f"one element holds more than {MOST_TAGS:,} tags"
    lost = max(1, data.count(b"<" + mark))
    return Decoded(lost, rejects=(Reject(first_line, reason, "split the file", "", f"{lost} readings"),), rejected=lost)


def cut_off(data: memoryview, root: bytes) -> Reject | None:
    """Return the verdict on a document that ends before its root element does; None for a whole one."""
    if not is_cut_off(data, root):
        return None
    reason = f"the file ends before </{root.decode()}>: it is cut off"
    return Reject(line_of(data, len(data)), reason, "fetch it again; what came before is kept")
