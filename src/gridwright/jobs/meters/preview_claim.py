"""What claiming an unknown meter would do: which readings move in, and which meter it would end."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.usage_point import Installation
from gridwright.jobs.meters.claim_meter import ClaimedMeter, claim_meter, none_waits
from gridwright.jobs.meters.claimed_place import MeterClaim, place_of
from gridwright.jobs.meters.waiting_meters import waiting_meter
from gridwright.store import Store


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """How many readings wait, from when to when, and how many of them would move in.

    `place`: the installation they would move into, `new` where it would begin with the claim; `ends`: the meter that
    hangs there now, and would be taken down. `own`: they are the usage point's own, and no meter is installed.
    `notes`: what would stay out, and why.
    """

    waiting: int
    first: datetime
    last: datetime
    moving: int
    place: Installation
    new: bool
    ends: str = ""
    own: bool = False
    notes: tuple[str, ...] = ()


class _LookedAtError(Exception):
    """Ends a transaction that was only looked at, so that nothing of it is recorded."""


def preview_claim(store: Store, access: Access, claim: MeterClaim, *, now: datetime) -> ClaimSeen:
    """Look at a claim without recording anything; what could not be claimed is refused as the claim would be."""
    access.require(Act.WRITE_REGISTRY, claim.usage_point)
    store.registry.point(access, claim.usage_point)
    waiting = waiting_meter(store, access, claim.meter)
    if waiting is None:
        raise none_waits(store, access, claim.meter)
    found = place_of(store, access, claim, waiting.first)
    seen = ClaimSeen(waiting.readings, waiting.first, waiting.last, 0, found.place, found.new, found.ends, found.own)
    if waiting_meter(store, access, claim.meter, within=None if found.own else found.within) is None:
        return seen
    done = _tried(store, access, claim, now)
    return replace(seen, moving=done.moved, place=done.installation or found.place, notes=done.notes)


def _tried(store: Store, access: Access, claim: MeterClaim, now: datetime) -> ClaimedMeter:
    """Return what the claim does, of which nothing stays: only the days of the usage point tell what fits them."""
    done: list[ClaimedMeter] = []
    try:
        with store.transaction():
            done.append(claim_meter(store, access, claim, now=now))
            raise _LookedAtError  # noqa: TRY301 - what ends a transaction must be raised within it
    except _LookedAtError:
        return done[0]
