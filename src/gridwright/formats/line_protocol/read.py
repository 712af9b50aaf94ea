"""A body of lines to columns: the plain ones at once, the others one by one, together in their order."""

from __future__ import annotations

from typing import Any

import numpy as np

from gridwright.domain.errors import InputError
from gridwright.formats.line_protocol.columns import PRECISIONS, FieldValues
from gridwright.formats.line_protocol.fast import Fast, Lines
from gridwright.formats.line_protocol.slow import Slow


def read_line_protocol(body: bytes, *, precision: str, received_us: int) -> FieldValues:
    """Read lines; one without a timestamp is of `received_us`. InputError for a precision that there is none."""
    if precision not in PRECISIONS:
        raise InputError(f"precision={precision!r} is not known", remedy="use ns, us, ms or s")
    lines = Lines.of(body)
    odd = lines.odd()
    slow = Slow(body, lines, received_us, PRECISIONS[precision])
    gone = slow.read(np.flatnonzero(odd))
    fast = Fast(lines.at(~(odd | gone)), received_us, PRECISIONS[precision]).read()
    return _joined(fast, slow.values(), lines.number.size - int(gone.sum()))


def _joined(fast: FieldValues, slow: FieldValues, lines: int) -> FieldValues:
    """Join both, in order of the lines."""
    places = {name: at for at, name in enumerate(fast.fields)}
    table = np.array([places.setdefault(name, len(places)) for name in slow.fields], np.int32)
    line = np.concatenate((fast.line, slow.line))
    sort: Any = np.argsort(line, kind="stable") if slow.line.size else slice(None)
    return FieldValues(
        fast.origins + slow.origins,
        tuple(places),
        np.concatenate((fast.origin, slow.origin + np.int32(len(fast.origins))))[sort],
        np.concatenate((fast.field, table[slow.field] if slow.field.size else slow.field))[sort],
        np.concatenate((fast.value, slow.value))[sort],
        np.concatenate((fast.at_us, slow.at_us))[sort],
        line[sort],
        tuple(sorted(fast.faults + slow.faults, key=lambda fault: fault.line)),
        lines,
    )
