"""Plain lines of known meters, straight to what the journal keeps: nothing is left to judge that was not judged before.

What a key means is learned once its lines have gone the long way: whose they are by the registry as it is, and which
key the store has for it. Whatever may have a verdict of its own (a value that is finer than its series, a meter that
was elsewhere then, a time that comes twice) goes the long way again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.compiled import scanner
from gridwright.api.ingest.lines import LineMapping, Words, whose
from gridwright.api.ingest.meaning import Meaning, Wrong, meaning_of
from gridwright.api.ingest.names import Directory
from gridwright.api.ingest.table import AHEAD, EARLIEST, MICRO, grid_of, name_fault
from gridwright.domain.interval import epoch_s
from gridwright.domain.reading_type import Accumulation
from gridwright.formats.line_protocol import LineWrong, origin_of
from gridwright.formats.line_protocol.keys import MOST, Keys
from gridwright.formats.line_protocol.plain import FREE, NOBODY, NOT_KNOWN, UNSEEN, How, Rows, Whose

if TYPE_CHECKING:
    from datetime import datetime

    from gridwright.formats.line_protocol.columns import Unit

Whole = npt.NDArray[np.int64]
LARGEST = 2.0**53
EVER_US = (-(1 << 62), 1 << 62)
HEARD = 1_024  # fields and words whose meaning is remembered
EMPTY = Directory()
NO_NAME = np.zeros(0, np.uint8)
KeysOf = Callable[[Sequence[str]], npt.NDArray[np.int64]]


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


@dataclass(frozen=True, slots=True)
class NotPlain:
    """Why there are none: `unknown` keys are worth learning."""

    unknown: bool = False


class PlainLines:
    """Reads bodies of plain lines by what it has learned; without a compiler none is plain."""

    def __init__(self, mapping: LineMapping) -> None:
        self._mapping = mapping
        self._lock = threading.Lock()
        self._meant: dict[tuple[bytes, int], tuple[Meaning, int] | None] = {}
        self._forget()

    def _forget(self) -> None:
        self._keys, self._directory = Keys(), EMPTY
        self._words: dict[Words, int] = {}
        self._meant.clear()
        self._whose = _nobody(0)

    def read(self, body: bytes, unit: Unit, directory: Directory, now: datetime) -> PlainReadings | NotPlain:
        """Return the readings of a body; NotPlain where it has to go the long way."""
        scan = scanner()
        head = None if scan is None else _head(body)
        if scan is None or head is None:
            return NotPlain()
        with self._lock:
            self._look(directory)
            number = self._keys.number(head[0])
            if number == FREE:
                return NotPlain(unknown=True)
            found = self._meaning(head[1], int(self._whose.word[number]))
            if found is None:
                return NotPlain()
            table, about = self._keys.table(), self._whose
        meaning, word = found
        rows = Rows.room_for(body.count(b"\n") + 1)
        how = _how(meaning, unit, now)._replace(name=np.frombuffer(head[1], np.uint8), word=word)
        count, rising = scan(np.frombuffer(body, np.uint8), table, about, how, rows)
        if count <= 0:
            return NotPlain(unknown=count == NOT_KNOWN)
        return _in_order(meaning, rows.first(count), rising=rising)

    def _look(self, directory: Directory) -> None:
        """Ask anew whose all keys are, once the registry has changed."""
        known = self._directory
        if known.points is not directory.points or known.meters is not directory.meters:
            self._directory = directory
            self._whose = self._whose._replace(point=np.full(self._whose.point.size, UNSEEN))

    def _meaning(self, name: bytes, word: int) -> tuple[Meaning, int] | None:
        """Return what a field means beside some words; None where it is no interval of one meaning."""
        if word < 0:
            return None
        key = (name, word)
        if key not in self._meant:
            if len(self._meant) >= HEARD:
                self._meant.clear()
            meaning = self._meaning_of(name, next(words for words, at in self._words.items() if at == word))
            self._meant[key] = None if meaning is None else (meaning, word)
        return self._meant[key]

    def _meaning_of(self, name: bytes, words: Words) -> Meaning | None:
        try:
            field = name[:-1].decode()
            said = None if self._mapping.is_ignored(field, words.measurement) else self._mapping.said(field, words)
            meaning = None if said is None else meaning_of(said)
        except (UnicodeDecodeError, Wrong):
            return None
        return None if meaning is None or meaning.is_register else meaning

    def learn(self, body: bytes, directory: Directory, keys_of: KeysOf) -> None:
        """Learn the keys of a body that was taken: `keys_of` returns the store's keys of usage points."""
        # In the order in which they come: the next in a body is often the next that was learned.
        wanted = dict.fromkeys(key for line in body.split(b"\n") if (key := line.partition(b" ")[0]))
        with self._lock:
            self._look(directory)
            numbers = {key: self._keys.number(key) for key in wanted}
            point = self._whose.point
            unseen = [key for key, at in numbers.items() if at == FREE or point[at] == UNSEEN]
        told = [one for one in map(self._told, unseen) if one is not None]
        places = [_place(name, directory) for _, name, _ in told]
        points = sorted({place[0] for place in places if place[0]})
        store_key = dict(zip(points, keys_of(points).tolist(), strict=True)) if points else {}
        with self._lock:
            if self._directory.points is directory.points and self._directory.meters is directory.meters:
                rows = [(store_key.get(point, NOBODY), *ends) for point, *ends in places]
                self._enter([key for key, _, _ in told], [words for _, _, words in told], rows)

    def _told(self, key: bytes) -> tuple[bytes, str, Words | None] | None:
        """Return the name that a key gives, and what its other tags say; None for what is no key."""
        try:
            name, words = whose(origin_of(key.decode()), self._mapping.point_tags)
        except (UnicodeDecodeError, LineWrong):
            return None
        sound = isinstance(words, Words) and name_fault(name) is None
        return key, name if sound else "", words if isinstance(words, Words) else None

    def _enter(self, keys: Sequence[bytes], words: Iterable[Words | None], rows: Sequence[Sequence[int]]) -> None:
        """Put what was learned into the columns."""
        if len(self._keys) + len(keys) > MOST:
            directory = self._directory
            self._forget()
            self._directory = directory
        self._keys.add(keys)
        size = len(self._keys)
        self._whose = _longer(self._whose, size)
        for key, said, (point, first_us, until_us) in zip(keys, words, rows, strict=True):
            number = self._keys.number(key)
            if number != FREE:
                self._whose.word[number] = NOBODY if said is None else self._words.setdefault(said, len(self._words))
                self._whose.point[number] = point
                self._whose.first_us[number], self._whose.until_us[number] = first_us, until_us


