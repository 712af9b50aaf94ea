"""The history of the rules of validation: who put which in force, from when to when, and what differed from before."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from gridwright.domain.access import Access
from gridwright.jobs.cascade.adopt_rules import version_note
from gridwright.store import Store
from gridwright.store.rule_sets import RulePeriod
from gridwright.vee.rule_changes import RuleChange, rule_changes


@dataclass(frozen=True, slots=True)
class RuleStep:
    """Rules that came into force: when and by whom (empty: not on record), and how they differ from those before.

    `changes` None: there were none before. `note`: what is doubtful about their version.
    """

    period: RulePeriod
    by: str
    changes: tuple[RuleChange, ...] | None
    note: str = ""


def rule_history(store: Store, access: Access, *, newest: int | None = None) -> list[RuleStep]:
    """Return the newest steps of the history, or all, the last one first."""
    told = store.rule_sets.history(access)
    shown = told[-newest:] if newest else told
    before = told[-len(shown) - 1] if len(told) > len(shown) else None
    contents = _contents(store, access, [*([before] if before else []), *shown])
    chain: list[RulePeriod | None] = [before, *shown]
    changes = [
        None if old is None else tuple(rule_changes(contents[old.digest], contents[new.digest]))
        for old, new in pairwise(chain)
        if new is not None
    ]
    notes = [version_note(told, each.digest, each.version, each.source) for each in shown]
    people = store.rule_sets.adopted_by(access, shown)
    return [RuleStep(*each) for each in zip(shown, people, changes, notes, strict=True)][::-1]


def _contents(store: Store, access: Access, periods: Sequence[RulePeriod]) -> dict[str, Any]:
    digests = dict.fromkeys(each.digest for each in periods)
    return {digest: json.loads(store.rule_sets.content(access, digest).text) for digest in digests}
