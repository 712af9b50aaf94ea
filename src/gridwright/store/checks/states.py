"""States looked at: each is one that there is, or nobody would know what may follow it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row, Table, func, select

from gridwright.domain.bill import BillState
from gridwright.domain.control import ControlState
from gridwright.domain.correction import CorrectionState
from gridwright.domain.device import LinkState
from gridwright.domain.edit import EditState
from gridwright.domain.finding import Severity
from gridwright.domain.job import JobState
from gridwright.domain.program import EventState
from gridwright.store import schema
from gridwright.store.archive.archive import ARCHIVED, DROPPED, DROPPING, RESTORING
from gridwright.store.checks.checks import Finder
from gridwright.store.schema import field, flow, trust, work
from gridwright.store.session import Unit

# Of a table: what tells its rows apart, and the states that they may have.
STATES: tuple[tuple[Table, str, str, Iterable[str]], ...] = (
    (schema.bill, "code", "state", BillState),
    (trust.correction, "code", "state", CorrectionState),
    (trust.edit, "code", "state", EditState),
    (work.program_event, "code", "state", EventState),
    (work.job, "code", "state", JobState),
    (field.end_device_control, "code", "state", ControlState),
    (field.control_step, "control", "state", ControlState),
    (field.device_link, "serial", "state", LinkState),
    (schema.finding, "id", "severity", Severity),
    (flow.archive_part, "month", "state", (ARCHIVED, DROPPING, DROPPED, RESTORING)),
)


def check_states(unit: Unit) -> Finder:
    """Look for states that there are not."""
    finder = Finder("states")
    for table, name, column, states in STATES:
        finder.looked_at += 1
        known = [str(state) for state in states]
        for row in _unknown(unit, table, name, column, known):
            finder.fault(
                f"{table.name} {row.first}: {row.state!r} is no {column} ({', '.join(known)}), in {row.many} rows"
            )
    return finder


def _unknown(unit: Unit, table: Table, name: str, column: str, known: Sequence[str]) -> Sequence[Row[Any]]:
    state, first = table.c[column], func.min(table.c[name]).label("first")
    query = select(state.label("state"), func.count().label("many"), first).where(state.not_in(known))
    return unit.connection.execute(query.group_by(state).order_by(state)).all()
