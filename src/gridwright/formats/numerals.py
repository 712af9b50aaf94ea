"""How numbers are written: which mark begins a fraction, which parts thousands, and what that makes of each cell."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import AmbiguousInput, UsageError
from gridwright.domain.verdict import Evidence
from gridwright.formats.text import NO_VALUE

if TYPE_CHECKING:
    import pyarrow as pa

Mask = npt.NDArray[np.bool_]

OTHER = {".": ",", ",": "."}
NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
# Marks between thousands that begin no fraction anywhere: blanks of three widths and apostrophes.
BLANKS = " \u00a0\u202f'\u2019"
# For so many cells that may be thousands or fractions one that is certain decides; for more it may be a stray.
DECIDED_BY_ONE = 10


@dataclass(frozen=True, slots=True)
class Numerals:
    """How numbers are written: the decimal mark, and the mark between thousands where the file shows that it has one.

    Without `thousands` a cell such as `1,234` in a file of `0.25` is no number: it may be a thousand or a fraction.
    """

    decimal: str = "."
    thousands: str = ""


@lru_cache
def _plain(decimal: str) -> str:
    """Return the pattern of numbers without marks between thousands."""
    mark = re.escape(decimal)
    return rf"[+-]?(?:[0-9]+(?:{mark}[0-9]*)?|{mark}[0-9]+)(?:[eE][+-]?[0-9]+)?"


@lru_cache
def _grouped(decimal: str, *, once: bool) -> str:
    """Return the pattern of numbers whose thousands are parted as they must be; `once`: also of `1,234` alone."""
    mark, other = re.escape(decimal), re.escape(OTHER[decimal])
    head = "[1-9][0-9]{0,2}"
    groups = rf"{head}(?:{other}[0-9]{{3}})"
    parted = rf"{groups}+{mark}[0-9]*|{groups}{{{1 if once else 2},}}"
    if decimal == ".":
        parted += rf"|[1-9][0-9]?(?:,[0-9]{{2}})+,[0-9]{{3}}(?:{mark}[0-9]*)?"  # lakh and crore: 1,23,456.7
    return rf"[+-]?(?:{parted}|{head}(?:[{BLANKS}][0-9]{{3}})+(?:{mark}[0-9]*)?)"


@dataclass(slots=True)
class _Seen:
    """What cells tell: how many can only be read by each decimal mark, or by either, each with the first of them."""

    certain: Counter[str] = field(default_factory=Counter)
    doubtful: Counter[str] = field(default_factory=Counter)
    first: dict[tuple[str, str], str] = field(default_factory=dict)
    parted: dict[str, int] = field(default_factory=dict)

    def add(self, text: str, count: int) -> None:
        marks = [mark for mark in OTHER if mark in text]
        reads = [mark for mark in OTHER if _reads(text, mark)]
        if not marks or not reads:
            return
        if len(reads) == 1:
            self.certain[reads[0]] += count
            self.first.setdefault(("certain", reads[0]), text)
            if OTHER[reads[0]] in text:
                self.parted[reads[0]] = self.parted.get(reads[0], 0) + count
        else:
            self.doubtful[marks[0]] += count
            self.first.setdefault(("doubtful", marks[0]), text)


def _reads(text: str, decimal: str) -> bool:
    pattern = f"{_plain(decimal)}|{_grouped(decimal, once=True)}"
    return re.fullmatch(pattern, text) is not None


def numerals_of(texts: Iterable[str], wanted: str = "") -> tuple[Numerals, Evidence]:
    """Find the decimal mark of a column of numbers: the one by which alone most cells can be read.

    `1,234` alone, and as many cells for one mark as for the other, are AmbiguousInput.
    """
    if wanted:
        if wanted not in OTHER:
            raise UsageError(f"{wanted!r} is no decimal mark", remedy="give . or ,")
        return Numerals(wanted, OTHER[wanted]), _mark(wanted, "given")
    seen = _Seen()
    for text, count in Counter(texts).items():
        seen.add(text.strip(), count)
    point, comma = seen.certain["."], seen.certain[","]
    if point == comma:
        return _undecided(seen, certain=point > 0)
    decimal = "." if point > comma else ","
    _check_doubtful(seen, decimal)
    return Numerals(decimal, OTHER[decimal] if decimal in seen.parted else ""), _mark(decimal, _because(seen, decimal))


def _undecided(seen: _Seen, *, certain: bool) -> tuple[Numerals, Evidence]:
    """Take points as fractions where no cell speaks for either mark and none has a comma; else refuse."""
    if certain:
        raise _either_mark(seen.first["certain", "."], seen.first["certain", ","])
    if not seen.doubtful[","]:
        first = seen.first.get(("doubtful", "."))
        return Numerals(), _mark(".", repr(first) if first else "whole numbers only")
    if seen.doubtful["."]:
        raise _either_mark(seen.first["doubtful", "."], seen.first["doubtful", ","])
    raise AmbiguousInput(
        f"{seen.first['doubtful', ',']!r} may be a thousand or a fraction",
        remedy="say which with --decimal , or --decimal .",
    )


def _check_doubtful(seen: _Seen, decimal: str) -> None:
    """Refuse a file of many cells that few others would make thousands."""
    doubtful = seen.doubtful[OTHER[decimal]]
    if doubtful > max(seen.certain[decimal], seen.parted.get(decimal, 0) * DECIDED_BY_ONE):
        raise _either_mark(seen.first["certain", decimal], seen.first["doubtful", OTHER[decimal]])


def _either_mark(one: str, another: str) -> AmbiguousInput:
    return AmbiguousInput(
        f"{one!r} and {another!r} stand in one file: either mark may begin a fraction",
        remedy="say which with --decimal , or --decimal . (cells that do not fit it are then rejected)",
    )


def _because(seen: _Seen, decimal: str) -> str:
    """Say what decides for a mark, and what speaks against it."""
    told = f"{seen.first['certain', decimal]!r} can be read in no other way"
    against = seen.first.get(("certain", OTHER[decimal]))
    return f"{told}; cells such as {against!r} do not fit it and are rejected" if against else told


def _mark(decimal: str, because: str) -> Evidence:
    return Evidence("decimal mark", decimal, because, "--decimal")


def _as_strings(texts: pa.Array) -> pa.Array:
    """Return bytes as text; broken characters become U+FFFD."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        return pc.cast(texts, pa.string())
    except pa.ArrowInvalid:
        return pa.array([text.decode("utf-8", "replace") for text in texts.to_pylist()], pa.string())