def _nobody(size: int) -> Whose:
    word, point = np.full(size, NOBODY, np.int32), np.full(size, UNSEEN, np.int64)
    return Whose(word, point, np.zeros(size, np.int64), np.zeros(size, np.int64))


def _longer(whose: Whose, size: int) -> Whose:
    """Return columns of their own with room for more."""
    more = _nobody(size - whose.point.size)
    return Whose(
        np.concatenate((whose.word, more.word)),
        np.concatenate((whose.point, more.point)),
        np.concatenate((whose.first_us, more.first_us)),
        np.concatenate((whose.until_us, more.until_us)),
    )


def _head(body: bytes) -> tuple[bytes, bytes] | None:
    """Return the key of the first line, and the name of its only field with the equals sign; None where it has more."""
    space = body.find(b" ", 0, 512)
    equals = body.find(b"=", space, space + 256)
    end = body.find(b" ", equals, equals + 32)
    if space < 1 or equals < 0 or end < 0 or b"," in body[space:end]:
        return None
    return body[:space], body[space + 1 : equals + 1]


def _place(name: str, directory: Directory) -> tuple[str, int, int]:
    """Return the usage point that a name means, and from when until when: for a meter, where it was put last."""
    if name in directory.meters:
        last = max(directory.meters[name], key=lambda place: place.start_s, default=None)
        return ("", *EVER_US) if last is None else (last.point, last.start_s * MICRO, last.end_s * MICRO)
    return (name if name in directory.points else "", *EVER_US)


def _how(meaning: Meaning, unit: Unit, now: datetime) -> How:
    sampled = meaning.reading_type.accumulation is Accumulation.INSTANTANEOUS
    first_us, last_us = (epoch_s(at) * MICRO for at in (EARLIEST, now + AHEAD))
    return How(
        name=NO_NAME,
        word=NOBODY,
        scale=10.0 ** abs(meaning.power),
        shrinks=meaning.power < 0,
        largest=LARGEST,
        times=unit[0],
        over=unit[1],
        first_us=first_us,
        last_us=last_us,
        sample_us=meaning.interval_s * MICRO if sampled else 1,
        grid_us=grid_of(meaning.interval_s) * MICRO,
    )


def _in_order(meaning: Meaning, rows: Rows, *, rising: bool) -> PlainReadings | NotPlain:
    """Return them by point and time; NotPlain where a time comes twice, or intervals have several phases."""
    point, at, count = rows
    if not rising:
        sequence = np.lexsort((at, point))
        point, at, count = point[sequence], at[sequence], count[sequence]
        if ((point[1:] == point[:-1]) & (at[1:] == at[:-1])).any():
            return NotPlain()
    step = meaning.interval_s
    if grid_of(step) != step and (at % step != at[0] % step).any():
        return NotPlain()
    return PlainReadings(meaning, point, at, count)
