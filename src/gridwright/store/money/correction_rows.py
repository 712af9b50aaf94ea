"""Corrections as rows and back: both sides of each line and the reason as JSON; and which row stood at an instant."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from gridwright.domain.bill import Bill
from gridwright.domain.correction import (
    Correction,
    CorrectionState,
    line_from_dict,
    line_to_dict,
    reason_from_dict,
    reason_to_dict,
)
from gridwright.domain.errors import StoreCorrupt
from gridwright.store.instant import from_us, from_us_if, to_us
from gridwright.store.money.turns import content_of

# In the detail of a row: as what it was opened, and from when to when others had taken its place, in microseconds.
OPENED, AWAY = "opened", "away"


def stood(row: Row[Any], later: Sequence[Row[Any]], as_of: datetime) -> bool:
    """Tell whether a correction was there at an instant, and not replaced by another one of its bill."""
    moment = to_us(as_of)
    away = json.loads(row.detail).get(AWAY, [])
    if row.known_at_us > moment or any(gone <= moment < again for gone, again in away):
        return False
    if row.state != CorrectionState.REPLACED:
        return True
    gone = row.cancelled_at_us
    if gone is None:  # from before it was written down: the next one took its place
        gone = min((each.known_at_us for each in later), default=row.known_at_us)
    return bool(moment < gone)


def as_known(row: Row[Any], as_of: datetime) -> Correction:
    """Return a correction as it was at an instant."""
    correction = to_correction(row)
    opened = CorrectionState(json.loads(row.detail).get(OPENED, CorrectionState.DRAFT))
    state, number, issued_at, cancelled_at = (
        correction.state,
        correction.number,
        correction.issued_at,
        correction.cancelled_at,
    )
    if state is CorrectionState.REPLACED or (cancelled_at is not None and cancelled_at > as_of):
        state, cancelled_at = (CorrectionState.ISSUED if issued_at else opened), None
    if issued_at is not None and issued_at > as_of:
        state, number, issued_at = opened, None, None
    return replace(correction, state=state, number=number, issued_at=issued_at, cancelled_at=cancelled_at)


def correction_row(correction: Correction) -> dict[str, Any]:
    """Return the columns of a correction, without its bill, usage point and postings."""
    detail = {
        "base_key": correction.base_key,
        "now": correction.now.to_dict(),
        "lines": [line_to_dict(line) for line in correction.lines],
        "reason": reason_to_dict(correction.reason),
        OPENED: str(correction.state),
    }
    return {
        "code": correction.id,
        "key": correction.key,
        "kind": str(correction.kind),
        "state": str(correction.state),
        "currency": correction.currency,
        "total": str(correction.total),
        "usage_hash": correction.now.usage_hash,
        "cascade": correction.cascade,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
        "known_at_us": to_us(correction.known_at),
    }


def to_correction(row: Row[Any]) -> Correction:
    """Return the correction; a total that does not follow from the stored lines is StoreCorrupt."""
    detail = json.loads(row.detail)
    found = Correction(
        id=row.code,
        key=content_of(row.key),
        bill=row.bill_code,
        bill_number=row.bill_number,
        base_key=detail["base_key"],
        now=Bill.from_dict(detail["now"]),
        lines=tuple(line_from_dict(line) for line in detail["lines"]),
        known_at=from_us(row.known_at_us),
        reason=reason_from_dict(detail["reason"]),
        cascade=row.cascade,
        state=CorrectionState(row.state),
        number=row.number,
        issued_at=from_us_if(row.issued_at_us),
        cancelled_at=from_us_if(row.cancelled_at_us),
        order=row.id,
    )
    if str(found.total) != row.total:
        raise StoreCorrupt(
            f"correction {row.code}: the stored total does not follow from its lines",
            remedy="someone has changed the database from outside; compare it with a backup",
        )
    return found
