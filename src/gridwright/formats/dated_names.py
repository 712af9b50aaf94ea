"""Names of meters that look like dates, such as 20250101: told from dates by the other columns of their table."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from itertools import combinations

import numpy as np
import numpy.typing as npt

from gridwright.domain.errors import AmbiguousInput
from gridwright.domain.interval import DAY_S
from gridwright.formats.stamps import read_stamps
from gridwright.formats.text import is_no_value

COMPACT = 8  # digits of a date without marks
NEAR_S = 2 * DAY_S  # as far as a day may be from a stamp of the same row
MOSTLY, FEW = 0.6, 0.05

Walls = npt.NDArray[np.float64]


def without_names(
    names: Sequence[str], columns: Sequence[Sequence[str]], kinds: tuple[str, ...], used: Collection[int]
) -> tuple[str, ...]:
    """Return the kinds of columns, those being numbers that hold names which look like dates; `used`: have a role.

    Beside stamps, or dates with marks, eight digits are a date only where they are the day of the row. Of several such
    columns one that never changes, beside one that does, is a name; where nothing tells it is AmbiguousInput.
    """
    compact = [at for at, kind in enumerate(kinds) if kind == "date" and _is_compact(columns[at]) and at not in used]
    others = [at for at, kind in enumerate(kinds) if kind in {"stamp", "date"} and at not in compact]
    if not compact or len(compact) + len(others) == 1:
        return kinds
    walls = {at: _walls(columns[at]) for at in (*compact, *others)}
    if others:
        named = [at for at in compact if not any(_is_day_of(walls[at], walls[other]) for other in others)]
    else:
        named = _unchanging([names[at] for at in compact], compact, walls)
    return tuple("number" if at in named else kind for at, kind in enumerate(kinds))


def _unchanging(names: Sequence[str], compact: Sequence[int], walls: Mapping[int, Walls]) -> list[int]:
    """Return the columns that never change, where another one does; two that change apart may both be the dates."""
    moving = [at for at in compact if np.unique(_told(walls[at])).size > 1]
    for one, other in combinations(moving, 2):
        pairs = np.unique(np.stack([walls[one], walls[other]]), axis=1).shape[1]
        if pairs > max(np.unique(walls[one]).size, np.unique(walls[other]).size):
            raise AmbiguousInput(
                f"the columns {', '.join(names)} hold eight digits that may be dates or names of meters",
                remedy="say which: --column date=NAME and --column point=NAME",
            )
    return [at for at in compact if moving and at not in moving]


def _is_compact(texts: Sequence[str]) -> bool:
    filled = [text.strip() for text in texts if not is_no_value(text)]
    return all(len(text) == COMPACT and text.isascii() and text.isdigit() for text in filled)


def _walls(texts: Sequence[str]) -> Walls:
    """Return the wall clock of each text in seconds; NaN where it is no date."""
    import pyarrow as pa

    stamps = read_stamps(pa.array([text.strip().encode() for text in texts], pa.binary()), "dmy")
    return np.where(stamps.good, stamps.wall.astype(np.float64), np.nan)


def _told(walls: Walls) -> Walls:
    return walls[~np.isnan(walls)]


def _is_day_of(one: Walls, other: Walls) -> bool:
    """Tell whether a column is the day of each stamp, or that before or behind it: one day of each stamp, and near."""
    both = ~np.isnan(one) & ~np.isnan(other)
    if not both.any():
        return True
    pairs = np.unique(np.stack([one[both], other[both]]), axis=1).shape[1]
    near = (np.abs(one - other)[both] <= NEAR_S).mean() >= MOSTLY
    return bool(near and pairs <= np.unique(other[both]).size * (1 + FEW))
