"""Plain lines of known meters, straight to what the journal keeps: nothing is left to judge that was not judged before.

Whatever may have a verdict of its own goes the long way: a name nobody knows, a meter that was elsewhere then, a value
that is finer than its series, a time that comes twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.compiled import machine_for_lines
from gridwright.api.ingest.learned import Learned
from gridwright.api.ingest.lines import LineMapping, Words
from gridwright.api.ingest.meaning import Meaning, Wrong, meaning_of
from gridwright.api.ingest.table import grid_of
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.quality import STATUS, Status
from gridwright.domain.reading_type import LARGEST_EXACT, Accumulation
from gridwright.domain.readings import AHEAD, EARLIEST
from gridwright.formats.line_protocol.plain import NOBODY, How, Rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from gridwright.api.ingest.names import Directory
    from gridwright.formats.line_protocol.columns import Unit

Whole = npt.NDArray[np.int64]
LEARNED_AT_ONCE = 1_024  # keys: so many take some milliseconds, in which nobody else is served
PASSES = 2  # the first may meet keys that are not known
SHORTEST = len(b"k f=1 1\n")  # bytes of a plain line
HEARD = 1_024  # fields and words whose meaning is remembered
NO_NAME = np.zeros(0, np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class PlainReadings:
    """n sound readings of one meaning by the store's keys of their usage points, each point and time once, in order."""

    meaning: Meaning
    point: Whole
    at: Whole
    count: Whole

    @property
    def size(self) -> int:
        """Number of readings."""
        return int(self.at.size)


def joined(parts: Sequence[PlainReadings]) -> Sequence[PlainReadings]:
    """Return readings of one meaning as one; as they are where a time comes twice, or intervals have several phases."""
    if len(parts) == 1:
        return parts
    # Clients send different meters, or times: in this order they mostly follow each other, and need no sorting.
    following = sorted(parts, key=lambda part: (int(part.point[0]), int(part.at[0])))
    columns = ([getattr(part, name) for part in following] for name in ("point", "at", "count"))
    point, at, count = (np.concatenate(column) for column in columns)
    whole = _ordered(parts[0].meaning, point, at, count, rising=_rises(point, at))
    return parts if whole is None else [whole]


def _rises(point: Whole, at: Whole) -> bool:
    """Tell whether readings are ordered by point and time, each once."""
    return bool(((point[1:] > point[:-1]) | ((point[1:] == point[:-1]) & (at[1:] > at[:-1]))).all())


class PlainLines:
    """Reads bodies of plain lines by what it has learned; without a compiler none is plain. For one thread."""

    def __init__(self, mapping: LineMapping) -> None:
        self._mapping = mapping
        self._learned: Learned | None = None  # until there is a compiler
        self._meant: dict[tuple[bytes, Words], Meaning | None] = {}
        self._room = Rows.room_for(0, LEARNED_AT_ONCE)

    def read(self, body: bytes, unit: Unit, directory: Directory, now: datetime) -> PlainReadings | None:
        """Return the readings of a body; None where it has to go the long way."""
        code, head = machine_for_lines(), _head(body)
        if code is None or head is None:
            return None
        learned = self._learned = self._learned or Learned(self._mapping.point_tags, code.enter)
        learned.go_by(directory)
        key, name = head
        word = learned.word_of(key)
        meaning = None if word < 0 else self._meaning(name, learned.words[word])
        if meaning is None:
            return None
        how = _how(meaning, unit, epoch_s(now))._replace(name=np.frombuffer(name, np.uint8), word=word)
        raw, rows = np.frombuffer(body, np.uint8), self._rows(len(body) // SHORTEST + 1)
        for _ in range(PASSES):
            lines, rising, unknown = code.scan(raw, *learned.columns(), how, rows)
            if not unknown:
                return _in_order(meaning, rows, lines, rising=rising) if lines > 0 else None
            ends = zip(rows.begin[:unknown].tolist(), rows.end[:unknown].tolist(), strict=True)
            learned.learn(list(dict.fromkeys(body[begin:end] for begin, end in ends)))
            if lines < 0:
                break
        return None

    def _rows(self, lines: int) -> Rows:
        """Return room for so many lines; it is used again for the next body."""
        if lines > self._room.at.size:
            self._room = Rows.room_for(lines, LEARNED_AT_ONCE)
        return self._room

    def _meaning(self, name: bytes, words: Words) -> Meaning | None:
        """Return what a field means beside some words; None where it has to be looked at reading by reading."""
        key = (name, words)
        if key not in self._meant:
            if len(self._meant) >= HEARD:
                self._meant.clear()
            self._meant[key] = self._meaning_of(name, words)
        return self._meant[key]

    def _meaning_of(self, name: bytes, words: Words) -> Meaning | None:
        try:
            field = name[:-1].decode()
            said = None if self._mapping.is_ignored(field, words.measurement) else self._mapping.said(field, words)
            meaning = None if said is None else meaning_of(said)
        except (UnicodeDecodeError, Wrong):
            return None
        return None if meaning is None or meaning.is_register or meaning.quality & STATUS == Status.EDITED else meaning


def _head(body: bytes) -> tuple[bytes, bytes] | None:
    """Return the key of the first line, and the name of its only field with the equals sign; None where it has more."""
    space = body.find(b" ", 0, 512)
    equals = body.find(b"=", space, space + 256)
    end = body.find(b" ", equals, equals + 32)
    if space < 1 or equals < 0 or end < 0 or b"," in body[space:end]:
        return None
    return body[:space], body[space + 1 : equals + 1]


@lru_cache(maxsize=64)
def _how(meaning: Meaning, unit: Unit, now_s: int) -> How:
    """Return how values of a meaning are read now, but for the name and the words."""
    sampled = meaning.reading_type.accumulation is Accumulation.INSTANTANEOUS
    first_us, last_us = epoch_s(EARLIEST) * MICRO, now_s * MICRO + AHEAD // timedelta(microseconds=1)
    return How(
        name=NO_NAME,
        word=NOBODY,
        scale=10.0 ** abs(meaning.power),
        shrinks=meaning.power < 0,
        largest=LARGEST_EXACT,
        times=unit[0],
        over=unit[1],
        first_us=first_us,
        last_us=last_us,
        sample_us=meaning.interval_s * MICRO if sampled else 1,
        grid_us=grid_of(meaning.interval_s) * MICRO,
    )


def _in_order(meaning: Meaning, rows: Rows, lines: int, *, rising: bool) -> PlainReadings | None:
    """Return copies by point and time; None where a time comes twice, or intervals have several phases."""
    point, at, count = (column[:lines].copy() for column in (rows.point, rows.at, rows.counts))
    return _ordered(meaning, point, at, count, rising=rising)


def _ordered(meaning: Meaning, point: Whole, at: Whole, count: Whole, *, rising: bool) -> PlainReadings | None:
    """Return readings by point and time; None where a time comes twice, or intervals have several phases."""
    if not rising:
        sequence = np.lexsort((at, point))
        point, at, count = point[sequence], at[sequence], count[sequence]
        if ((point[1:] == point[:-1]) & (at[1:] == at[:-1])).any():
            return None
    step = meaning.interval_s
    if grid_of(step) != step and (at % step != at[0] % step).any():
        return None
    return PlainReadings(meaning, point, at, count)
