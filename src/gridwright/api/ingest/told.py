"""What many records say, a column a field, where all of them say the same fields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter, countOf
from typing import Any, Self

from gridwright.api.ingest.twice import GROUPS


@dataclass(frozen=True, slots=True)
class Told:
    """Name, time and value of each record, under one field each and no other; `alike`: their words, too, are the same.

    `fields` is how many fields they have together, 0 where that is not known.
    """

    names: list[str]
    times: list[str | int | float]
    values: list[Any]
    alike: bool
    fields: int

    @classmethod
    def by(cls, records: Sequence[Any], words: Sequence[str]) -> Self | None:
        """Return what records tell; None where one has another field for it than the first, several, or none."""
        first = records[0]
        used = [next((name for name in group if getattr(first, name) is not None), "") for group in GROUPS]
        spare = [name for group in GROUPS for name in group if name not in used]
        alike = _all_as_first(records, (*spare, *words))
        if not all(used) or any(getattr(first, name) is not None for name in spare):
            return None
        if not (alike or _all_as_first(records, spare)):
            return None
        names, times, values = (list(map(attrgetter(field), records)) for field in used)
        if "" in names or "" in times or any(None in column for column in (names, times, values)):
            return None
        said = len(GROUPS) + sum(getattr(first, word) is not None for word in words)
        return cls(names, times, values, alike, len(records) * said if alike else 0)


def _all_as_first(records: Sequence[Any], fields: Sequence[str]) -> bool:
    what = attrgetter(*fields)
    return countOf(map(what, records), what(records[0])) == len(records)
