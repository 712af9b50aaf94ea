"""Records in a file: each with a mark, its length, its number and a checksum, so that damage costs what it touched.

A file of sealed records begins with its data key, wrapped. The checksum is over what lies on the disk, so that sound
records are told from damaged ones without any key.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from gridwright.edge.sealing import DataKey

MARK = b"\xf5GW\n"  # no UTF-8 text has it
SEALED_MARK, KEY_MARK = b"\xf5GS\n", b"\xf5GK\n"
RECORD_MARK = re.compile(rb"\xf5G[WS]\n")
HEAD = struct.Struct(">4sIIQ")  # mark, length of the payload, checksum, number
NUMBERS = struct.Struct(">QI")
LONGEST = 256 << 20  # bytes of one record; a length beyond it is damage
LONGEST_KEY = 256  # bytes of a wrapped data key
SEALED, OPEN = ".seg", ".open"
NAME = re.compile(r"(\d{12})-([0-9a-f]{16})-(\d{1,19})(?:-(\d{1,19})\.seg|\.open)")


@dataclass(slots=True, eq=False)
class Segment:
    """One file: records `first` to `last` of an epoch in its first `size` bytes; `last` < `first` = none yet.

    `wrapped`: the data key before its records, which begin at `begin`; `key`: the same, unwrapped.
    """

    path: Path
    ordinal: int
    epoch: str
    first: int
    last: int
    size: int
    damaged: bool = False
    wrapped: bytes = b""
    key: DataKey | None = None

    @property
    def begin(self) -> int:
        """Where its first record begins."""
        return HEAD.size + len(self.wrapped) if self.wrapped else 0

    def opened(self, found: Found) -> Found | None:
        """Return a record with the payload that it was given; None where its seal does not open."""
        if not found.sealed or found.payload is None:
            return found
        payload = None if self.key is None else self.key.open(self.epoch, found.sequence, found.payload)
        return None if payload is None else replace(found, payload=payload, sealed=False)

    @property
    def records(self) -> int:
        """How many records it was given."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Found:
    """A record in a file, and where the next one begins; without a payload all up to its number are lost."""

    sequence: int
    payload: bytes | None
    end: int
    sealed: bool = False


def encode(epoch: str, sequence: int, payload: bytes, key: DataKey | None = None) -> bytes:
    """Return a record as it stands in a file; the checksum also covers the epoch, the number and the length."""
    if key is None:
        return _framed(MARK, epoch, sequence, payload)
    return _framed(SEALED_MARK, epoch, sequence, key.seal(epoch, sequence, payload))


def key_frame(epoch: str, wrapped: bytes) -> bytes:
    """Return what stands before sealed records: their data key, wrapped."""
    return _framed(KEY_MARK, epoch, 0, wrapped)


def wrapped_in(head: bytes, epoch: str) -> bytes:
    """Return the wrapped data key with which a file begins; nothing where there is none, or a damaged one."""
    found = _frame_at(head, epoch, 0)
    return found[1].payload or b"" if found is not None and found[0] == KEY_MARK else b""


def _framed(mark: bytes, epoch: str, sequence: int, content: bytes) -> bytes:
    return HEAD.pack(mark, len(content), _checksum(mark, epoch, sequence, content), sequence) + content


def _checksum(mark: bytes, epoch: str, sequence: int, content: bytes) -> int:
    # Plain records are from before there were others: their mark is not in it.
    begin = zlib.crc32(epoch.encode(), 0 if mark == MARK else zlib.crc32(mark))
    return zlib.crc32(content, zlib.crc32(NUMBERS.pack(sequence, len(content)), begin))


def record_at(data: bytes, epoch: str, offset: int) -> Found | None:
    """Return the record that begins at `offset`; None where there is none, or not all of it, or a damaged one."""
    found = _frame_at(data, epoch, offset)
    return None if found is None or found[0] == KEY_MARK else found[1]


def _frame_at(data: bytes, epoch: str, offset: int) -> tuple[bytes, Found] | None:
    if offset + HEAD.size > len(data):
        return None
    mark, length, checksum, sequence = HEAD.unpack_from(data, offset)
    begin = offset + HEAD.size
    if mark not in (MARK, SEALED_MARK, KEY_MARK) or length > LONGEST or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    if _checksum(mark, epoch, sequence, payload) != checksum:
        return None
    return mark, Found(sequence, payload, begin + length, mark == SEALED_MARK)


def sound_records(data: bytes, epoch: str, offset: int = 0) -> Iterator[Found]:
    """Yield the sound records from `offset` on; damage is stepped over to the next mark that begins a sound one."""
    while offset < len(data):
        found = record_at(data, epoch, offset)
        if found is not None:
            yield found
            offset = found.end
        else:
            mark = RECORD_MARK.search(data, offset + 1)
            if mark is None:
                return
            offset = mark.start()


def needed_at(head: bytes) -> int:
    """Return how many bytes the record is long whose first bytes these are; 0 where they are no head."""
    if len(head) < HEAD.size:
        return 0
    mark, length, _, _ = HEAD.unpack_from(head)
    return HEAD.size + length if mark in (MARK, SEALED_MARK) and length <= LONGEST else 0


def path_of(folder: Path, ordinal: int, epoch: str, first: int) -> Path:
    """Return the name of a segment that is written to."""
    return folder / f"{ordinal:012d}-{epoch}-{first}{OPEN}"


def sealed_path(segment: Segment) -> Path:
    """Return the name of a segment that is complete: it says which records are in it."""
    name = f"{segment.ordinal:012d}-{segment.epoch}-{segment.first}-{segment.last}{SEALED}"
    return segment.path.with_name(name)


def seal(segment: Segment) -> None:
    """Give a complete file the name that tells its records; where that fails it is read through next time."""
    target = sealed_path(segment)
    if segment.path != target and segment.records:
        with suppress(OSError):
            segment.path.rename(target)
            segment.path = target


def segment_of(path: Path) -> Segment | None:
    """Return the segment of a file by its name; one that was not sealed is read to its last record. None = no segment.

    What stands behind the last record of an unsealed file was never acknowledged: its write was under way.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        return None
    ordinal, epoch, first = int(match[1]), match[2], int(match[3])
    if match[4]:
        with path.open("rb") as file:
            wrapped = wrapped_in(file.read(HEAD.size + LONGEST_KEY), epoch)
        return Segment(path, ordinal, epoch, first, int(match[4]), path.stat().st_size, wrapped=wrapped)
    data = path.read_bytes()
    segment = Segment(path, ordinal, epoch, first, first - 1, 0, wrapped=wrapped_in(data, epoch))
    segment.size = segment.begin
    for found in sound_records(data, epoch, segment.begin):
        if found.sequence > segment.last:
            segment.last, segment.size = found.sequence, found.end
    return segment
