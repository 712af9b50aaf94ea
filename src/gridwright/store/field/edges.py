"""Edges: how far each stream of an edge is durable, in the same transaction as its readings, and how the edge is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, case, delete, insert, select, update

from gridwright.domain.access import Access, Act, Role
from gridwright.domain.edge import JITTER, TOGETHER, EdgeReport, EdgeRun, EdgeStream, at_once
from gridwright.domain.errors import AccessDenied, Conflict
from gridwright.store.audit import note
from gridwright.store.instant import from_us, from_us_if, to_us, to_us_if
from gridwright.store.schema.flow import edge_stream as table
from gridwright.store.session import Session, Unit

MS = timedelta(milliseconds=1)
# An epoch that ended so long ago, and before so many others, never comes again. The clock alone does not tell: where
# it jumped ahead for a moment, numbers that the edge still has would be unknown, and told as lost.
FORGOTTEN, KEPT = timedelta(days=400), 1_000
SHOWN = 50  # ranges of lost numbers in one audit record


class Left(msgspec.Struct, frozen=True):
    """What the last batch left beside the numbers: who sent it, and the verdicts (JSON as it came)."""

    run: tuple[str, str, int] | None = None  # token, place, first heard in microseconds
    verdicts: msgspec.Raw = msgspec.Raw(b"[]")


class Edges:
    """The streams of all edges."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def stream(self, access: Access, edge: str, epoch: str) -> EdgeStream | None:
        """Return one epoch of an edge, None where it is new; an edge of somebody else's is AccessDenied."""
        access.require(Act.WRITE_READINGS)
        with self._session.reading(settled=False) as unit:
            _require_own(unit, access, edge)
            row = unit.connection.execute(select(table).where(*_key(edge, epoch))).first()
        return None if row is None else _to_stream(row)

    def advance(
        self,
        access: Access,
        stream: EdgeStream,
        *,
        after: int,
        gone: Sequence[tuple[int, int]] = (),
        until: datetime | None = None,
    ) -> None:
        """Save a stream that stood at `after` (0 also where it is new); call it in its readings' transaction.

        Where it stands elsewhere meanwhile it is a Conflict, so that nothing is applied twice. A new epoch, and numbers
        that were lost, are audited; `gone`: which these are, as ranges; `until`: when the last of them came in,
        where we had acknowledged them and lack them since we were restored.
        """
        access.require(Act.WRITE_READINGS)
        edge = f"edge {stream.edge}"
        with self._session.writing(settled=False) as unit:
            _require_own(unit, access, stream.edge)
            found = unit.connection.execute(select(table).where(*_key(stream.edge, stream.epoch))).first()
            at, lost = (0, 0) if found is None else (found.sequence, found.lost)
            if at != after:
                raise Conflict(
                    f"epoch {stream.epoch} stands at {at}, not at {after}", where=edge, remedy=f"go on with {at + 1}"
                )
            if found is None:
                unit.connection.execute(insert(table).values(_row(stream)))
                self._forget_old(unit, stream)
                note(unit, access, Act.WRITE_READINGS, subject=edge, at=stream.last, epoch=stream.epoch)
            else:
                change = update(table).where(*_key(stream.edge, stream.epoch), table.c.sequence == after)
                if not unit.connection.execute(change.values(_row(stream))).rowcount:
                    raise Conflict(f"epoch {stream.epoch} has moved on", where=edge, remedy="ask where it stands")
            if stream.lost > lost:
                since = None if found is None else from_us(found.last_us)
                told = {"epoch": stream.epoch, "lost": stream.lost - lost, **_which(gone, since, until)}
                note(unit, access, Act.WRITE_READINGS, subject=edge, at=stream.last, **told)

    def runs(self, access: Access, edge: str) -> list[EdgeRun]:
        """Return the processes that were heard of late under an edge's name, as its streams tell of them."""
        access.require(Act.WRITE_READINGS)
        lately = table.c.last_us >= to_us(self._session.clock() - TOGETHER)
        with self._session.reading(settled=False) as unit:
            _require_own(unit, access, edge)
            rows = unit.connection.execute(select(table).where(table.c.edge == edge, lately)).all()
        return [stream.run for stream in map(_to_stream, rows) if stream.run is not None]

    def latest(self, access: Access) -> list[EdgeStream]:
        """Return the newest epoch of each edge by name, with the sums over all; for whoever sees all points."""
        access.require(Act.READ)
        if access.points is not None:
            raise AccessDenied(f"{access.actor} may see only their own usage points")
        # What lies in the future was written while the clock was ahead: it is older than all that came since.
        sane = case((table.c.last_us > to_us(self._session.clock() + JITTER), 0), else_=1)
        query = select(table).order_by(table.c.edge, sane, table.c.last_us, table.c.first_us)
        newest: dict[str, EdgeStream] = {}
        runs: dict[str, list[EdgeRun]] = {}
        with self._session.reading(settled=False) as unit:
            for row in unit.connection.execute(query):
                stream, before = _to_stream(row), newest.get(row.edge)
                newest[row.edge] = stream if before is None else _summed(before, stream)
                runs.setdefault(row.edge, []).extend([] if stream.run is None else [stream.run])
        now = self._session.clock()
        return [
            replace(stream, shared_by=tuple(run.place for run in at_once(runs[edge], now)))
            for edge, stream in newest.items()
        ]

    def _forget_old(self, unit: Unit, stream: EdgeStream) -> None:
        ours = table.c.edge == stream.edge
        ends = select(table.c.last_us).where(ours).order_by(table.c.last_us.desc()).offset(KEPT).limit(1)
        newest_too_many = unit.connection.execute(ends).scalar()
        if newest_too_many is not None:
            old = min(newest_too_many, to_us(stream.last - FORGOTTEN) - 1)
            unit.connection.execute(delete(table).where(ours, table.c.last_us <= old))


