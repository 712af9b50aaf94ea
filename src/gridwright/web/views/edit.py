"""An edit on a page: what it moves, what stood there, and who may do what about it."""

from __future__ import annotations

from typing import Any

from gridwright.domain.access import ALLOWED, Access, Act
from gridwright.domain.edit import Edit, EditState
from gridwright.jobs.meters.edit_readings import EditPolicy, per_unit
from gridwright.vee.chunk import amount

TONES = {EditState.APPLIED: "good", EditState.REJECTED: "bad", EditState.WITHDRAWN: "doubt"}
LISTED = 200


def edit_row(edit: Edit) -> dict[str, Any]:
    """Return one edit as JSON."""
    return {
        "id": edit.id,
        "usage_point": edit.usage_point,
        "reading_type": edit.reading_type.code,
        "from": edit.period.start.isoformat(),
        "to": edit.period.end.isoformat(),
        "state": str(edit.state),
        "tone": TONES.get(edit.state, "none"),
        "author": edit.author,
        "reason": edit.reason,
        "evidence": edit.evidence,
        "created": edit.created.isoformat(),
        "decided_by": edit.decided_by,
        "decided": edit.decided.isoformat() if edit.decided else None,
        "approved_by": edit.approved_by,
        "approved": edit.approved.isoformat() if edit.approved else None,
        "note": edit.note,
        "intervals": len(edit.values),
        "adds": amount(edit.difference, edit.reading_type),
        "moves": amount(edit.moved, edit.reading_type),
    }


def value_rows(edit: Edit) -> list[dict[str, Any]]:
    """Return each interval with what stood there and what is put in place."""
    unit = per_unit(edit.reading_type)
    pairs = zip(edit.before, edit.values, strict=True)
    return [
        {
            "at": (edit.period.start + edit.interval * slot).isoformat(),
            "before": None if old is None else old / unit,
            "after": new / unit,
            "changes": old != new,
        }
        for slot, (old, new) in enumerate(pairs)
    ]


def decisions(edit: Edit, access: Access, policy: EditPolicy) -> dict[str, Any]:
    """Tell whether whoever looks may approve, reject or withdraw it, and if not, why."""
    allowed = Act.WRITE_READINGS in ALLOWED[access.role]
    own, waiting = edit.author == access.actor, edit.state is EditState.PROPOSED
    why = ""
    if waiting and not allowed:
        why = f"Your role, {access.role}, may not edit readings."
    elif waiting and own:
        why = f"You made it, and it {policy.why_not_alone(edit)}: a second person must approve it."
    return {
        "may_approve": waiting and allowed and not own,
        "may_reject": waiting and allowed and not own,
        "may_withdraw": allowed
        and ((waiting and own) or (edit.state is EditState.APPLIED and edit.may_take_back(access.actor))),
        "why_not": why,
    }
