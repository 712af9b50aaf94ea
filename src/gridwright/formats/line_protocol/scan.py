"""Plain lines in one pass over their bytes, as machine code: a key that is known, one number, a timestamp.

What is not exactly so ends the pass: the ways that read whole arrays then read the body, and say what is wrong.
Imported only where numba is; `api/ingest/compiled.py` compiles `scan` and `enter`, with the functions that they call.
"""

from __future__ import annotations

import numpy as np
from numba.extending import register_jitable

from gridwright.domain.interval import MICRO
from gridwright.formats.counts import DOUBLE_NOISE
from gridwright.formats.line_protocol.plain import (
    FREE,
    LONGEST,
    NOT_PLAIN,
    PROBES,
    UNSEEN,
    Bytes,
    Codes,
    How,
    Rows,
    Table,
    Whose,
)

SPACE, NEWLINE, HASH, QUOTE, BACKSLASH = b' \n#"\\'
MINUS, DOT, ZERO, NINE, INTEGER, UNSIGNED = b"-.09iu"
MOST_DIGITS = 15  # so many a float64 holds exactly, and the quotient by a power of ten is the nearest there is
MOST_IN_STAMP = 19  # what is beyond 64 bits of these comes out below zero
TENS = 10.0 ** np.arange(MOST_DIGITS + 1)
NANOSECONDS, HALF = 19, 9  # digits of a timestamp in nanoseconds, as most are
WRONG = -1


@register_jitable
def _is_key(body: Bytes, at: int, table: Table, number: int) -> int:
    """Return where the key of a number ends, if it is the one that begins here; WRONG where it is not."""
    first = int(table.start[number])
    length = int(table.start[number + 1]) - first
    if at + length >= body.size or body[at + length] != SPACE:
        return WRONG
    for place in range(length):
        if table.pool[first + place] != body[at + place]:
            return WRONG
    return at + length


@register_jitable
def _slot(code: np.uint64, odd: Codes) -> tuple[np.uint64, int]:
    """Return the code of a key from that of its bytes, and the slot at which to begin to look for it."""
    code = (code ^ (code >> np.uint64(32))) * odd[1]
    return code, int(np.int64(code >> odd[2]))


def enter(table: Table, first: int, last: int) -> bool:
    """Give each of the keys [first, last) its code and a slot; False where one finds none nearby: make more of them."""
    for number in range(first, last):
        code = np.uint64(0)
        for at in range(table.start[number], table.start[number + 1]):
            code = (code ^ np.uint64(table.pool[at])) * table.odd[0]
        code, slot = _slot(code, table.odd)
        table.code[number] = code
        for _ in range(PROBES):
            if table.slots[slot] < 0:
                table.slots[slot] = number
                break
            slot = (slot + 1) & (table.slots.size - 1)
        else:
            return False
    return True


@register_jitable
def _key(body: Bytes, at: int, table: Table) -> tuple[int, int]:
    """Return the number of the key that begins here, FREE where it is not known, and where it ends; or WRONG."""
    begin, code = at, np.uint64(0)
    while at < body.size and body[at] > SPACE and body[at] != QUOTE and body[at] != BACKSLASH:
        code = (code ^ np.uint64(body[at])) * table.odd[0]
        at += 1
    if at >= body.size or body[at] != SPACE or at == begin or body[begin] == HASH:
        return FREE, WRONG
    code, slot = _slot(code, table.odd)
    for _ in range(PROBES):
        number = int(table.slots[slot])
        if number < 0:
            break
        if table.code[number] == code and _is_key(body, begin, table, number) == at:
            return number, at
        slot = (slot + 1) & (table.slots.size - 1)
    return FREE, at


@register_jitable
def _key_after(body: Bytes, at: int, table: Table, last: int) -> tuple[int, int]:
    """Return the same; lines of one meter follow each other, or meters in the order in which they were learned."""
    known = table.start.size - 1
    end = _is_key(body, at, table, last) if last < known else WRONG
    if end != WRONG:
        return last, end
    end = _is_key(body, at, table, last + 1) if last + 1 < known else WRONG
    return (last + 1, end) if end != WRONG else _key(body, at, table)


@register_jitable
def _is_name(body: Bytes, at: int, name: Bytes) -> bool:
    """Tell whether the field begins here, and something follows it."""
    if at + name.size >= body.size:
        return False
    for place in range(name.size):  # noqa: SIM110 - the compiler knows no generators
        if body[at + place] != name[place]:
            return False
    return True


@register_jitable
def _value(body: Bytes, at: int) -> tuple[float, int]:
    """Return the number that begins here, without its sign, and where it ends; or WRONG."""
    digits, count, behind, dots = 0, 0, 0, 0
    while at < body.size:
        if ZERO <= body[at] <= NINE:
            digits = digits * 10 + int(body[at] - ZERO)
            count += 1
            behind += dots
            if count > MOST_DIGITS:
                return 0.0, WRONG
        elif body[at] == DOT and dots == 0:
            dots = 1
        else:
            break
        at += 1
    if at < body.size and (body[at] == INTEGER or body[at] == UNSIGNED) and dots == 0:
        at += 1
    if count == 0 or at >= body.size or body[at] != SPACE:
        return 0.0, WRONG
    return float(digits) / TENS[behind], at


