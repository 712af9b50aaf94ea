"""A name that is twice in one JSON object: every decoder keeps the last value, so it is looked for in the text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from contextlib import suppress
from operator import attrgetter, countOf
from typing import Any

import numpy as np

from gridwright.api.ingest.verdicts import Fault

Pairs = list[tuple[str, Any]]
SHORT = 2048  # bytes, below which five searches are faster than an array
BEFORE_VALUE = (b'":', b" :", b"\t:", b"\n:", b"\r:")
COLON, QUOTE, SPACE = b':" '
ENVELOPE = re.compile(rb'\s*\{\s*"readings"\s*:')  # the name of a list around the records
REMEDY = "send each field once"
# Numbers stay as they are written, to be shown so.
_PAIRS = json.JSONDecoder(object_pairs_hook=list, parse_int=str, parse_float=str)


def fault_of(name: str) -> Fault:
    """Return what is wrong with a record that says two values under one name."""
    return Fault(name, "it is there twice, with different values", REMEDY)


def may_be_twice(text: bytes, records: Sequence[Any], fields: Sequence[str], known: int = 0) -> bool:
    """Tell whether a record may have a field twice: the text has more names than the records have fields.

    Counted over the whole text, which is cheap; `known` is how many fields the records have, where the caller has
    counted them. Fields that nobody knows, or that are null, are looked for by name.
    """
    if names_in(text) == (known or _proven(records, fields)):
        return False
    if b"\\" in text:  # a name may be written with escapes
        return True
    counts = ((field, text.count(b'"%b"' % field.encode())) for field in fields)
    return any(count and count > _have(records, field) for field, count in counts)


def names_in(text: bytes) -> int:
    """Return how many names of fields a text has at most: before the colon of a name stands its quote, or space."""
    around = ENVELOPE.match(text) is not None
    if len(text) < SHORT:
        return sum(map(text.count, BEFORE_VALUE)) - around
    written = np.frombuffer(text, np.uint8)
    before = written[np.flatnonzero(written == COLON) - 1]
    return int(np.count_nonzero((before == QUOTE) | (before <= SPACE))) - around


def _proven(records: Sequence[Any], fields: Sequence[str]) -> int:
    """Return how many fields the records have, where all have those of the first; else 0."""
    used = [field for field in fields if records and getattr(records[0], field) is not None]
    return len(records) * len(used) if all(_have(records, field) == len(records) for field in used) else 0


def _have(records: Sequence[Any], field: str) -> int:
    return len(records) - countOf(map(attrgetter(field), records), None)


def pairs_of(piece: bytes) -> Pairs:
    """Return names and values of one JSON object in the order in which they are written; none where it is no object."""
    with suppress(ValueError, RecursionError):
        found = _PAIRS.decode(piece.decode())
        if isinstance(found, list) and all(isinstance(one, tuple) for one in found):
            return found
    return []


def twice_in(piece: bytes, fields: Sequence[str]) -> tuple[str, str] | None:
    """Return the field that has two different values, with the second; None where each has one."""
    seen: dict[str, Any] = {}
    for name, value in pairs_of(piece):
        if name in fields and seen.setdefault(name, value) != value:
            return name, f"{value}"
    return None
