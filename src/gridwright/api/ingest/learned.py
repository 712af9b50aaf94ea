"""What keys of lines mean, learned once: which words their tags say, and whose they are by the registry as it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridwright.api.ingest.lines import Words, whose
from gridwright.api.ingest.moulds import Mould, mould_of
from gridwright.api.ingest.names import Directory
from gridwright.api.ingest.table import name_fault
from gridwright.domain.interval import MICRO
from gridwright.formats.line_protocol import LineWrong, origin_of
from gridwright.formats.line_protocol.keys import MOST, Keys
from gridwright.formats.line_protocol.plain import FREE, NOBODY, UNSEEN, Whose

if TYPE_CHECKING:
    from gridwright.formats.line_protocol.keys import Enter
    from gridwright.formats.line_protocol.plain import Table

EVER_US = (-(1 << 62), 1 << 62)
NOWHERE = Directory()
MOULDS = 4
ALIKE = 1 << 14  # names of a registry of which all keys are learned with the first of a mould


class Learned:
    """Keys with what they mean; for one thread, as it is put to use between two changes."""

    def __init__(self, point_tags: tuple[str, ...], enter: Enter) -> None:
        self._point_tags, self._enter = point_tags, enter
        self._directory = NOWHERE
        self._forget()

    def _forget(self) -> None:
        self._shown: tuple[Table, Whose] | None = None
        self._keys, self._whose = Keys(self._enter), _nobody(64)
        self._numbers: dict[Words, int] = {}
        self._moulds: deque[Mould] = deque(maxlen=MOULDS)
        self._ahead = MOULDS  # moulds of which all keys may be learned: where each gateway has one, most never come
        self.words: list[Words] = []

    def __len__(self) -> int:
        """Return how many keys are known."""
        return len(self._keys)

    def go_by(self, directory: Directory) -> None:
        """Ask anew whose all keys are, once the registry has changed."""
        known = self._directory
        if known.points is not directory.points or known.meters is not directory.meters:
            self._directory = directory
            self._whose.point[:] = UNSEEN

    def word_of(self, key: bytes) -> int:
        """Return which words a key says, learning it first where it is new; NOBODY where they mean nothing."""
        number = self._keys.number(key)
        if number == FREE:
            self.learn([key])
            number = self._keys.number(key)
        return NOBODY if number == FREE else int(self._whose.word[number])

    def columns(self) -> tuple[Table, Whose]:
        """Return the table of keys and what they mean, as they are now."""
        if self._shown is None:
            known = len(self._keys)
            word, point, first_us, until_us = self._whose
            whose = Whose(word[:known], point[:known], first_us[:known], until_us[:known])
            self._shown = self._keys.table(), whose
        return self._shown

    def learn(self, keys: Sequence[bytes]) -> None:
        """Learn what keys mean; those that are known are asked for anew."""
        if len(self._keys) + len(keys) > MOST:
            self._forget()
        before = self._moulds[0] if self._moulds else None
        self._note(keys, (self._meaning(key) for key in keys))
        if self._ahead and self._moulds and self._moulds[0] is not before:
            self._ahead -= 1
            self._learn_alike(self._moulds[0], keys)

    def _learn_alike(self, mould: Mould, like: Sequence[bytes]) -> None:
        """Learn the keys of a new mould for all names of its kind: else each would be met, and cost, by itself."""
        directory = self._directory
        told = {name for key in like if (name := mould.name(key))}
        names = directory.points if told.isdisjoint(directory.meters) else directory.meters
        alike = mould.keys(names) if len(names) <= ALIKE and len(self._keys) + len(names) <= MOST else {}
        if alike:
            self._note(list(alike), ((mould.word, *self._place(name)) for name in alike.values()))

    def _note(self, keys: Sequence[bytes], meanings: Iterable[tuple[int, int, int, int]]) -> None:
        """Note what keys mean, as far as they get a number."""
        self._shown = None
        numbers = np.array(self._keys.add(keys), np.int64)
        while len(self._keys) > self._whose.point.size:
            self._whose = _twice(self._whose)
        known, whose = numbers != FREE, self._whose
        which = numbers[known]
        told = (np.array(column)[known] for column in zip(*meanings, strict=True))
        whose.word[which], whose.point[which], whose.first_us[which], whose.until_us[which] = told

    def _meaning(self, key: bytes) -> tuple[int, int, int, int]:
        """Return the number of the words, the store's key of the usage point, and from when until when it is that."""
        for mould in self._moulds:
            name = mould.name(key)
            if name is not None and name_fault(name) is None:
                return mould.word, *self._place(name)
        return self._read(key)

    def _read(self, key: bytes) -> tuple[int, int, int, int]:
        """Return the same of a key that is like none of the last."""
        try:
            name, words = whose(origin_of(key.decode()), self._point_tags)
        except (UnicodeDecodeError, LineWrong):
            return NOBODY, NOBODY, *EVER_US
        if not isinstance(words, Words) or name_fault(name) is not None:
            return NOBODY, NOBODY, *EVER_US
        word = self._numbers.get(words)
        if word is None:
            word = self._numbers[words] = len(self.words)
            self.words.append(words)
        mould = mould_of(key, name, word, self._point_tags)
        if mould is not None:
            self._moulds.appendleft(mould)
        return word, *self._place(name)

    def _place(self, name: str) -> tuple[int, int, int]:
        """Return the place of a name; that of a meter is where it was put last."""
        directory = self._directory
        if name not in directory.meters:
            return directory.points.get(name, NOBODY), *EVER_US
        last = max(directory.meters[name], key=lambda place: place.start_s)
        return directory.points.get(last.point, NOBODY), last.start_s * MICRO, last.end_s * MICRO


def _nobody(size: int) -> Whose:
    word, point = np.full(size, NOBODY, np.int32), np.full(size, UNSEEN, np.int64)
    return Whose(word, point, np.zeros(size, np.int64), np.zeros(size, np.int64))


def _twice(whose: Whose) -> Whose:
    """Return columns with twice the room."""
    more = _nobody(whose.point.size)
    return Whose(
        np.concatenate((whose.word, more.word)),
        np.concatenate((whose.point, more.point)),
        np.concatenate((whose.first_us, more.first_us)),
        np.concatenate((whose.until_us, more.until_us)),
    )
