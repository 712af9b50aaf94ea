"""What waits in the database and how fast it grows, counted by the database itself."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Table, case, func, select, text

from gridwright.domain.access import Access, Act
from gridwright.domain.job import JobState
from gridwright.store import schema
from gridwright.store.field.waiting_events import WAITS
from gridwright.store.instant import from_us
from gridwright.store.schema.field import quarantined_reading
from gridwright.store.schema.trust import rerate
from gridwright.store.schema.work import job
from gridwright.store.session import Session, Unit

NOW = {"postgresql": "SELECT clock_timestamp()", "mysql": "SELECT UTC_TIMESTAMP(6)"}


@dataclass(frozen=True, slots=True)
class Backlog:
    """How much waits, and since when the oldest (None: nothing, or not known). `failed_jobs`: of all that are kept."""

    dirty: int
    rerates: int
    oldest_rerate: datetime | None
    quarantined: int
    quarantined_meters: int
    waiting_events: int
    jobs: int
    oldest_job: datetime | None
    failed_jobs: int


@dataclass(frozen=True, slots=True)
class Growth:
    """Readings there are, and how many more come each day at the pace of their series."""

    readings: int
    per_day: float


class Backlogs:
    """What waits."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, access: Access) -> Backlog:
        """Count what waits to be done."""
        access.require(Act.ADMINISTER)
        waiting = job.c.state.in_((str(JobState.QUEUED), str(JobState.RUNNING)))
        claimed = quarantined_reading.c.claimed_us
        with self._session.reading() as unit:
            run = unit.connection.execute
            rerates, since = run(select(func.count(), func.min(rerate.c.known_at_us)).select_from(rerate)).one()
            lost = select(func.count(), func.count(quarantined_reading.c.meter.distinct())).where(claimed.is_(None))
            quarantined, meters = run(lost).one()
            jobs, oldest = run(select(func.count(), func.min(job.c.created_us)).where(waiting)).one()
            failed = run(select(func.count()).where(job.c.state == str(JobState.FAILED))).scalar_one()
            return Backlog(
                _many(unit, schema.dirty_range),
                int(rerates),
                None if since is None else from_us(int(since)),
                int(quarantined),
                int(meters),
                int(run(select(func.count()).where(WAITS)).scalar_one()),
                int(jobs),
                None if oldest is None else from_us(int(oldest)),
                int(failed),
            )

    def growth(self, access: Access) -> Growth:
        """Tell how many readings there are, and about how many come in a day."""
        access.require(Act.ADMINISTER)
        table = schema.series
        days = case((table.c.last_day > table.c.first_day, table.c.last_day - table.c.first_day), else_=1)
        with self._session.reading() as unit:
            # Series that ended long ago do not grow.
            newest = unit.connection.execute(select(func.max(table.c.last_day))).scalar() or 0
            rate = func.sum(case((table.c.last_day >= newest - 7, table.c.readings * 1.0 / days), else_=0.0))
            readings, per_day = unit.connection.execute(select(func.sum(table.c.readings), rate)).one()
        return Growth(int(readings or 0), float(per_day or 0.0))

    def clock(self, access: Access) -> datetime | None:
        """Return what time the database server has; None where the database is a file."""
        access.require(Act.ADMINISTER)
        with self._session.reading() as unit:
            statement = NOW.get(unit.dialect)
            found = None if statement is None else unit.connection.execute(text(statement)).scalar_one()
        if found is None:
            return None
        moment: datetime = found
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _many(unit: Unit, table: Table) -> int:
    return int(unit.connection.execute(select(func.count()).select_from(table)).scalar_one())
