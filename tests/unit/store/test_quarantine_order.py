"""Values of one instant wait so that the one that would count if the meter were known is the one that is claimed."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain import quality as q
from gridwright.ingest.order import one_gives_way
from gridwright.store.quarantine_order import Arrivals, Row

Value = tuple[float, int]
QUALITIES = [int(q.Status.RAW), int(q.Status.ACTUAL), int(q.Status.ESTIMATED), int(q.Status.DERIVED)]
VALUES = st.tuples(st.sampled_from([1.0, 2.0, 3.0]), st.sampled_from(QUALITIES))


@given(st.lists(VALUES, max_size=8), st.data())
def test_however_arrivals_are_cut_the_same_waits_and_counts(arrived: list[Value], data: st.DataObject) -> None:
    cuts = data.draw(st.lists(st.integers(0, len(arrived)), max_size=3).map(sorted))
    parts = [arrived[begin:end] for begin, end in pairwise([0, *cuts, len(arrived)])]
    waiting = stored_after([arrived])
    assert stored_after(parts) == waiting
    assert counted(waiting) == counted(arrived)
    assert {value for value, _ in waiting} == {value for value, _ in arrived}
    again = stored_after([*parts, waiting])
    assert (counted(again), len(again)) == (counted(waiting), len(waiting))


def counted(values: list[Value]) -> float | None:
    """Return the value that counts of those of one instant: the last one, but for guesses that give way."""
    found: Value | None = None
    for one in values:
        found = one if found is None or not one_gives_way(one[1], found[1]) else found
    return found and found[0]


def stored_after(parts: list[list[Value]]) -> list[Value]:
    """Return the values and qualities that wait after the parts came one after the other."""
    rows: list[Row] = []
    for part in parts:
        arrivals = Arrivals.after(rows)
        for value, quality in part:
            arrivals.take(("M-9", 0, 900, 1, value), quality)
        last = max((row.id for row in rows), default=0)
        rows = [row for row in rows if row.id not in arrivals.gone]
        rows += [
            Row(last + at, key, quality, waits=True, let_go=False)
            for at, (key, quality) in enumerate(arrivals.new.items(), 1)
        ]
    return [(row.key[4], row.quality) for row in sorted(rows)]