def _which(
    gone: Sequence[tuple[int, int]], since: datetime | None, until: datetime | None
) -> dict[str, str | float | None]:
    """Tell numbers, and where we had them once, between what we still have of the epoch and what they ended with."""
    told: dict[str, str | float | None] = {"numbers": _ranges(gone)} if gone else {}
    if until is not None:
        told |= {"since": None if since is None else since.isoformat(), "until": until.isoformat()}
    return told


def _ranges(gone: Sequence[tuple[int, int]]) -> str:
    shown = ", ".join(f"{first}-{last}" for first, last in gone[:SHOWN])
    return shown + (f" and {len(gone) - SHOWN} ranges more" if len(gone) > SHOWN else "")


def _key(edge: str, epoch: str) -> tuple[Any, Any]:
    return table.c.edge == edge, table.c.epoch == epoch


def _require_own(unit: Unit, access: Access, edge: str) -> None:
    """Let only its owner speak for an edge: whoever used the name first, or an administrator."""
    owner = unit.connection.execute(select(table.c.actor).where(table.c.edge == edge).limit(1)).scalar()
    if owner is not None and owner != access.actor and access.role is not Role.ADMIN:
        raise AccessDenied(
            f"the edge {edge} belongs to {owner}, not to {access.actor}", remedy="give the edge another name"
        )


def _summed(before: EdgeStream, stream: EdgeStream) -> EdgeStream:
    return replace(
        stream,
        first=min(before.first, stream.first),
        readings=before.readings + stream.readings,
        rejected=before.rejected + stream.rejected,
        lost=before.lost + stream.lost,
    )


def _row(stream: EdgeStream) -> dict[str, Any]:
    report = stream.report
    return {
        "edge": stream.edge,
        "epoch": stream.epoch,
        "actor": stream.actor,
        "sequence": stream.sequence,
        "readings": stream.readings,
        "rejected": stream.rejected,
        "lost": stream.lost,
        "first_us": to_us(stream.first),
        "last_us": to_us(stream.last),
        "clock_ahead_ms": report.clock_ahead // MS,
        "waiting": report.waiting,
        "dropped": report.dropped,
        "oldest_us": to_us_if(report.oldest),
        "verdicts": _left(stream),
    }


def _left(stream: EdgeStream) -> str:
    """Return what a stream's last batch left: its verdicts alone, where nobody said who sent it."""
    run = stream.run
    if run is None:
        return stream.verdicts
    verdicts = msgspec.Raw(stream.verdicts.encode())
    return msgspec.json.encode(Left((run.token, run.place, to_us(run.first)), verdicts)).decode()


def _to_stream(row: Row[Any]) -> EdgeStream:
    report = EdgeReport(row.clock_ahead_ms * MS, row.waiting, row.dropped, from_us_if(row.oldest_us))
    last, run, verdicts = from_us(row.last_us), None, row.verdicts
    if verdicts.startswith("{"):
        left = msgspec.json.decode(verdicts, type=Left)
        verdicts = bytes(left.verdicts).decode()
        run = None if left.run is None else EdgeRun(*left.run[:2], from_us(left.run[2]), last)
    return EdgeStream(
        row.edge,
        row.epoch,
        row.actor,
        from_us(row.first_us),
        last,
        row.sequence,
        row.readings,
        row.rejected,
        row.lost,
        report,
        verdicts,
        run,
    )
