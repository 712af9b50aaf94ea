"""Events and performances as rows, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select

from gridwright.domain.program import Event, EventState, Performance
from gridwright.store import schema
from gridwright.store.instant import from_us_if, to_period, to_seconds, to_us_if
from gridwright.store.names import FEW
from gridwright.store.schema.work import event_target
from gridwright.store.session import Unit


def event_row(event: Event) -> dict[str, Any]:
    """Return the columns of an event, without its targets."""
    return {
        "code": event.id,
        "program": event.program,
        "start_s": to_seconds(event.period.start),
        "end_s": to_seconds(event.period.end),
        "state": str(event.state),
        "signal": event.signal,
        "notified_us": to_us_if(event.notified),
    }


def to_events(unit: Unit, rows: Sequence[Row[Any]]) -> list[Event]:
    """Return the events of some rows, in their order, with every target."""
    targets, out = _targets(unit, [row.id for row in rows])
    return [
        Event(
            id=row.code,
            program=row.program,
            period=to_period(row.start_s, row.end_s),
            targets=tuple(targets.get(row.id, ())),
            state=EventState(row.state),
            opted_out=tuple(code for _, code in sorted(out.get(row.id, ()))),
            signal=row.signal,
            notified=from_us_if(row.notified_us),
        )
        for row in rows
    ]


def _targets(unit: Unit, numbers: Sequence[int]) -> tuple[dict[int, list[str]], dict[int, list[tuple[int, str]]]]:
    """Return by event the targets in order, and those that opted out with their place."""
    target, point = event_target, schema.usage_point
    query = select(target, point.c.code).join(point, point.c.id == target.c.usage_point)
    query = query.order_by(target.c.event, target.c.position)
    targets: dict[int, list[str]] = {}
    out: dict[int, list[tuple[int, str]]] = {}
    for at in range(0, len(numbers), FEW):
        for row in unit.connection.execute(query.where(target.c.event.in_(numbers[at : at + FEW]))):
            targets.setdefault(row.event, []).append(row.code)
            if row.opted_out is not None:
                out.setdefault(row.event, []).append((row.opted_out, row.code))
    return targets, out


def performance_row(each: Performance, point: int) -> dict[str, Any]:
    """Return the columns of a performance, without its event and when it became known."""
    detail = {
        "days": [day.isoformat() for day in each.days],
        "rule": each.rule,
        "usage_hash": each.usage_hash,
        "note": each.note,
    }
    return {
        "usage_point": point,
        "baseline_kwh": str(each.baseline_kwh),
        "actual_kwh": str(each.actual_kwh),
        "payment": str(each.payment),
        "currency": each.currency,
        "adjustment": each.adjustment,
        "detail": json.dumps(detail, ensure_ascii=False, sort_keys=True),
    }


def to_performance(row: Row[Any]) -> Performance:
    """Return what one usage point delivered."""
    detail = json.loads(row.detail)
    return Performance(
        event=row.event_code,
        usage_point=row.point,
        baseline_kwh=Decimal(row.baseline_kwh),
        actual_kwh=Decimal(row.actual_kwh),
        payment=Decimal(row.payment),
        currency=row.currency,
        adjustment=row.adjustment,
        days=tuple(date.fromisoformat(day) for day in detail["days"]),
        rule=detail["rule"],
        usage_hash=detail["usage_hash"],
        note=detail["note"],
    )
