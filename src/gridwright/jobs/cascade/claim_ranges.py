"""What a part of a cascade deals with is cleared first, so that two that run at once never keep the same twice."""

from __future__ import annotations

from collections.abc import Sequence

from gridwright.domain.access import Access
from gridwright.domain.errors import Conflict
from gridwright.store import DirtyRange, Store


class Overtaken(Conflict):
    """Somebody else wrote to these days, or dealt with them, while they were judged or added up."""


def claim(store: Store, access: Access, ranges: Sequence[DirtyRange]) -> None:
    """Clear the ranges first: if one is not there any more, what was made of them is old, and must not be kept."""
    if store.dirty.clear(access, ranges) < len(ranges):
        raise Overtaken("the readings changed while they were judged")
