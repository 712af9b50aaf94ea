"""Findings: doubts of validation; one that no longer holds, or that a person accepts, is resolved, never deleted."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, or_, update

from gridwright.domain.access import LOCAL_OWNER, Access, Act
from gridwright.domain.errors import InputError
from gridwright.domain.finding import FOUND_BY_BILLING, FOUND_ELSEWHERE, ROLLING, Doubted, Finding, Severity
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import ReadingType
from gridwright.store import schema
from gridwright.store.audit import note
from gridwright.store.continuing import Key, differs, going_on, join_twins, known_findings, move, seen_of, words_of
from gridwright.store.days.blocks import lock_points
from gridwright.store.deciding import (
    IS_ACCEPTED,
    IS_OPEN,
    Decision,
    decide,
    is_one_of,
    may_decide,
    note_moved,
    parts_of,
    query_findings,
    require_decider,
    require_reason,
    rows_of,
)
from gridwright.store.instant import from_us, from_us_if, to_period, to_seconds, to_us
from gridwright.store.names import FEW, Names, every_type, within
from gridwright.store.people.users import load_users
from gridwright.store.session import Session, Unit


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """A finding with its id, and what became of it: `resolved_by` is empty when it did not come up again.

    `proposed_by`, `proposal`: who would accept it and why, where a second person is needed. `moved_wh`: what its
    acceptance moved, with those accepted with it; empty where no value counts again by it.
    """

    id: int
    finding: Finding
    known_at: datetime
    resolved_at: datetime | None = None
    resolution: str = ""
    resolved_by: str = ""
    assigned_to: str = ""
    proposed_by: str = ""
    proposal: str = ""
    moved_wh: int | None = None


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings: each part that is given narrows them; `resolved`: those too that are dealt with.

    `proposed`: those that wait for a second person.
    """

    point: str | None = None
    severity: Severity | None = None
    code: str | None = None
    period: Interval | None = None
    assigned_to: str | None = None
    resolved: bool = False
    proposed: bool = False

    @property
    def narrows(self) -> bool:
        """Tell whether it asks for less than everything."""
        return self != FindingFilter(resolved=self.resolved)


EVERY_OPEN = FindingFilter()
MOST_AT_ONCE = 10_000


