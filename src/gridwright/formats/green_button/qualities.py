"""qualityOfReading to quality bytes and back; a reading may carry several codes, which count together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.quality import Method, Status

MOST = 63  # codes are bits of a word
FINAL = 1 << 19
# An estimate by another method than the two that have a code: code 8 alone would say that it was a reference day.
OTHERWISE = (8, 16)
ESTIMATED_OTHERWISE = 1 << 8 | 1 << 16
# From the least trusted to the most: the first that a reading carries decides.
RANKED = (
    (8, q.pack(Status.ESTIMATED, Method.LIKE_DAY)),
    (9, q.pack(Status.ESTIMATED, Method.LINEAR)),
    (12, q.pack(Status.ESTIMATED)),
    (13, q.pack(Status.ESTIMATED)),
    (10, q.RAW),
    (16, q.RAW),
    (14, q.RAW),
    (7, q.pack(Status.EDITED)),
    (15, q.pack(Status.DERIVED)),
    (11, q.pack(Status.DERIVED)),
    (0, q.ACTUAL),
    (17, q.ACTUAL),
    (18, q.pack(Status.ACCEPTED)),
    (19, q.pack(Status.ACCEPTED)),
)


def quality_of(mask: int) -> int:
    """Return the quality byte of a set of codes, bit n = code n; no code at all is RAW.

    Revenue quality (19) beside an estimate means that no better value will come.
    """
    if mask & ESTIMATED_OTHERWISE == ESTIMATED_OTHERWISE:
        return q.pack(Status.ESTIMATED_FINAL if mask & FINAL else Status.ESTIMATED)
    byte = next((byte for code, byte in RANKED if mask >> code & 1), q.RAW)
    if mask & FINAL and byte & 0x0F == Status.ESTIMATED:
        return q.pack(Status.ESTIMATED_FINAL, Method(byte >> 4))
    return byte


def quality_bytes(masks: npt.NDArray[np.int64]) -> q.Qualities:
    """Return the quality byte of each set of codes."""
    known, which = np.unique(masks, return_inverse=True)
    return np.array([quality_of(int(mask)) for mask in known], np.uint8)[which]


def kept_quality(quality: int) -> int:
    """Return the quality byte that comes back when one is written and read; a refused value is left out."""
    if Status(quality & 0x0F) in q.GAPS:
        return q.MISSING
    return quality_of(sum(1 << code for code in codes_of(quality)))


def codes_of(quality: int) -> tuple[int, ...]:
    """Return the codes that a quality byte is written as; of an estimate's methods, two have a code."""
    status, method = Status(quality & 0x0F), Method(quality >> 4)
    if status in q.ESTIMATES:
        told = {Method.LIKE_DAY: (8,), Method.LINEAR: (9,)}.get(method, OTHERWISE)
        return (*told, 19) if status is Status.ESTIMATED_FINAL else told
    return (q.ESPI_QUALITY[status],)
