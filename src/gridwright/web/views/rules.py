"""The history of rules on a page: one row a set, with what it changed, group by group."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from gridwright.jobs.cascade.adopt_rules import SHORT
from gridwright.jobs.cascade.rule_history import RuleStep

NOT_RECORDED = "not recorded"


def step_row(step: RuleStep) -> dict[str, Any]:
    """Return what the page shows of rules that came into force."""
    period = step.period
    groups: dict[str, list[str]] = defaultdict(list)
    for change in step.changes or ():
        groups[change.group].append(str(change))
    return {
        "from": period.since.isoformat(),
        "to": period.until.isoformat() if period.until else None,
        "version": period.version,
        "digest": period.digest,
        "short": period.digest[:SHORT],
        "source": NOT_RECORDED if period.source is None else period.source or "packaged",
        "by": step.by or NOT_RECORDED,
        "first": step.changes is None,
        "changes": [each.to_dict() for each in step.changes or ()],
        "groups": [{"group": name, "changes": told} for name, told in groups.items()],
        "note": step.note,
    }
