"""What keys of lines mean, learned once: which words their tags say, and whose they are by the registry as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from gridwright.api.ingest.lines import Words, whose
from gridwright.api.ingest.names import Directory
from gridwright.api.ingest.table import name_fault
from gridwright.domain.interval import MICRO
from gridwright.formats.line_protocol import LineWrong, origin_of
from gridwright.formats.line_protocol.keys import MOST, Keys
from gridwright.formats.line_protocol.plain import FREE, NOBODY, UNSEEN, Whose

if TYPE_CHECKING:
    from gridwright.formats.line_protocol.plain import Table

EVER_US = (-(1 << 62), 1 << 62)
NOWHERE = Directory()


class Learned:
    """Keys with what they mean; for one thread, as it is put to use between two changes."""

    def __init__(self, point_tags: tuple[str, ...]) -> None:
        self._point_tags = point_tags
        self._directory = NOWHERE
        self._forget()

    def _forget(self) -> None:
        self._shown: tuple[Table, Whose] | None = None
        self._keys, self._whose = Keys(), _nobody(64)
        self._numbers: dict[Words, int] = {}
        self.words: list[Words] = []

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
        self._shown = None
        numbers = self._keys.add(keys)
        while len(self._keys) > self._whose.point.size:
            self._whose = _twice(self._whose)
        for key, number in zip(keys, numbers, strict=True):
            if number != FREE:
                word, point, ends = self._meaning(key)
                self._whose.word[number], self._whose.point[number] = word, point
                self._whose.first_us[number], self._whose.until_us[number] = ends

    def _meaning(self, key: bytes) -> tuple[int, int, tuple[int, int]]:
        """Return the number of the words, the store's key of the usage point, and from when until when it is that."""
        try:
            name, words = whose(origin_of(key.decode()), self._point_tags)
        except (UnicodeDecodeError, LineWrong):
            return NOBODY, NOBODY, EVER_US
        if not isinstance(words, Words) or name_fault(name) is not None:
            return NOBODY, NOBODY, EVER_US
        word = self._numbers.get(words)
        if word is None:
            word = self._numbers[words] = len(self.words)
            self.words.append(words)
        return word, *self._place(name)

    def _place(self, name: str) -> tuple[int, tuple[int, int]]:
        """Return the place of a name; that of a meter is where it was put last."""
        directory = self._directory
        if name not in directory.meters:
            return directory.points.get(name, NOBODY), EVER_US
        last = max(directory.meters[name], key=lambda place: place.start_s)
        return directory.points.get(last.point, NOBODY), (last.start_s * MICRO, last.end_s * MICRO)


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
