"""Buckets: when each of a meter's time-of-use registers counts, so that E08 closes every one of them by itself."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from gridwright.domain.errors import InputError
from gridwright.vee.runs import Mask
from gridwright.vee.wall import WallClock

Spans = tuple[tuple[int, int], ...]
DAY_MINUTES = 1440
ALL_DAY: Spans = ((0, DAY_MINUTES),)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A time-of-use register: `channel` names it in the reading type of its reads, the spans tell when it counts.

    Spans are minutes of the local day, [from, to), for workdays, Saturdays, and Sundays with holidays.
    """

    channel: str
    workday: Spans = ALL_DAY
    saturday: Spans = ALL_DAY
    sunday: Spans = ALL_DAY

    def __post_init__(self) -> None:
        for first, last in (*self.workday, *self.saturday, *self.sunday):
            if not 0 <= first < last <= DAY_MINUTES:
                raise InputError(
                    f"register {self.channel} counts from minute {first} to {last}",
                    remedy="give minutes of the day, 0 to 1440, the first before the last; cut a night at midnight",
                )

    def mask(self, wall: WallClock) -> Mask:
        """Return in which slots of a grid the register counts, bool[slots]."""
        minute = wall.minute_slot * (DAY_MINUTES // wall.width)
        kind = wall.kind[wall.day]
        counts = np.zeros(minute.size, np.bool_)
        for which, spans in enumerate((self.workday, self.saturday, self.sunday)):
            for first, last in spans:
                counts |= (kind == which) & (minute >= first) & (minute < last)
        return counts


KINDS = ("workday", "saturday", "sunday")
REST = "rest"
SPAN = re.compile(r"(\d{1,2}):([0-5]\d)-(\d{1,2}):([0-5]\d)")
FORM = 'write it like "T1 workday 06:00-22:00 saturday 06:00-13:00; T2 rest"'


def buckets_from(text: str) -> tuple[Bucket, ...]:
    """Read when each time-of-use register of a meter counts: "T1 workday 06:00-22:00 saturday 06:00-13:00; T2 rest".

    Spans without a kind of day are for every day, a span may go over midnight, and one register may count the rest.
    What cannot be read is an InputError.

    >>> [each.channel for each in buckets_from("T1 22:00-06:00; T2 rest")]
    ['T1', 'T2']
    """
    parts = [part.split() for part in text.split(";") if part.strip()]
    names = [words[0] for words in parts]
    rests = [words[0] for words in parts if words[1:] == [REST]]
    if len(set(names)) != len(names) or len(rests) > 1:
        raise InputError(f"{text!r} names a register, or the rest, twice", remedy=FORM)
    stated = {words[0]: _spans(words[0], words[1:]) for words in parts if words[0] not in rests}
    minutes = {kind: sorted(span for spans in stated.values() for span in spans[kind]) for kind in KINDS}
    for kind, spans in minutes.items():
        if any(first[1] > then[0] for first, then in pairwise(spans)):
            raise InputError(f"{text!r} has two registers count at once on a {kind}", remedy=FORM)
    stated |= {name: {kind: _between(spans) for kind, spans in minutes.items()} for name in rests}
    return tuple(Bucket(name, *(tuple(stated[name][kind]) for kind in KINDS)) for name in names)


def _spans(name: str, words: list[str]) -> dict[str, list[tuple[int, int]]]:
    """Return the spans of a register by kind of day, those over midnight cut there."""
    found: dict[str, list[tuple[int, int]]] = {kind: [] for kind in KINDS}
    kinds: tuple[str, ...] = KINDS
    for word in words:
        span = SPAN.fullmatch(word)
        if word in KINDS:
            kinds = (word,)
        elif span is None:
            raise InputError(f"{word!r} of register {name} is no kind of day and no span", remedy=FORM)
        else:
            since, until = 60 * int(span[1]) + int(span[2]), 60 * int(span[3]) + int(span[4])
            cut = [(since, until)] if since < until else [(since, DAY_MINUTES), (0, until)]
            for kind in kinds:
                found[kind] += [each for each in cut if each[0] < each[1]]
    if not any(found.values()):
        raise InputError(f"register {name} counts never", remedy=FORM)
    return found


def _between(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    edges = [0, *(edge for span in spans for edge in span), DAY_MINUTES]
    return [(first, last) for first, last in zip(edges[::2], edges[1::2], strict=True) if first < last]