def read_numbers(texts: pa.Array, numerals: Numerals) -> tuple[npt.NDArray[np.float64], Mask]:
    """Read a pyarrow text column: (values, bad); NaN without bad = no value, bad = not a finite number."""
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = pc.utf8_trim_whitespace(_as_strings(texts))
    missing = pc.is_in(pc.utf8_lower(plain), value_set=pa.array(NO_VALUE))
    sound = pc.match_substring_regex(plain, f"^(?:{_plain(numerals.decimal)})$")
    strange = pc.invert(pc.or_(sound, missing))
    if pc.any(strange).as_py():
        grouped = pc.and_(strange, pc.match_substring_regex(plain, _whole_group(numerals)))
        marks = f"[{re.escape(OTHER[numerals.decimal])}{BLANKS}]"
        joined = pc.replace_substring_regex(plain.filter(grouped), marks, "")
        plain, sound = pc.replace_with_mask(plain, grouped, joined), pc.or_(sound, grouped)
    if numerals.decimal != ".":
        plain = pc.replace_substring(plain, numerals.decimal, ".")
    numbers = pc.cast(pc.if_else(sound, plain, "nan"), pa.float64())
    values = numbers.to_numpy(zero_copy_only=False)
    absent = missing.to_numpy(zero_copy_only=False).astype(np.bool_)
    bad = ~absent & ~np.isfinite(values)
    return np.where(absent | bad, np.nan, values), bad


def _whole_group(numerals: Numerals) -> str:
    return f"^(?:{_grouped(numerals.decimal, once=bool(numerals.thousands))})$"


def by_the_other_mark(texts: pa.Array, numerals: Numerals) -> Mask:
    """Tell which cells are numbers by the other decimal mark, or may be thousands where the file shows none."""
    import pyarrow.compute as pc

    plain = pc.utf8_trim_whitespace(_as_strings(texts))
    other = OTHER[numerals.decimal]
    pattern = f"^(?:{_plain(other)}|{_grouped(other, once=True)}|{_grouped(numerals.decimal, once=True)})$"
    found = pc.match_substring_regex(plain, pattern)
    endless = pc.match_substring_regex(plain, f"^(?:{_plain(numerals.decimal)})$")  # a number, and too large for one
    found = pc.and_(found, pc.invert(endless))
    return np.asarray(found.to_numpy(zero_copy_only=False).astype(np.bool_))
