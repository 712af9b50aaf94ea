"""Records in a file: each with a mark, its length, its number and a checksum, so that damage costs what it touched."""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MARK = b"\xf5GW\n"  # no UTF-8 text has it
HEAD = struct.Struct(">4sIIQ")  # mark, length of the payload, checksum, number
NUMBERS = struct.Struct(">QI")
LONGEST = 256 << 20  # bytes of one record; a length beyond it is damage
SEALED, OPEN = ".seg", ".open"
NAME = re.compile(r"(\d{12})-([0-9a-f]{16})-(\d{1,19})(?:-(\d{1,19})\.seg|\.open)")


@dataclass(slots=True, eq=False)
class Segment:
    """One file: records `first` to `last` of an epoch in its first `size` bytes; `last` < `first` = none yet."""

    path: Path
    ordinal: int
    epoch: str
    first: int
    last: int
    size: int
    damaged: bool = False

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


def encode(epoch: str, sequence: int, payload: bytes) -> bytes:
    """Return a record as it stands in a file; the checksum also covers the epoch, the number and the length."""
    return HEAD.pack(MARK, len(payload), _checksum(epoch, sequence, payload), sequence) + payload


def _checksum(epoch: str, sequence: int, payload: bytes) -> int:
    return zlib.crc32(payload, zlib.crc32(NUMBERS.pack(sequence, len(payload)), zlib.crc32(epoch.encode())))


def record_at(data: bytes, epoch: str, offset: int) -> Found | None:
    """Return the record that begins at `offset`; None where there is none, or not all of it, or a damaged one."""
    if offset + HEAD.size > len(data):
        return None
    mark, length, checksum, sequence = HEAD.unpack_from(data, offset)
    begin = offset + HEAD.size
    if mark != MARK or length > LONGEST or begin + length > len(data):
        return None
    payload = data[begin : begin + length]
    if _checksum(epoch, sequence, payload) != checksum:
        return None
    return Found(sequence, payload, begin + length)


def sound_records(data: bytes, epoch: str, offset: int = 0) -> Iterator[Found]:
    """Yield the sound records from `offset` on; damage is stepped over to the next mark that begins a sound one."""
    while offset < len(data):
        found = record_at(data, epoch, offset)
        if found is not None:
            yield found
            offset = found.end
        else:
            offset = data.find(MARK, offset + 1)
            if offset < 0:
                return


def needed_at(head: bytes) -> int:
    """Return how many bytes the record is long whose first bytes these are; 0 where they are no head."""
    if len(head) < HEAD.size:
        return 0
    mark, length, _, _ = HEAD.unpack_from(head)
    return HEAD.size + length if mark == MARK and length <= LONGEST else 0


def path_of(folder: Path, ordinal: int, epoch: str, first: int) -> Path:
    """Return the name of a segment that is written to."""
    return folder / f"{ordinal:012d}-{epoch}-{first}{OPEN}"


def sealed_path(segment: Segment) -> Path:
    """Return the name of a segment that is complete: it says which records are in it."""
    name = f"{segment.ordinal:012d}-{segment.epoch}-{segment.first}-{segment.last}{SEALED}"
    return segment.path.with_name(name)


def segment_of(path: Path) -> Segment | None:
    """Return the segment of a file by its name; one that was not sealed is read to its last record. None = no segment.

    What stands behind the last record of an unsealed file was never acknowledged: its write was under way.
    """
    match = NAME.fullmatch(path.name)
    if match is None:
        return None
    ordinal, epoch, first = int(match[1]), match[2], int(match[3])
    if match[4]:
        return Segment(path, ordinal, epoch, first, int(match[4]), path.stat().st_size)
    data, last, end = path.read_bytes(), first - 1, 0
    for found in sound_records(data, epoch):
        if found.sequence > last:
            last, end = found.sequence, found.end
    return Segment(path, ordinal, epoch, first, last, end)
