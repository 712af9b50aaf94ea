"""What a pass over plain lines goes by: the keys that are known, whose they are, and how values are read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Whole = npt.NDArray[np.int64]
Numbers = npt.NDArray[np.int32]
Codes = npt.NDArray[np.uint64]
FREE, NOBODY, UNSEEN = -1, -1, -2
NOT_PLAIN = -1  # what a pass returns that has ended early
PROBES = 16
LONGEST = 256  # bytes of a key


class Table(NamedTuple):
    """Known keys: `slots` hold numbers by hash; number k has `code[k]`, its bytes are `pool[start[k] : start[k + 1]]`.

    `odd`: two factors of the hash, and how far it is shifted to be a slot.
    """

    slots: Numbers
    code: Codes
    start: Whole
    pool: Bytes
    odd: Codes


class Whose(NamedTuple):
    """What keys mean, by number: which `word` they say, whose `point` they are, and within which microseconds.

    A point is UNSEEN until it was asked for; a word or point that means nothing, or not always the same, is below 0.
    """

    word: Numbers
    point: Whole
    first_us: Whole
    until_us: Whole


class How(NamedTuple):
    """How values are read: the field's name with its equals sign, the word that all say, the scale to counts.

    `largest`: count; a timestamp counts `times` microseconds, or a microsecond is `over` of its units;
    `first_us` and `last_us` bound it; samples are set on a grid of `sample_us`; all are on one of `grid_us`.
    """

    name: Bytes
    word: int
    scale: float
    shrinks: bool
    largest: float
    times: int
    over: int
    first_us: int
    last_us: int
    sample_us: int
    grid_us: int


class Rows(NamedTuple):
    """What was read: of each line the point, the second and the count; of keys that are not known where they are."""

    point: Whole
    at: Whole
    counts: Whole
    begin: Whole
    end: Whole

    @classmethod
    def room_for(cls, lines: int, unknown: int) -> Rows:
        """Return room for that many lines, and that many keys that are not known."""
        return cls(*np.empty((3, lines), np.int64), *np.empty((2, unknown), np.int64))
