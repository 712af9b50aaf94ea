"""How far a value can be trusted: a status and, for estimates, the method, packed in one byte.

Low nibble = status, high nibble = method. Code tables: AEMO MDFF (NEM12) quality flags and method codes, ESPI
qualityOfReading (NAESB REQ.21), as collected in the meter-to-cash reference A3 and A4.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Qualities = npt.NDArray[np.uint8]


STATUS = 0x0F  # the bits of the byte that hold it


class Status(IntEnum):
    """What became of a value on its way to the bill."""

    RAW = 0
    ACTUAL = 1
    ACCEPTED = 2
    MISSING = 3
    REJECTED = 4
    ESTIMATED = 5
    ESTIMATED_FINAL = 6
    EDITED = 7
    DERIVED = 8


class Method(IntEnum):
    """How an estimate was made: E01 to E10 of the catalogue; or that nobody sent a value, which registers tell."""

    NONE = 0
    CHECK_METER = 1
    LINEAR = 2
    LIKE_DAY = 3
    MULTI_WEEK = 4
    BLEND = 5
    PROFILE = 6
    ZERO = 7
    SCALED = 8
    SCALAR = 9
    AGREED = 10
    REGISTER = 11
    # As REGISTER, of an archived month whose file cannot be read, until it can be. It counts then: where nothing is
    # known; there, or in place of what reads told; in place of that alone. Readers see `derived:register`.
    FILLS = 12
    TELLS = 13
    INSTEAD = 14


PROVISIONAL = (Method.FILLS, Method.TELLS, Method.INSTEAD)

NEM12_FLAG = {
    Status.RAW: "A",
    Status.ACTUAL: "A",
    Status.ACCEPTED: "A",
    Status.MISSING: "N",
    Status.REJECTED: "N",
    Status.ESTIMATED: "S",
    Status.ESTIMATED_FINAL: "F",
    Status.EDITED: "F",
    Status.DERIVED: "S",
}
NEM12_METHOD = {
    Method.CHECK_METER: 11,
    Method.LINEAR: 17,
    Method.LIKE_DAY: 15,
    Method.MULTI_WEEK: 15,
    Method.BLEND: 15,
    Method.PROFILE: 57,
    Method.ZERO: 19,
    Method.SCALED: 24,
    Method.SCALAR: 62,
    Method.AGREED: 16,
}
METHOD_FROM_NEM12 = {
    11: Method.CHECK_METER,
    14: Method.LIKE_DAY,
    15: Method.LIKE_DAY,
    16: Method.AGREED,
    17: Method.LINEAR,
    18: Method.CHECK_METER,
    19: Method.ZERO,
    20: Method.LIKE_DAY,
    22: Method.LIKE_DAY,
    24: Method.SCALED,
    51: Method.LIKE_DAY,
    52: Method.LIKE_DAY,
    54: Method.LINEAR,
    55: Method.AGREED,
    57: Method.PROFILE,
    58: Method.ZERO,
    62: Method.SCALAR,
}
STATUS_FROM_NEM12 = {
    "A": Status.ACTUAL,
    "E": Status.ESTIMATED,
    "S": Status.ESTIMATED,
    "F": Status.ESTIMATED_FINAL,
    "N": Status.MISSING,
}
ESPI_QUALITY = {
    Status.RAW: 14,
    Status.ACTUAL: 17,
    Status.ACCEPTED: 18,
    Status.MISSING: 10,
    Status.REJECTED: 10,
    Status.ESTIMATED: 8,
    Status.ESTIMATED_FINAL: 19,
    Status.EDITED: 7,
    Status.DERIVED: 11,
}

# What an edit had put into a final image, or register reads had told of a raw one, was taken back, and nothing else is
# known. No reader sees the value.
TAKEN_BACK = int(Status.REJECTED) | int(Method.AGREED) << 4
# Energy of a straight line between the register reads around a wrong one; and as it was marked until 2026-11.
GUESSED = int(Status.ESTIMATED) | int(Method.REGISTER) << 4
GUESSED_ONCE = int(Status.ESTIMATED) | int(Method.LINEAR) << 4
# A straight line in place of what reads told of a month that is out of sight; no read has the status.
GUESSED_INSTEAD = int(Status.REJECTED) | int(Method.INSTEAD) << 4
RAW, ACTUAL, MISSING = int(Status.RAW), int(Status.ACTUAL), int(Status.MISSING)
# Energy between two register reads as they came: what a meter measured itself has no method.
OF_REGISTER = int(Status.RAW) | int(Method.REGISTER) << 4
TRUSTED = (Status.RAW, Status.ACTUAL, Status.ACCEPTED, Status.ESTIMATED_FINAL, Status.EDITED, Status.DERIVED)
MEASURED = (Status.RAW, Status.ACTUAL, Status.ACCEPTED)
ESTIMATES = (Status.ESTIMATED, Status.ESTIMATED_FINAL)
GAPS = (Status.MISSING, Status.REJECTED)
# Of one value the first status says less than the second: what came through a format of fewer words.
SAYS_LESS = (
    (Status.RAW, Status.ACTUAL),
    (Status.RAW, Status.ACCEPTED),
    (Status.ACTUAL, Status.ACCEPTED),
    (Status.ESTIMATED_FINAL, Status.EDITED),
)


def pack(status: Status, method: Method = Method.NONE) -> int:
    """Return the byte that holds `status` and `method`."""
    return int(status) | int(method) << 4


def of_nem12(flag: str, method: str) -> int:
    """Return the byte of a quality flag of NEM12 and the number of its method, which may be empty."""
    # A method that has no name of ours is one all the same: the provider decided on the value.
    known = METHOD_FROM_NEM12.get(int(method), Method.AGREED) if method and flag in "ESF" else Method.NONE
    return pack(STATUS_FROM_NEM12[flag], known)


def status_of(quality: Qualities) -> Qualities:
    """Return the status of each byte."""
    return quality & np.uint8(0x0F)


def method_of(quality: Qualities) -> Qualities:
    """Return the estimation method of each byte."""
    return quality >> np.uint8(4)


def of_register(quality: Qualities) -> npt.NDArray[np.bool_]:
    """Tell which values are energy between register reads, which nobody sent."""
    return np.asarray(method_of(quality) == Method.REGISTER, np.bool_)


def out_of_sight(quality: Qualities) -> npt.NDArray[np.bool_]:
    """Tell which values are energy between register reads of which only an unreadable archive tells what it is for."""
    method = method_of(quality)
    return np.asarray((method >= PROVISIONAL[0]) & (method <= PROVISIONAL[-1]), np.bool_)


def is_unsure(quality: Qualities) -> npt.NDArray[np.bool_]:
    """Tell which values may give way to what an unreadable archive has."""
    return np.asarray(out_of_sight(quality) | has_status(quality, (Status.DERIVED, Status.ESTIMATED)), np.bool_)


def with_method(quality: Qualities, method: Method) -> Qualities:
    """Return each status with another method."""
    return np.asarray(status_of(quality) | np.uint8(method << 4), np.uint8)


def has_status(quality: Qualities, statuses: tuple[Status, ...]) -> npt.NDArray[np.bool_]:
    """Tell which bytes carry one of `statuses`."""
    own = status_of(np.asarray(quality))
    found = np.zeros(own.shape, np.bool_)
    # A comparison for each costs a fraction of one look-up of every byte in a table.
    for status in statuses:
        found |= own == np.uint8(status)
    return found


def says_less(new: Qualities, stored: Qualities) -> npt.NDArray[np.bool_]:
    """Tell which qualities say less of the same value than the stored ones: a weaker word, or no method."""
    own, known = status_of(new), status_of(stored)
    less = has_status(new, ESTIMATES) & (own == known) & (method_of(new) == Method.NONE) & (new != stored)
    for one, other in SAYS_LESS:
        less |= (own == np.uint8(one)) & (known == np.uint8(other))
    return np.asarray(less, np.bool_)


def espi_code(quality: int) -> int:
    """Return ESPI qualityOfReading; a linear estimate is 9, any other estimate 8."""
    status = Status(quality & 0x0F)
    if status is Status.ESTIMATED and quality >> 4 == Method.LINEAR:
        return 9
    return ESPI_QUALITY[status]


def nem12_code(quality: int) -> str:
    """Return the NEM12 quality method, such as `A`, `N` or `S17`."""
    status, method = Status(quality & 0x0F), Method(quality >> 4)
    flag = NEM12_FLAG[status]
    return f"{flag}{NEM12_METHOD.get(method, 55):02d}" if flag in "SF" else flag
