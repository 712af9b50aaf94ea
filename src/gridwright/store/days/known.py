"""When each slot of a block became known, where not all did at once.

Such a block has five bytes a slot: microseconds from the begin of its day, signed, little-endian; eight where one of
them lies more than six days away. What was known at an instant is, slot by slot, the last value that was known by
then, so that an added slot needs no earlier image: only what superseded a value does.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import DAY_S

Instants = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SHORT, LONG = 5, 8
REACH = 1 << (8 * SHORT - 1)


def begin_us(day: int) -> int:
    """Return the begin of a UTC day in epoch microseconds."""
    return day * DAY_S * 1_000_000


def known_widths(instants: Instants, present: Mask, day: int) -> Instants:
    """Return the bytes a slot that each row needs: none where all its values came together.

    `instants`: epoch microseconds, int64[n, slots]; only those of slots with a value count.
    """
    low = np.where(present, instants, np.iinfo(np.int64).max).min(axis=1)
    high = np.where(present, instants, np.iinfo(np.int64).min).max(axis=1)
    begin = begin_us(day)
    far = (low < begin - REACH) | (high >= begin + REACH)
    return np.where(low == high, 0, np.where(far, LONG, SHORT)).astype(np.int64)


def pack_known(instants: Instants, present: Mask, day: int, width: int) -> bytes | None:
    """Return the rows' bytes one after the other; a slot without a value has zeros."""
    if not width:
        return None
    delta = np.where(present, instants - begin_us(day), 0).astype("<i8")
    return delta.view(np.uint8).reshape(*delta.shape, LONG)[:, :, :width].tobytes()


def pack_stored(instants: Instants, day: int) -> bytes:
    """Return the bytes of one row as they were before `unpack_known`."""
    begin = begin_us(day)
    far = ((instants < begin - REACH) | (instants >= begin + REACH)).any()
    return pack_known(instants, np.ones(instants.shape, np.bool_), day, LONG if far else SHORT) or b""


def unpack_known(joined: bytes, rows: int, slots: int, day: int) -> Instants:
    """Return int64[rows, slots] epoch microseconds of rows that have the same number of bytes a slot."""
    width = len(joined) // (slots * rows)
    content = np.zeros((rows, slots, LONG), np.uint8)
    content[:, :, LONG - width :] = np.frombuffer(joined, np.uint8).reshape(rows, slots, width)
    shifted = content.reshape(rows, slots * LONG).view("<i8") >> (8 * (LONG - width))
    return np.asarray(shifted + begin_us(day), np.int64)


def unpack_each(known: Sequence[bytes | None], known_at_us: Sequence[int], slots: int, day: int) -> Instants:
    """Return int64[n, slots] epoch microseconds of rows of any kind."""
    instants = np.repeat(np.array(known_at_us, np.int64)[:, None], slots, axis=1)
    for width in (SHORT, LONG):
        at = [row for row, each in enumerate(known) if each is not None and len(each) == width * slots]
        if at:
            instants[at] = unpack_known(b"".join(known[row] or b"" for row in at), len(at), slots, day)
    return instants
