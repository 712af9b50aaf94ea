"""Edits as tests make them: agreed, carried through, and taken back; and rules that differ from the packaged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.jobs.cascade.correct import correct
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.edit_readings import EditPolicy, EditWish, approve_edit, propose_edit, withdraw_edit
from gridwright.store import Store

SECOND = Access("bea", Role.ADMIN)
SITE, FREE = SiteDefaults(), EditPolicy(1e6)
STRICT = """
version = "2"

[[group]]
name = "strict"
extends = "residential"

[group.rules.V17_stuck]
hours = 5
"""


def edit(
    store: Store,
    point: str,
    period: Interval,
    values: Sequence[float],
    *,
    now: datetime,
    kind: ReadingType = DELIVERED_ENERGY,
) -> Edit:
    """Put values, in people's units, in place of readings, and carry that through."""
    wish = EditWish(point, period, "agreed", values=list(values), reading_type=kind)
    made = propose_edit(store, LOCAL_OWNER, wish, policy=FREE, now=now)
    if made.state is EditState.PROPOSED:
        made = approve_edit(store, SECOND, made.id, now=now)
    correct(store, LOCAL_OWNER, SITE, now=now)
    return made


def take_back(store: Store, made: Edit, *, now: datetime) -> None:
    """Withdraw an edit, and carry that through."""
    withdraw_edit(store, SECOND, made.id, reason="misread", now=now)
    correct(store, LOCAL_OWNER, SITE, now=now)
