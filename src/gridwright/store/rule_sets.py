"""Rule sets: by which rules readings were judged, and from when to when. Contents and periods are kept for ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, insert, select

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import NotFound
from gridwright.store.audit import note
from gridwright.store.instant import from_us, from_us_if, to_us
from gridwright.store.schema import audit_record as audit
from gridwright.store.schema.trust import rule_period as period_table
from gridwright.store.schema.trust import rule_set as table
from gridwright.store.session import Session, Unit

SUBJECT = "validation rules"
# The audit has no index of subjects: its numbers, which have no gap, are searched by their time.
CLOCKS_DIFFER, NEAR = timedelta(minutes=1), 5000


@dataclass(frozen=True, slots=True)
class StoredRules:
    """A set of rules: `text` holds every group as it was resolved, as JSON; `known_at`: when it was first in force.

    `source`: the file that it was read from, empty for the packaged rules, None where nobody has recorded it.
    """

    digest: str
    name: str
    version: str
    text: str
    known_at: datetime
    source: str | None = ""


@dataclass(frozen=True, slots=True)
class RulePeriod:
    """From when to when a set of rules was in force, with the version and source that it had then; None: it is now."""

    since: datetime
    until: datetime | None
    digest: str
    version: str
    source: str | None

    def holds(self, at: datetime) -> bool:
        """Tell whether these were the rules at an instant."""
        return self.since <= at and (self.until is None or at < self.until)


class RuleSets:
    """The rule sets that were ever in force, and when."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def save(self, access: Access, rules: StoredRules) -> bool:
        """Put a set of rules in force and tell whether others were before; those in force already change nothing.

        The same rules under another version begin a period of their own, and are no others.
        """
        access.require(Act.WRITE_READINGS)
        with self._session.writing() as unit:
            latest = select(period_table).order_by(period_table.c.since_us.desc()).limit(1)
            before = unit.connection.execute(latest).first()
            if before is not None and (before.digest, before.version) == (rules.digest, rules.version):
                return False
            # Two that are adopted at one moment follow each other all the same.
            at_us = max(to_us(rules.known_at), before.since_us + 1 if before else 0)
            self._keep(unit, rules, at_us)
            row = {"digest": rules.digest, "version": rules.version, "source": rules.source}
            unit.connection.execute(insert(period_table).values(since_us=at_us, **row))
            at = self._session.clock()
            note(unit, access, Act.WRITE_READINGS, subject=SUBJECT, at=at, rules=rules.digest)
            return before is None or before.digest != rules.digest

    def _keep(self, unit: Unit, rules: StoredRules, at_us: int) -> None:
        """Keep the content of a set that was never in force before."""
        if unit.connection.execute(select(table.c.digest).where(table.c.digest == rules.digest)).first() is None:
            row = {"digest": rules.digest, "name": rules.name, "version": rules.version, "text": rules.text}
            unit.connection.execute(insert(table).values({**row, "known_at_us": at_us}))

    def history(self, access: Access) -> list[RulePeriod]:
        """Return when which rules were in force, the earliest first; the last are in force now."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(select(period_table).order_by(period_table.c.since_us)).all()
        ends = [*(row.since_us for row in rows[1:]), None][: len(rows)]
        return [
            RulePeriod(from_us(row.since_us), from_us_if(end), row.digest, row.version, row.source)
            for row, end in zip(rows, ends, strict=True)
        ]

    def adopted_by(self, access: Access, periods: Sequence[RulePeriod]) -> list[str]:
        """Return who put each of some sets of rules in force; empty where no audit record of that time tells it."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            return [self._adopter(unit, each) for each in periods]

    def _adopter(self, unit: Unit, period: RulePeriod) -> str:
        first = _first_since(unit, to_us(period.since - CLOCKS_DIFFER))
        near = select(audit.c.actor, audit.c.detail).where(audit.c.number >= first, audit.c.number < first + NEAR)
        mine = near.where(audit.c.subject == SUBJECT).order_by(audit.c.number)
        told = ((row.actor, json.loads(row.detail)) for row in unit.connection.execute(mine))
        return next((actor for actor, detail in told if detail.get("rules") == period.digest), "")

    def in_force(self, access: Access, at: datetime) -> RulePeriod | None:
        """Return the rules by which readings were judged at an instant, None before the first."""
        return next((each for each in self.history(access) if each.holds(at)), None)

    def content(self, access: Access, digest: str) -> StoredRules:
        """Return a set of rules that was in force, by its digest or the beginning of it; others are NotFound."""
        access.require(Act.READ)
        begins = select(table).where(table.c.digest.startswith(digest, autoescape=True)).limit(2)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(begins).all()
        if len(rows) != 1 or not digest:
            what = "several sets of rules have digests that begin" if len(rows) > 1 else "no set of rules has a digest"
            raise NotFound(
                f"{what} {'with' if len(rows) > 1 else 'that begins with'} {digest!r}",
                remedy="gridwright vee history lists those that were ever in force",
            )
        (row,) = rows
        return StoredRules(row.digest, row.name, row.version, row.text, from_us(row.known_at_us))


def _first_since(unit: Unit, at_us: int) -> int:
    """Return the number of the first audit record from an instant on."""
    low, high = 1, int(unit.connection.execute(select(func.max(audit.c.number))).scalar() or 0) + 1
    while low < high:
        middle = (low + high) // 2
        there = unit.connection.execute(select(audit.c.at_us).where(audit.c.number == middle)).scalar()
        low, high = (low, middle) if there is not None and there >= at_us else (middle + 1, high)
    return low