@register_jitable
def _nanoseconds(body: Bytes, at: int) -> int:
    """Return the number of NANOSECONDS digits, in two halves that do not wait for each other; WRONG if not all are."""
    upper, lower, digits = 0, 0, True
    for place in range(HALF):
        high, low = body[at + place], body[at + HALF + place]
        digits &= ZERO <= high <= NINE and ZERO <= low <= NINE
        upper = upper * 10 + int(high - ZERO)
        lower = lower * 10 + int(low - ZERO)
    last = body[at + 2 * HALF]
    digits &= ZERO <= last <= NINE
    return (upper * 10**HALF + lower) * 10 + int(last - ZERO) if digits else WRONG


@register_jitable
def _stamp(body: Bytes, at: int) -> tuple[int, int]:
    """Return the timestamp that ends its line, and where it ends; or WRONG."""
    if at + NANOSECONDS < body.size and body[at + NANOSECONDS] == NEWLINE:
        stamp = _nanoseconds(body, at)
        return stamp, WRONG if stamp == WRONG else at + NANOSECONDS
    stamp, count = 0, 0
    while at < body.size and count < MOST_IN_STAMP and ZERO <= body[at] <= NINE:
        stamp = stamp * 10 + int(body[at] - ZERO)
        count += 1
        at += 1
    if count == 0 or (at < body.size and body[at] != NEWLINE):
        return stamp, WRONG
    return stamp, at


@register_jitable
def _divided(number: int, by: int, part: float) -> tuple[int, int]:
    """Return quotient and rest of a number that is not below 0; `part`: 1 / by. The processor divides far slower.

    The quotient in float64 may be a little off, which the rest tells exactly.
    """
    whole = int(float(number) * part)
    rest = number - whole * by
    while rest < 0:
        whole, rest = whole - 1, rest + by
    while rest >= by:
        whole, rest = whole + 1, rest - by
    return whole, rest


@register_jitable
def _bounds(how: How) -> tuple[int, int, float, float]:
    """Return the first and the last timestamp that is taken, and the parts by which `_instant` divides."""
    return how.first_us // how.times, how.last_us // how.times, 1.0 / how.over, 1.0 / how.grid_us


@register_jitable
def _instant(stamp: int, how: How, bounds: tuple[int, int, float, float]) -> int:
    """Return the microsecond of a timestamp, on the grid of samples; WRONG out of bounds or off the grid."""
    if how.over > 1:
        stamp = _divided(stamp, how.over, bounds[2])[0] if stamp >= 0 else WRONG
    if stamp < bounds[0] or stamp > bounds[1]:
        return WRONG
    us = stamp * how.times
    if how.sample_us > 1:
        us -= us % how.sample_us
    return WRONG if _divided(us, how.grid_us, bounds[3])[1] else us


@register_jitable
def _note(body: Bytes, key: tuple[int, int], rows: Rows, unknown: int) -> int:
    """Note where a key is that is not known, once where lines of it follow each other; returns how many there are."""
    begin, end = key
    if unknown and rows.end[unknown - 1] - rows.begin[unknown - 1] == end - begin:
        last = rows.begin[unknown - 1]
        for place in range(end - begin):
            if body[begin + place] != body[last + place]:
                break
        else:
            return unknown
    rows.begin[unknown], rows.end[unknown] = begin, end
    return unknown + 1


@register_jitable
def _next_line(body: Bytes, at: int) -> int:
    """Return where the next line begins."""
    while at < body.size and body[at] != NEWLINE:
        at += 1
    return at + 1


def scan(  # noqa: PLR0911 - each step may end it
    body: Bytes, table: Table, whose: Whose, how: How, rows: Rows
) -> tuple[int, bool, int]:
    """Read lines of one field; returns how many, whether they rise by point and time, and how many keys are unknown.

    NOT_PLAIN where a line is not as it should be; where keys are not known their lines are passed over.
    """
    at, row, rising, unknown = 0, 0, True, 0
    number, before, before_us, bounds = 0, -1, 0, _bounds(how)
    while at < body.size:
        number, end = _key_after(body, at, table, number)
        if end == WRONG or end - at > LONGEST:
            return NOT_PLAIN, False, unknown
        if number == FREE or whose.point[number] == UNSEEN:
            if unknown == rows.begin.size:
                return NOT_PLAIN, False, unknown
            unknown = _note(body, (at, end), rows, unknown)
            at = _next_line(body, end)
            number = max(number, 0)
            continue
        point = int(whose.point[number])
        at = end + 1
        if point < 0 or whose.word[number] != how.word or not _is_name(body, at, how.name):
            return NOT_PLAIN, False, unknown
        at += how.name.size
        minus = bool(body[at] == MINUS)
        value, at = _value(body, at + minus)
        if at == WRONG:
            return NOT_PLAIN, False, unknown
        scaled = value / how.scale if how.shrinks else value * how.scale
        whole = np.rint(scaled)
        stamp, at = _stamp(body, at + 1)
        if at == WRONG or abs(scaled - whole) > DOUBLE_NOISE * scaled or whole > how.largest:
            return NOT_PLAIN, False, unknown
        us = _instant(stamp, how, bounds)
        if us == WRONG or us < whose.first_us[number] or us >= whose.until_us[number]:
            return NOT_PLAIN, False, unknown
        rows.point[row], rows.at[row] = point, us // MICRO
        rows.counts[row] = -int(whole) if minus else int(whole)
        rising = rising and (point > before or (point == before and us > before_us))
        before, before_us = point, us
        at += 1
        row += 1
    return row, rising, unknown
