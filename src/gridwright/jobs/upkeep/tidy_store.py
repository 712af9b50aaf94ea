"""Tidy the store: drop what has done its service, so that it does not grow by what nobody will ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.store import Store

# Computed anew every few minutes; what was billed, settled or switched is not among them and is kept for ever.
PASSING = ("forecast", "plan", "fleet", "grid-balance")


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept; None = for ever. `findings`: that resolved themselves; `quarantine`: see the store."""

    outlooks: timedelta
    findings: timedelta | None = None
    quarantine: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many kept answers, outlooks, findings and readings in quarantine were dropped."""

    answers: int
    outlooks: int
    findings: int
    quarantine: int


def tidy_store(store: Store, access: Access, *, now: datetime, keep: Keep) -> Tidied:
    """Drop answers to repeated requests after a day, and what else is older than it is kept; run again, nothing."""
    forget = store.retention
    return Tidied(
        store.answers.forget_old(access, now),
        store.outlooks.forget(access, PASSING, before=now - keep.outlooks),
        0 if keep.findings is None else forget.forget_findings(access, before=now - keep.findings),
        0 if keep.quarantine is None else forget.forget_quarantine(access, before=now - keep.quarantine),
    )