class Findings:
    """Findings of validation."""

    def __init__(self, session: Session, names: Names) -> None:
        self._session = session
        self._names = names

    def save(
        self,
        access: Access,
        findings: Iterable[Finding],
        *,
        known_at: datetime,
        points: Sequence[str] = (),
        period: Interval | None = None,
        only: Collection[str] = (),
    ) -> int:
        """Add findings and return how many were new; the same again changes nothing, other words replace the old ones.

        After validating `points` over `period` once more, give both: open findings within that did not come up
        again are resolved at `known_at`. Those are the findings of validation; `only`: those of these codes instead;
        others among `findings` are left out. What goes on, such as a run that grew, is no new finding.
        """
        act = Act.WRITE_BILLS if only and FOUND_BY_BILLING.issuperset(only) else Act.WRITE_READINGS
        access.require(act)
        these = [finding for finding in findings if not only or finding.code in only]
        named = sorted({finding.usage_point for finding in these} | set(points))
        for point in named:
            access.require(act, point)
        with self._session.writing() as unit:
            keys = dict(zip(named, self._names.point_keys(unit, named), strict=True))
            lock_points(unit, list(keys.values()))
            rows = {self._key(unit, keys, finding): finding for finding in these}
            known = known_findings(unit, sorted(keys.values()))
            held = {key for key, finding in rows.items() if known.hold(key, finding)}
            again = {keys[point] for point in points}
            gone = [
                row
                for key, row in known.each_open()
                if key in held or (key not in rows and _is_decided(key[2], only) and _within(key, again, period))
            ]
            on = going_on(rows, known.that_hold(rows.keys() - held), gone)
            there = known.open_now.keys() | held | on.keys
            new = [_row(key, finding, to_us(known_at)) for key, finding in rows.items() if key not in there]
            if new:
                unit.connection.execute(insert(schema.finding), new)
            twice = {row.id for key, row in known.twice if key in rows}
            over = sorted({row.id for row in gone if row.id not in on.rows} | set(on.merged) | twice)
            _resolve(unit, over, to_us(known_at))
            said = {key: row for key, row in known.open_now.items() if key not in held}
            counts = {"findings": len(new), "resolved": len(over)} | _reword(unit, said, rows) | move(unit, on)
            if any(counts.values()):
                subject = named[0] if len(named) == 1 else f"{len(named)} usage points"
                note(unit, access, act, subject=subject, at=self._session.clock(), **counts)
        return len(new)

    def dealt_with(self, access: Access, findings: Sequence[Finding], *, known_at: datetime) -> None:
        """Resolve what is open of some codes over exactly some periods: what it was about is no more."""
        for finding in findings:
            access.require(Act.WRITE_READINGS, finding.usage_point)
        names = sorted({finding.usage_point for finding in findings})
        with self._session.writing() as unit:
            keys = dict(zip(names, self._names.point_keys(unit, names), strict=True))
            for finding in findings:
                resolve_those(unit, keys[finding.usage_point], finding.code, finding.period, known_at)

    def load(
        self,
        access: Access,
        points: Sequence[str] | None = None,
        period: Interval | None = None,
        *,
        resolved: bool = False,
    ) -> list[Finding]:
        """Return the open findings (with `resolved` all) that overlap `period`, by usage point and time."""
        access.require(Act.READ)
        for point in points or ():
            access.require(Act.READ, point)
        table, usage_point = schema.finding, schema.usage_point
        query = query_findings()
        if not resolved:
            query = query.where(table.c.resolved_at_us.is_(None))
        if period is not None:
            start, end = to_seconds(period.start), to_seconds(period.end)
            query = query.where(table.c.start_s < end, table.c.end_s > start)
        query = query.order_by(usage_point.c.code, table.c.start_s, table.c.code)
        with self._session.reading() as unit:
            kinds = every_type(unit)
            rows = self._of_points(unit, query, points)
        return [_to_finding(row, kinds) for row in rows if access.may_see(row.point)]

    def page(
        self, access: Access, where: FindingFilter = EVERY_OPEN, *, limit: int = 100, after: int = 0
    ) -> list[StoredFinding]:
        """Return findings in the order in which they came up, those behind id `after`."""
        access.require(Act.READ, where.point)
        table = schema.finding
        with self._session.reading() as unit:
            query = self._narrowed(unit, access, where).where(table.c.id > after)
            kinds = every_type(unit)
            rows = unit.connection.execute(query.order_by(table.c.id).limit(limit)).all()
        return [_to_stored(row, kinds) for row in rows]

    def open_of(
        self,
        access: Access,
        points: Sequence[str] | None,
        codes: Collection[str],
        period: Interval | None = None,
        *,
        limit: int | None = None,
        only: Callable[[ReadingType], bool] | None = None,
    ) -> list[StoredFinding]:
        """Return the open findings of some codes that overlap `period`, in the order in which they came up.

        `points`: None = all that may be seen. `limit`: at most so many, the newest. `only`: of which reading types.
        """
        access.require(Act.READ)
        for point in points or ():
            access.require(Act.READ, point)
        table = schema.finding
        query = within(query_findings(), table.c.usage_point, access)
        # Of named points SQLite would go through everything that is open, by the index of what is resolved.
        resolved_at = table.c.resolved_at_us if points is None else table.c.resolved_at_us + 0
        query = query.where(resolved_at.is_(None), table.c.code.in_(sorted(codes)))
        if period is not None:
            start, end = to_seconds(period.start), to_seconds(period.end)
            query = query.where(table.c.start_s < end, table.c.end_s > start)
        if limit is not None:  # else whoever plans the query would go by the order, and through the whole table
            query = query.order_by(table.c.id.desc()).limit(limit)
        with self._session.reading() as unit:
            kinds = every_type(unit)
            if only is not None:
                query = query.where(table.c.reading_type.in_([key for key, kind in kinds.items() if only(kind)]))
            rows = self._of_points(unit, query, points)
        newest = sorted(rows, key=lambda row: int(row.id), reverse=True)[:limit]
        return [_to_stored(row, kinds) for row in reversed(newest)]

    def ids(self, access: Access, where: FindingFilter) -> list[int]:
        """Return the ids of all that fit, to be decided together; more than ten thousand are an InputError."""
        access.require(Act.READ, where.point)
        with self._session.reading() as unit:
            query = self._narrowed(unit, access, where).order_by(schema.finding.c.id).limit(MOST_AT_ONCE + 1)
            found = [row.id for row in unit.connection.execute(query)]
        if len(found) > MOST_AT_ONCE:
            raise InputError(
                f"more than {MOST_AT_ONCE:,} findings fit", remedy="narrow them: by rule, usage point or period"
            )
        return found

    def _narrowed(self, unit: Unit, access: Access, where: FindingFilter) -> Select[Any]:
        table = schema.finding
        query = within(query_findings(), table.c.usage_point, access)
        if not where.resolved:
            query = query.where(table.c.resolved_at_us.is_(None))
        if where.proposed:
            query = query.where(table.c.resolved_at_us.is_(None), table.c.proposed_by.is_not(None))
        if where.severity is not None:
            query = query.where(table.c.severity == str(where.severity))
        if where.code is not None:
            query = query.where(table.c.code == where.code)
        if where.assigned_to is not None:
            name = where.assigned_to
            query = query.where(table.c.assigned_to == name if name else table.c.assigned_to.is_(None))
        if where.period is not None:
            start, end = to_seconds(where.period.start), to_seconds(where.period.end)
            query = query.where(table.c.start_s < end, table.c.end_s > start)
        if where.point is not None:
            query = query.where(table.c.usage_point == self._names.point_keys(unit, [where.point])[0])
        return query

    def these(self, access: Access, ids: Iterable[int]) -> list[StoredFinding]:
        """Return some findings by their ids; one that does not exist is NotFound, one out of reach AccessDenied."""
        access.require(Act.READ)
        with self._session.reading() as unit:
            rows = rows_of(unit, ids)
            for row in rows:
                access.require(Act.READ, row.point)
            kinds = every_type(unit)
        return [_to_stored(row, kinds) for row in rows]

    def accepted(
        self, access: Access, points: Sequence[str], period: Interval, *, as_of: datetime | None = None
    ) -> frozenset[Doubted]:
        """Return what people accepted within a period; `as_of`: by that instant. Of old, it was not kept of what."""
        access.require(Act.READ)
        for point in points:
            access.require(Act.READ, point)
        table = schema.finding
        query = query_findings().where(table.c.resolved_by.is_not(None), table.c.fingerprint.is_not(None))
        query = query.where(table.c.start_s < to_seconds(period.end), table.c.end_s > to_seconds(period.start))
        if as_of is not None:
            query = query.where(table.c.resolved_at_us <= to_us(as_of))
        with self._session.reading() as unit:
            rows = self._of_points(unit, query, points)
            kinds = every_type(unit) if rows else {}
        return frozenset(_to_finding(row, kinds).doubted for row in rows)

    def moved_alone(self, access: Access, points: Sequence[str], since: datetime) -> dict[str, int]:
        """Return how many Wh the person who asks moved by acceptances alone since an instant, by usage point.

        Alone is also what they had proposed themselves, and accepted once the limit let them.
        """
        access.require(Act.READ)
        for point in points:
            access.require(Act.READ, point)
        table = schema.finding
        me = access.actor[:200]
        mine = (table.c.resolved_by == me, or_(table.c.proposed_by.is_(None), table.c.proposed_by == me))
        query = query_findings().where(*mine, table.c.resolved_at_us > to_us(since), table.c.moved_wh.is_not(None))
        with self._session.reading() as unit:
            rows = self._of_points(unit, query, points)
        # Those accepted together moved it together.
        each = {(row.point, row.resolved_at_us): int(row.moved_wh) for row in rows}
        moved: dict[str, int] = {}
        for (point, _), moved_wh in each.items():
            moved[point] = moved.get(point, 0) + moved_wh
        return moved

    def hold(self, access: Access, points: Collection[str]) -> None:
        """Let nobody else decide about some usage points, or save, until the transaction of this call ends."""
        access.require(Act.WRITE_READINGS)
        for point in sorted(points) if access.points is not None else ():
            access.require(Act.WRITE_READINGS, point)
        with self._session.writing() as unit:
            if unit.dialect != "sqlite":
                lock_points(unit, self._names.point_keys(unit, list(points)))

    def resolve(
        self,
        access: Access,
        ids: Iterable[int],
        *,
        reason: str,
        now: datetime,
        seen: Mapping[int, str] | None = None,
        moved_wh: Mapping[int, int] | None = None,
    ) -> int:
        """Accept open findings for a reason, and return how many; of the same values they do not come up again.

        Days whose values may count again are dirty. One that is resolved already stays as it is; an unknown id is
        NotFound, no reason an InputError. `seen`: by id, the fingerprint of the values that were looked at; others by
        now are a Conflict. `moved_wh`: what is kept with one of them, for those that many small ones add up to.
        """
        require_reason(reason, "accepting a doubt", "say why the value is right, or good enough")
        values = {"resolved_at_us": to_us(now), "resolution": reason.strip(), "resolved_by": access.actor[:200]}
        decision = Decision("accepted", reason, now, values, IS_OPEN, touches=True)
        with self._session.writing() as unit:
            done = decide(unit, access, ids, decision, seen)
            note_moved(unit, moved_wh or {})
        return done

    def propose(
        self, access: Access, ids: Iterable[int], *, reason: str, now: datetime, seen: Mapping[int, str] | None = None
    ) -> int:
        """Say in one's own name that open findings should be accepted, and return of how many nobody had said so."""
        require_reason(reason, "accepting a doubt", "say why the value is right, or good enough")
        values = {"proposed_by": access.actor[:200], "proposal": reason.strip()}
        decision = Decision("proposed", reason, now, values, (*IS_OPEN, schema.finding.c.proposed_by.is_(None)))
        with self._session.writing() as unit:
            return decide(unit, access, ids, decision, seen)

    def reopen(self, access: Access, ids: Iterable[int], *, reason: str, now: datetime) -> int:
        """Take acceptances, and proposals of them, back, and return how many; what resolved itself stays resolved.

        Their days are dirty: what they say was true when they were accepted. Where other values of the same intervals
        were doubted since, it is that doubt again, and one. The audit chain keeps who had accepted it, and why.
        """
        require_reason(reason, "taking it back", "say what has become known")
        empty = ("resolved_at_us", "resolution", "resolved_by", "proposed_by", "proposal", "moved_wh")
        decision = Decision("reopened", reason, now, dict.fromkeys(empty), IS_ACCEPTED, anew=True)
        wanted = set(ids)
        with self._session.writing() as unit:
            done = decide(unit, access, wanted, decision)
            points = sorted({row.usage_point for row in rows_of(unit, wanted, IS_OPEN)})
            join_twins(unit, points, wanted, to_us(now))
        return done

    def deciders(self, access: Access, ids: Iterable[int]) -> tuple[str, ...]:
        """Return the names of the users who may decide about all of these findings; empty where there is no user."""
        access.require(Act.READ)
        access.require(Act.WRITE_READINGS)
        with self._session.reading() as unit:
            return _deciders(unit, access, ids)

    def assign(self, access: Access, ids: Iterable[int], person: str, *, now: datetime) -> int:
        """Give open findings to somebody to decide (empty: to nobody), and return how many.

        Where there are users it is one of them who may decide about all of these, else an InputError names who may.
        """
        access.require(Act.READ)
        access.require(Act.WRITE_READINGS)
        wanted, name = set(ids), person.strip()
        values = {"assigned_to": name[:200] or None}
        with self._session.writing() as unit:
            require_decider(name, _deciders(unit, access, wanted))
            return decide(unit, access, wanted, Decision("assigned", person, now, values, IS_OPEN))

    def _of_points(self, unit: Unit, query: Select[Any], points: Sequence[str] | None) -> list[Row[Any]]:
        if points is None:
            return list(unit.connection.execute(query))
        keys = self._names.point_keys(unit, points)
        parts = [keys[at : at + FEW] for at in range(0, len(keys), FEW)]
        rows = (unit.connection.execute(query.where(schema.finding.c.usage_point.in_(part))) for part in parts)
        return [row for part in rows for row in part]

    def _key(self, unit: Unit, keys: dict[str, int], finding: Finding) -> Key:
        kind = self._names.make_type_key(unit, finding.reading_type)
        start, end = to_seconds(finding.period.start), to_seconds(finding.period.end)
        return (keys[finding.usage_point], kind, finding.code, start, end)


