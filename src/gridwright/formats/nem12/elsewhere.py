"""Versions of a day that lie in different pieces of a file, settled before the pieces are read one by one.

A look through the file keeps 12 bytes of each day; days that it has in several pieces are laid side by side, some MB at
a time, and judged as those of one piece are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.formats.nem12.channels import OWN
from gridwright.formats.nem12.choosing import choose
from gridwright.formats.nem12.layout import DATE_LENGTH, Index
from gridwright.formats.nem12.numbers import Text, words
from gridwright.formats.nem12.piece import DAY, Meaning, numbers_of, piece_of
from gridwright.formats.nem12.precision import Heads
from gridwright.formats.nem12.settled import BLANKED, NOTHING, REPLACED, UNREAD, Settled
from gridwright.formats.nem12.versions import Fill
from gridwright.formats.text import text_of

NEXT = re.compile(rb"\n\"?(?:2[05]0|300)\"?,")
BATCH_BYTES = 4 << 20
SHORTEST = 12  # bytes of the shortest beginning of a day record
QUOTE, COMMA, THREE, ZERO = b'",30'


@dataclass(slots=True)
class Seen:
    """What a look through a file sees: `head`, `key` of its channels, `day` and `line` of its days, by windows."""

    head: list[Index] = field(default_factory=list)
    key: list[Index] = field(default_factory=list)
    day: list[Index] = field(default_factory=list)
    line: list[npt.NDArray[np.uint32]] = field(default_factory=list)
    lines: int = 0
    _channels: dict[tuple[bytes, ...], str] = field(default_factory=dict)

    def see(self, start: int, lines: Index, first: Text, heads: Heads) -> None:
        """Take note of a window from `start` on, whose lines begin at `lines` with the bytes `first`."""
        days = np.flatnonzero((first == THREE) | (first == QUOTE))
        self.head.append(start + heads[0])
        self.key.append(np.array([self._key(fields) for fields in heads[1]], np.int64))
        self.day.append(start + lines[days])
        self.line.append((self.lines + 1 + days).astype(np.uint32))
        self.lines += lines.size

    def _key(self, fields: list[bytes]) -> int:
        """Return a number of the usage point and channel of a 200 record; few name another channel."""
        told = tuple(fields[2:5])
        channel = self._channels.get(told)
        if channel is None:
            channel = self._channels[told] = _channel(*map(_text, (*told, b"", b"", b"")[:3]))
        return hash((_text(fields[1]), channel))


@dataclass(frozen=True, slots=True, eq=False)
class _Version:
    """Where one version of a day is: places of its channel and of its record, its line, and which day it is of."""

    head: int
    at: int
    line: int
    group: int


def settle(data: memoryview, seen: Seen, pieces: Callable[[], Index], meaning: Meaning) -> Settled:
    """Judge the days that have versions in several pieces; `pieces` tells where each begins, `data` ends untorn."""
    lines: list[int] = []
    outcomes: list[int] = []
    fills: dict[int, Fill] = {}
    for batch in _batches(data, _apart(data, seen, pieces)):
        lines += [version.line for version, _ in batch]
        outcomes += _judged(batch, meaning, fills)
    if not lines:
        return NOTHING
    order = np.argsort(lines)
    return Settled(np.array(lines, np.int64)[order], np.array(outcomes, np.uint8)[order], fills)


def _text(told: bytes) -> str:
    return text_of(told.replace(b'"', b"").strip())


def _channel(configuration: str, register: str, suffix: str) -> str:
    return register[1:] if register.startswith(OWN) else (suffix or configuration).upper()


def _apart(data: memoryview, seen: Seen, pieces: Callable[[], Index]) -> Iterator[_Version]:
    """Yield the versions of each day that has some in different pieces, day by day."""
    head, key = np.concatenate(seen.head), np.concatenate(seen.key)
    _, channel, count = np.unique(key, return_inverse=True, return_counts=True)
    if not (count > 1).any():
        return
    day, line = np.concatenate(seen.day), np.concatenate(seen.line)
    owner = np.searchsorted(head, day, side="right") - 1
    rows = np.flatnonzero((owner >= 0) & (count[channel[owner]] > 1) & (day + SHORTEST <= len(data)))
    dated, date = _dates(np.frombuffer(data, np.uint8), day[rows])
    rows, date = rows[dated], date[dated]
    order = np.lexsort((date, channel[owner[rows]]))
    rows, date = rows[order], date[order]
    again = (np.diff(channel[owner[rows]]) == 0) & (date[1:] == date[:-1])
    if not again.any():
        return
    group, piece = np.r_[0, np.cumsum(~again)], np.searchsorted(pieces(), day[rows], side="right")
    apart = np.isin(group, group[1:][again & (np.diff(piece) != 0)])
    for row, number in zip(rows[apart].tolist(), group[apart].tolist(), strict=True):
        yield _Version(int(head[owner[row]]), int(day[row]), int(line[row]), number)


def _dates(text: Text, at: Index) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint64]]:
    """Return which of the lines at `at` are day records, and the eight bytes of the date of each."""
    quoted = (text[at] == QUOTE).astype(np.int64)
    at = at + quoted
    is_day = (text[at] == THREE) & (text[at + 1] == ZERO) & (text[at + 2] == ZERO)
    at = at + quoted + 3
    is_day &= text[at] == COMMA
    at = np.minimum(at + 1 + (text[at + 1] == QUOTE), text.size - DATE_LENGTH)
    behind = text[np.minimum(at + DATE_LENGTH, text.size - 1)]
    return is_day & ((behind == COMMA) | (behind == QUOTE)), words(text)[at]


def _batches(data: memoryview, versions: Iterator[_Version]) -> Iterator[list[tuple[_Version, bytes]]]:
    """Lay the versions of whole days side by side, each with its channel, until they make a piece."""
    batch: list[tuple[_Version, bytes]] = []
    size = 0
    for version in versions:
        if size >= BATCH_BYTES and version.group != batch[-1][0].group:
            yield batch
            batch, size = [], 0
        text = _line(data, version.head) + _record(data, version.at)
        batch.append((version, text))
        size += len(text)
    if batch:
        yield batch


def _line(data: memoryview, at: int) -> bytes:
    end = re.compile(rb"\n").search(data, at)
    return bytes(data[at : end.end() if end else len(data)])


def _record(data: memoryview, at: int) -> bytes:
    """Return a day record with the lines that belong to it."""
    end = NEXT.search(data, at)
    return bytes(data[at : end.start() if end else len(data)]) + b"\n"


def _judged(batch: list[tuple[_Version, bytes]], meaning: Meaning, fills: dict[int, Fill]) -> list[int]:
    """Return what becomes of each version of a batch; `fills` takes what is put into a day that counts."""
    feeds = np.array([text.count(b"\n") for _, text in batch])
    numbers = np.cumsum(feeds) - feeds + 2  # each stands below its channel
    piece = piece_of(b"".join(text for _, text in batch), 1, meaning)
    days = piece.whole.lines(DAY)
    chosen = choose(piece, numbers_of(piece.channels), days[:0])
    outcome = np.zeros(len(batch), np.int64)

    def place(lines: Sequence[int] | Index) -> Index:
        return np.searchsorted(numbers, piece.whole.number[np.array(lines, np.int64)])

    outcome[place(days[piece.whole.kind[days] != DAY])] |= BLANKED
    outcome[place(chosen.replaced)] |= REPLACED
    outcome[place(chosen.unread)] |= UNREAD
    for line, fill in chosen.fills.items():
        fills[batch[int(place([line])[0])][0].line] = fill
    kept: list[int] = outcome.tolist()
    return kept
