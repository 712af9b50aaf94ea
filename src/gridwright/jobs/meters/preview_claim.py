"""What claiming an unknown meter would do: which readings move in, and which meter it would end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import NotFound
from gridwright.domain.usage_point import Installation, exchange, install
from gridwright.jobs.meters.claim_meter import MeterClaim, require_free
from gridwright.store import Store


@dataclass(frozen=True, slots=True)
class ClaimSeen:
    """How many readings wait, from when to when, and how many of them would move in.

    `place`: the installation they would move into, `new` where it would begin with the claim; `ends`: the meter that
    hangs there now, and would be taken down.
    """

    waiting: int
    first: datetime
    last: datetime
    moving: int
    place: Installation
    new: bool
    ends: str = ""


def preview_claim(store: Store, access: Access, claim: MeterClaim) -> ClaimSeen:
    """Look at a claim without recording anything; what could not be claimed is refused as the claim would be."""
    access.require(Act.WRITE_REGISTRY, claim.usage_point)
    store.registry.point(access, claim.usage_point)
    waiting = store.quarantine.readings(access, claim.meter)
    if not waiting:
        raise NotFound(f"no readings of meter {claim.meter!r} wait", remedy="the list of the quarantine tells which do")
    history = store.registry.installations(access, claim.usage_point)
    open_now = next((each for each in history if each.is_open), None)
    there = open_now if open_now is not None and open_now.end_device == claim.meter else None
    place = there or install(claim.usage_point, claim.meter, claim.since or waiting[0].at, claim.multiplier)
    if there is None:
        require_free(store, access, place)
        exchange(history, place)
    moving = sum(each.at in place.period for each in waiting)
    ends = open_now.end_device if open_now is not None and there is None else ""
    return ClaimSeen(len(waiting), waiting[0].at, waiting[-1].at, moving, place, there is None, ends)
