"""Tidy the store: drop what has done its service, so that it does not grow by what nobody will ask for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from gridwright.domain.access import Access
from gridwright.store import Store

# Computed anew every few minutes; what was billed, settled or switched is not among them and is kept for ever.
PASSING = ("forecast", "plan", "fleet", "grid-balance")


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many kept answers and outlooks were dropped."""

    answers: int
    outlooks: int


def tidy_store(store: Store, access: Access, *, now: datetime, keep: timedelta) -> Tidied:
    """Drop answers to repeated requests after a day, and superseded outlooks after `keep`; the newest ones stay."""
    return Tidied(
        store.answers.forget_old(access, now),
        store.outlooks.forget(access, PASSING, before=now - keep),
    )
