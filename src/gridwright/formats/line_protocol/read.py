"""A body of lines to columns: alike ones at once, otherwise the plain ones at once and the others one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from gridwright.domain.errors import InputError
from gridwright.formats.line_protocol.columns import KNOWN_PRECISIONS, PRECISIONS, FieldValues, Unit
from gridwright.formats.line_protocol.fast import Fast, Lines
from gridwright.formats.line_protocol.known import Known, Vocabulary
from gridwright.formats.line_protocol.slow import Slow
from gridwright.formats.line_protocol.uniform import Cut, Uniform

Both = tuple[Known[bytes], Known[str]]


def read_line_protocol(
    body: bytes, *, precision: str, received_us: int, vocabulary: Vocabulary | None = None
) -> FieldValues:
    """Read lines; one without a timestamp is of `received_us`. InputError for a precision that there is none.

    `vocabulary`: what was read before, for whoever reads many bodies.
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision!r} is not known", remedy=KNOWN_PRECISIONS)
    known, unit = (vocabulary or Vocabulary()).known(), PRECISIONS[precision]
    return read_uniform(body, known, received_us, unit) or read_any(body, known, received_us, unit)


def read_uniform(body: bytes, known: Both, received_us: int, unit: Unit) -> FieldValues | None:
    """Read lines that are built alike and sound; None where they are not."""
    cut = Cut.of(body)
    return None if cut is None else Uniform(cut, known).read(received_us, unit)


def read_any(body: bytes, known: Both, received_us: int, unit: Unit) -> FieldValues:
    """Read lines of all kinds, and tell what is wrong."""
    lines = Lines.of(body)
    odd = lines.odd()
    slow = Slow(body, lines, received_us, unit)
    gone = slow.read(np.flatnonzero(odd))
    fast = Fast(lines.at(~(odd | gone)), known, received_us, unit).read()
    return _joined(fast, slow.values(), lines.number.size - int(gone.sum()))


def _joined(fast: FieldValues, slow: FieldValues, lines: int) -> FieldValues:
    """Join both, in order of the lines."""
    if not slow.line.size:
        faults = tuple(sorted(fast.faults + slow.faults, key=lambda fault: fault.line))
        return replace(fast, faults=faults, lines=lines)
    places = {name: at for at, name in enumerate(fast.fields)}
    table = np.array([places.setdefault(name, len(places)) for name in slow.fields], np.int32)
    used, origin = np.unique(fast.origin, return_inverse=True)
    line = np.concatenate((fast.line, slow.line))
    sort: Any = np.argsort(line, kind="stable")
    return FieldValues(
        (*(fast.origins[at] for at in used.tolist()), *(slow.origins[at] for at in range(len(slow.origins)))),
        tuple(places),
        np.concatenate((origin.astype(np.int32), slow.origin + np.int32(used.size)))[sort],
        np.concatenate((fast.field, table[slow.field]))[sort],
        np.concatenate((fast.value, slow.value))[sort],
        np.concatenate((fast.at_us, slow.at_us))[sort],
        line[sort],
        tuple(sorted(fast.faults + slow.faults, key=lambda fault: fault.line)),
        lines,
        truths=True,
    )
