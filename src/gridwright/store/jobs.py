"""Jobs: long work that waits, is taken by one worker, and tells how far it came."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, insert, select, update

from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.errors import AccessDenied, Conflict, NotFound
from gridwright.domain.job import Job, JobState
from gridwright.store.audit import note
from gridwright.store.instant import from_us, from_us_if, to_us, to_us_if
from gridwright.store.schema.work import job as table
from gridwright.store.session import Session, Unit

ENDED = frozenset({JobState.DONE, JobState.FAILED})
WORK = (Act.WRITE_READINGS, Act.WRITE_REGISTRY, Act.WRITE_BILLS, Act.CONTROL, Act.ADMINISTER)


class Jobs:
    """The queue of work, and what came of it."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, access: Access, job: Job) -> None:
        """Queue a job; the same again changes nothing, another of the same id is a Conflict."""
        act = _require_work(access)
        with self._session.writing(settled=False) as unit:
            found = unit.connection.execute(select(table).where(table.c.code == job.id)).first()
            if found is not None:
                if _asked(_to_job(found)) == _asked(job):
                    return
                raise Conflict(f"job {job.id} exists already and is another", remedy="use a new id")
            unit.connection.execute(insert(table).values(_row(job)))
            self._note(unit, access, act, job)

    def job(self, access: Access, code: str) -> Job:
        """Return one job; whoever sees a part of the town sees what they asked for themselves."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            found = _to_job(_find(unit, code))
        if access.points is not None and found.requested_by != access.actor:
            raise AccessDenied(f"{access.actor} may not see job {code}")
        return found

    def find(
        self, access: Access, *, states: Sequence[JobState] = (), kind: str | None = None, limit: int = 100
    ) -> list[Job]:
        """Return jobs, the newest first."""
        access.require(Act.READ)
        query = select(table).order_by(table.c.id.desc()).limit(limit)
        if access.points is not None:
            query = query.where(table.c.requested_by == access.actor)
        if states:
            query = query.where(table.c.state.in_([str(state) for state in states]))
        if kind is not None:
            query = query.where(table.c.kind == kind)
        with self._session.reading(settled=False) as unit:
            rows = unit.connection.execute(query).all()
        return [_to_job(row) for row in rows]

    def claim(self, access: Access, kinds: Sequence[str], now: datetime) -> Job | None:
        """Take the oldest job that waits, of some kinds; no other worker gets it. None when there is none."""
        act = _require_work(access)
        query = select(table).where(table.c.state == str(JobState.QUEUED), table.c.kind.in_(kinds))
        # SQLite has one writer; the servers' workers pass over what another one is taking.
        query = query.order_by(table.c.id).limit(1).with_for_update(skip_locked=True)
        with self._session.writing(settled=False) as unit:
            row = unit.connection.execute(query).first()
            if row is None:
                return None
            running = str(JobState.RUNNING)
            unit.connection.execute(update(table).where(table.c.id == row.id).values(state=running))
            note(unit, access, act, subject=f"job {row.code}", at=now, state=running, kind=row.kind)
            return _to_job(_find(unit, row.code))

    def save(self, access: Access, job: Job) -> None:
        """Keep how far a job came, or its end; one that has ended stays as it is."""
        act = _require_work(access)
        with self._session.writing(settled=False) as unit:
            old = _to_job(_find(unit, job.id, lock=True))
            if old == job:
                return
            if old.state in ENDED:
                raise Conflict(f"job {job.id} is {old.state} already", remedy="ask for a new one")
            if _asked(old) != _asked(job):
                raise Conflict(f"job {job.id}: what was asked for cannot be changed", remedy="ask for a new one")
            unit.connection.execute(update(table).where(table.c.code == job.id).values(_row(job)))
            if old.state is not job.state:
                self._note(unit, access, act, job)

    def requeue_running(self, access: Access, now: datetime) -> int:
        """Queue again what a worker was at when it died, and return how many; call it before the first claim."""
        act = _require_work(access)
        running, queued = str(JobState.RUNNING), str(JobState.QUEUED)
        with self._session.writing(settled=False) as unit:
            statement = update(table).where(table.c.state == running).values(state=queued, done=0, total=0)
            many = unit.connection.execute(statement).rowcount
            if many:
                note(unit, access, act, subject="jobs", at=now, requeued=many)
            return many

    def _note(self, unit: Unit, access: Access, act: Act, job: Job) -> None:
        at = job.ended or self._session.clock()
        detail = {"state": str(job.state), "kind": job.kind, "for": job.requested_by, "error": job.error}
        note(unit, access, act, subject=f"job {job.id}", at=at, **detail)


def _require_work(access: Access) -> Act:
    """Return the first act of change that the role allows; somebody who only looks cannot set work going."""
    allowed = [act for act in WORK if act in ALLOWED[access.role] and Act.READ in ALLOWED[access.role]]
    if not allowed or access.points is not None:
        raise AccessDenied(f"{access.actor} is a {access.role} and may not ask for work on the whole town")
    return allowed[0]


def _asked(job: Job) -> tuple[object, ...]:
    return (job.id, job.kind, job.requested_by, job.created, dict(job.request))


def _find(unit: Unit, code: str, *, lock: bool = False) -> Row[Any]:
    query: Select[Any] = select(table).where(table.c.code == code)
    row: Row[Any] | None = unit.connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"job {code!r} does not exist", remedy="see the list of jobs")
    return row


def _row(job: Job) -> dict[str, Any]:
    return {
        "code": job.id,
        "kind": job.kind,
        "requested_by": job.requested_by,
        "created_us": to_us(job.created),
        "request": json.dumps(dict(job.request), ensure_ascii=False, sort_keys=True),
        "state": str(job.state),
        "done": job.done,
        "total": job.total,
        "result": json.dumps(dict(job.result), ensure_ascii=False, sort_keys=True),
        "error": job.error,
        "ended_us": to_us_if(job.ended),
    }


def _to_job(row: Row[Any]) -> Job:
    return Job(
        id=row.code,
        kind=row.kind,
        requested_by=row.requested_by,
        created=from_us(row.created_us),
        request=json.loads(row.request),
        state=JobState(row.state),
        done=row.done,
        total=row.total,
        result=json.loads(row.result),
        error=row.error,
        ended=from_us_if(row.ended_us),
    )
