"""Doubts that go on: a run that grew, or a window that moved on, stays one finding with who is to decide it.

What a person accepted holds for the values that they saw; of others it is a finding anew.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Row, or_, select, update

from gridwright.domain.finding import ABOUT_THE_SERIES, FOUND_ELSEWHERE, ROLLING, Finding, fingerprint
from gridwright.store import schema
from gridwright.store.instant import to_seconds
from gridwright.store.names import FEW
from gridwright.store.session import Unit

# Usage point, reading type, code, start and end of a finding.
Key = tuple[int, int, str, int, int]
SAID = ("message", "severity", "slots", "fingerprint", "proposed_by", "proposal")


@dataclass(frozen=True, slots=True)
class Known:
    """The rows of findings that are open, those that people accepted, and `twice`: others that are open by one key."""

    open_now: dict[Key, Row[Any]] = field(default_factory=dict)
    accepted: dict[Key, list[Row[Any]]] = field(default_factory=dict)
    twice: list[tuple[Key, Row[Any]]] = field(default_factory=list)

    def each_open(self) -> Iterator[tuple[Key, Row[Any]]]:
        """Yield every row that is open."""
        yield from self.open_now.items()
        yield from self.twice

    def hold(self, key: Key, finding: Finding) -> bool:
        """Tell whether a person has accepted what was found; before it was kept which values, it held for any."""
        return any(
            row.fingerprint is None or row.fingerprint == seen_of(finding) or finding.code in ABOUT_THE_SERIES
            for row in self.accepted.get(key, ())
        )

    def that_hold(self, others: AbstractSet[Key]) -> list[Row[Any]]:
        """Return what is open or accepted; of what was found again with `others`, values nobody accepted, the open."""
        accepted = [row for key, rows in self.accepted.items() if key not in others for row in rows]
        return [*self.open_now.values(), *accepted]


def known_findings(unit: Unit, points: Sequence[int]) -> Known:
    """Return what is open or was accepted of usage points, by key."""
    table, known = schema.finding, Known()
    matters = or_(table.c.resolved_at_us.is_(None), table.c.resolved_by.is_not(None))
    for at in range(0, len(points), FEW):
        query = select(table).where(table.c.usage_point.in_(points[at : at + FEW]), matters).order_by(table.c.id)
        for row in unit.connection.execute(query):
            key = _key(row)
            if row.resolved_at_us is not None:
                known.accepted.setdefault(key, []).append(row)
            elif key in known.open_now:
                known.twice.append((key, row))
            else:
                known.open_now[key] = row
    return known


def seen_of(finding: Finding) -> str:
    """Return the fingerprint of the values that a finding doubts; where it has none they stand in its sentence."""
    return finding.fingerprint or fingerprint(finding.message.encode())


def words_of(row: Row[Any], finding: Finding) -> dict[str, Any]:
    """Return what a row says by now; who would accept it meant the values that there were."""
    seen = seen_of(finding)
    words = {"message": finding.message, "severity": str(finding.severity), "slots": finding.slots, "fingerprint": seen}
    return words if row.fingerprint == seen else words | {"proposed_by": None, "proposal": None}


def differs(row: Row[Any], values: Mapping[str, Any]) -> bool:
    """Tell whether a row says something else than it should."""
    return any(getattr(row, name) != value for name, value in values.items())


@dataclass(frozen=True, slots=True)
class GoesOn:
    """`moved`: rows with the finding that they are by now; `keys`: of these findings, which are not new therefore.

    `merged`: ids of other open rows of one rolling window, which are dealt with by that one.
    """

    moved: Sequence[tuple[Row[Any], Finding]]
    keys: frozenset[Key]
    merged: Sequence[int]

    @property
    def rows(self) -> set[int]:
        """The ids of the rows that go on."""
        return {row.id for row, _ in self.moved}


def going_on(found: Mapping[Key, Finding], known: Iterable[Row[Any]], gone: Iterable[Row[Any]]) -> GoesOn:
    """Return which rows go on in findings that have no row of their own.

    `known`: what is open or accepted; `gone`: what did not come up again. A run goes on where the same code begins at
    the same instant, or where the one that is gone overlaps it; what is accepted is so for its period alone. A rolling
    window goes on where it touches the one before, accepted or not.
    """
    lost, rows = {row.id for row in gone}, {_key(row): row for row in known}
    before: dict[tuple[int, int, str], list[Row[Any]]] = defaultdict(list)
    for key, row in rows.items():
        if key not in found:
            before[key[:3]].append(row)
    taken: set[int] = set()
    moved, merged, keys = [], [], []
    for key in sorted(found.keys() - rows.keys()) if before else ():
        same = [row for row in before.get(key[:3], ()) if row.id not in taken and _continues(row, key, lost)]
        same.sort(key=lambda row: row.end_s, reverse=True)
        if same:
            moved.append((same[0], found[key]))
            keys.append(key)
            others = same[1:] if key[2] in ROLLING else []
            merged += [row.id for row in others if row.resolved_at_us is None]
            taken.update(row.id for row in (same[0], *others))
    return GoesOn(moved, frozenset(keys), merged)


def _continues(row: Row[Any], key: Key, lost: set[int]) -> bool:
    code, start, end = key[2:]
    if code in ROLLING:
        return bool(row.start_s <= end and start <= row.end_s)
    if code in FOUND_ELSEWHERE or row.resolved_at_us is not None:
        return False
    return bool(row.start_s == start or (row.id in lost and row.start_s < end and start < row.end_s))


def _key(row: Row[Any]) -> Key:
    return (row.usage_point, row.reading_type, row.code, row.start_s, row.end_s)


def move(unit: Unit, on: GoesOn) -> dict[str, int]:
    """Let rows that go on say what was found now, and return how many changed, if any; who decides them stays."""
    changed = 0
    for row, finding in on.moved:
        now = _values(row, finding)
        if differs(row, now):
            unit.connection.execute(update(schema.finding).where(schema.finding.c.id == row.id).values(now))
            changed += 1
    return {"continued": changed} if changed else {}


def join_twins(unit: Unit, points: Sequence[int], reopened: AbstractSet[int], at_us: int) -> None:
    """Where the same was doubted since, let the row that is open again say what that one says, and resolve the rest."""
    table, known = schema.finding, known_findings(unit, points)
    twins: dict[Key, list[Row[Any]]] = defaultdict(list)
    for key, row in known.twice:
        twins[key].append(row)
    for key, others in twins.items():
        first = known.open_now[key]
        if reopened.isdisjoint(row.id for row in (first, *others)):
            continue
        newest = max((first, *others), key=lambda row: (row.id not in reopened, row.id))
        now = {name: getattr(newest, name) for name in SAID} | {"assigned_to": first.assigned_to or newest.assigned_to}
        unit.connection.execute(update(table).where(table.c.id == first.id).values(now))
        gone = table.c.id.in_([row.id for row in others])
        unit.connection.execute(update(table).where(gone).values(resolved_at_us=at_us))


def _values(row: Row[Any], finding: Finding) -> dict[str, Any]:
    """Return what a row says by now; a window that was judged anew within what is known adds nothing to it."""
    start, end = to_seconds(finding.period.start), to_seconds(finding.period.end)
    if finding.code in ROLLING:
        if end < row.end_s:
            return {"start_s": min(start, row.start_s)}
        start = min(start, row.start_s)
    return {"start_s": start, "end_s": end, **words_of(row, finding)}
