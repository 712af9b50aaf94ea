"""The end of an interval, where a record tells it: it says how long the interval is, and must not say two things."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.instants import instant_us, told_us
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.record import Record
from gridwright.api.ingest.twice import TIMES
from gridwright.api.ingest.verdicts import Fault, shown
from gridwright.domain.interval import MICRO

Whole = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Codes = npt.NDArray[np.int32]
END = "end"
CUMULATIVE = "cumulative"
ACCUMULATION = 3  # place in the code of a reading type
NOT_AFTER = Fault(END, "the interval does not end after its start", "correct its end, or leave it out")
NO_MOMENT = Fault(END, "a register is read at one instant, and this is another one", "leave the end out")
UNEVEN = Fault(END, "the intervals up to it are of no whole number of seconds", "correct its end")
ANOTHER = Fault(END, "the interval up to it is of another length than interval_s", "send one of the two, or correct it")


def is_register(reading_type: str) -> bool:
    """Tell whether the code of a reading type is of a cumulative register."""
    return reading_type.split("/")[ACCUMULATION : ACCUMULATION + 1] == [CUMULATIVE]


def length_s(span_us: int, values: int, given_s: int | None, *, register: bool) -> int:
    """Return the seconds of an interval, of which `values` end so long after the start; 0 for a register."""
    length, rest = divmod(span_us, values * MICRO)
    if register and span_us:
        raise Wrong(NO_MOMENT)
    if not register and span_us <= 0:
        raise Wrong(NOT_AFTER)
    if rest:
        raise Wrong(UNEVEN)
    if not register and given_s is not None and given_s != length:
        raise Wrong(ANOTHER)
    return length


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """How long after the start of each row its end lies, microseconds; of how many `values`; which rows have one."""

    us: Whole
    values: Whole
    there: Mask

    def faults(self, said: Sequence[Said], meant: Codes) -> Iterator[tuple[Fault, Mask]]:
        """Yield what is wrong with rows, and with which; the same as `length_s` finds in one."""
        register = np.array([one.register or is_register(one.reading_type) for one in said] or [False])[meant]
        given = np.array([one.interval_s for one in said] or [0], np.int64)[meant]
        length, rest = np.divmod(self.us, self.values * MICRO)
        yield NO_MOMENT, self.there & register & (self.us != 0)
        yield NOT_AFTER, self.there & ~register & (self.us <= 0)
        yield UNEVEN, self.there & (rest != 0)
        yield ANOTHER, self.there & ~register & (given != 0) & (given != length)

    def said(self, said: Sequence[Said], meant: Codes, usual_s: int) -> tuple[list[Said], Codes]:
        """Return the words with the lengths that the ends tell; a row without one keeps its own, or the usual."""
        told = np.where(self.there, self.us // (self.values * MICRO), 0)
        lengths, length = np.unique(told, return_inverse=True)
        keys, codes = np.unique(meant * np.int64(max(lengths.size, 1)) + length, return_inverse=True)
        words = [
            replace(one, interval_s=seconds or one.interval_s or usual_s)
            for one, seconds in ((said[key // lengths.size], int(lengths[key % lengths.size])) for key in keys.tolist())
        ]
        return words, codes.astype(np.int32)


def has_end(record: Record) -> bool:
    """Tell whether a record says where its interval ends."""
    return record.end is not None and record.end != ""


def with_length(record: Record, defaults: Said) -> Record:
    """Return a record whose end became the length of its interval; Wrong where the two contradict each other."""
    if not has_end(record):
        return record
    field, start = next(((name, at) for name in TIMES if (at := getattr(record, name)) is not None), ("start", None))
    span_us = _instant(record.end, END) - _instant(start, field)
    values = next((len(block) for block in (record.kwh, record.value) if isinstance(block, list)), 1)
    named = record.kwh is None and (record.register_kwh is not None or record.reading is not None)
    named |= defaults.register
    kind = defaults.reading_type if record.reading_type is None else record.reading_type
    try:
        length = length_s(span_us, max(values, 1), record.interval_s, register=named or is_register(kind))
    except Wrong as wrong:
        raise Wrong(wrong.fault, shown(record.end)) from None
    return msgspec.structs.replace(record, end=None, interval_s=length or record.interval_s)


def _instant(value: Any, field: str) -> int:  # noqa: ANN401 - as it is written
    at_us = told_us(value) if isinstance(value, str) else None
    return instant_us(value, field) if at_us is None else at_us


def with_lengths(
    records: Sequence[Record], numbered: Sequence[int], defaults: Said
) -> Iterator[tuple[int, Record | Wrong]]:
    """Yield the number of each record, and the record whose end became a length, or what is wrong with it."""
    for index, record in zip(numbered, records, strict=True):
        try:
            yield index, with_length(record, defaults)
        except Wrong as wrong:
            yield index, wrong