def _deciders(unit: Unit, access: Access, ids: Iterable[int]) -> tuple[str, ...]:
    points = {row.point for row in rows_of(unit, ids)}
    for point in points:
        access.require(Act.WRITE_READINGS, point)
    users = [user for _, user in load_users(unit).values()]
    able = [user.name for user in users if not user.disabled and may_decide(user.access, points)]
    return tuple(sorted([*able, LOCAL_OWNER.actor])) if users else ()


def _within(key: Key, points: set[int], period: Interval | None) -> bool:
    if period is None or key[0] not in points:
        return False
    # A window that ends where the days begin that were judged would have moved on into them.
    touches = key[2] in ROLLING and key[4] == to_seconds(period.start)
    return touches or to_period(key[3], key[4]).overlaps(period)


def _is_decided(code: str, only: Collection[str]) -> bool:
    """Tell whether who looked again would have found it."""
    return code in only if only else code not in FOUND_ELSEWHERE


def resolve_those(unit: Unit, point: int, code: str, period: Interval, at: datetime) -> None:
    """Resolve the open findings of one code at a usage point, by key, over exactly a period: it was dealt with."""
    table = schema.finding
    there = (table.c.usage_point == point, table.c.code == code, table.c.resolved_at_us.is_(None))
    exactly = (table.c.start_s == to_seconds(period.start), table.c.end_s == to_seconds(period.end))
    unit.connection.execute(update(table).where(*there, *exactly).values(resolved_at_us=to_us(at)))


