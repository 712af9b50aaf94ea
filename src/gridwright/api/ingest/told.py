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
    def by(cls, records: Sequence[Any], words: Sequence[str], written: int) -> Self | None:
        """Return what records tell; None where one has another field for it than the first, several, or none.

        `written`: how many fields they have at most, as their text tells.
        """
        first = records[0]
        used = [next((name for name in group if getattr(first, name) is not None), "") for group in GROUPS]
        spare = [name for group in GROUPS for name in group if name not in used]
        if not all(used) or any(getattr(first, name) is not None for name in spare):
            return None
        names, times, values = (list(map(attrgetter(field), records)) for field in used)
        if "" in names or "" in times or any(None in column for column in (names, times, values)):
            return None
        said = [word for word in words if getattr(first, word) is not None]
        fields = len(records) * (len(GROUPS) + len(said))
        # Where no more is written than these, no record has another: to look at all of them takes three times as long.
        alike = _all_as_first(records, said if written == fields else (*spare, *words))
        if not (alike or _all_as_first(records, spare)):
            return None
        return cls(names, times, values, alike, fields if alike else 0)


def _all_as_first(records: Sequence[Any], fields: Sequence[str]) -> bool:
    if not fields:
        return True
    what = attrgetter(*fields)
    return countOf(map(what, records), what(records[0])) == len(records)