def _resolve(unit: Unit, numbers: Sequence[int], at_us: int) -> None:
    for part in parts_of(numbers):
        unit.connection.execute(update(schema.finding).where(is_one_of(part)).values(resolved_at_us=at_us))


def _reword(unit: Unit, open_now: Mapping[Key, Row[Any]], rows: Mapping[Key, Finding]) -> dict[str, int]:
    """Let what is open say what was found now, and return how many that changed, if any."""
    said = [(row, words_of(row, rows[key])) for key, row in open_now.items() if key in rows]
    other = [(row, values) for row, values in said if differs(row, values)]
    for row, values in other:
        unit.connection.execute(update(schema.finding).where(schema.finding.c.id == row.id).values(values))
    return {"reworded": len(other)} if other else {}


def _row(key: Key, finding: Finding, known_at_us: int) -> dict[str, Any]:
    return {
        **dict(zip(("usage_point", "reading_type", "code", "start_s", "end_s"), key, strict=True)),
        "severity": str(finding.severity),
        "message": finding.message,
        "slots": finding.slots,
        "fingerprint": seen_of(finding),
        "known_at_us": known_at_us,
    }


def _to_finding(row: Row[Any], kinds: dict[int, ReadingType]) -> Finding:
    return Finding(
        code=row.code,
        usage_point=row.point,
        period=to_period(row.start_s, row.end_s),
        severity=Severity(row.severity),
        message=row.message,
        reading_type=kinds[row.reading_type],
        slots=row.slots,
        fingerprint=row.fingerprint or "",
    )


def _to_stored(row: Row[Any], kinds: dict[int, ReadingType]) -> StoredFinding:
    return StoredFinding(
        id=row.id,
        finding=_to_finding(row, kinds),
        known_at=from_us(row.known_at_us),
        resolved_at=from_us_if(row.resolved_at_us),
        resolution=row.resolution or "",
        resolved_by=row.resolved_by or "",
        assigned_to=row.assigned_to or "",
        proposed_by=row.proposed_by or "",
        proposal=row.proposal or "",
        moved_wh=row.moved_wh,
    )
