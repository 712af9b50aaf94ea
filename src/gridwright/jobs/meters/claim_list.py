"""Claim many meters nobody knew: each is claimed by itself, and what became of it is its verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import GridwrightError, InputError, NotFound, StoreError
from gridwright.domain.interval import exact_instant
from gridwright.domain.usage_point import UsagePoint, id_fault
from gridwright.jobs.meters.claim_meter import claim_in_portions, none_waits
from gridwright.jobs.meters.claimed_place import MeterClaim
from gridwright.jobs.meters.preview_claim import preview_claim
from gridwright.store import Store

Outcome = Literal["claimed", "refused", "nothing waits"]
NewPoint = Callable[[str], UsagePoint]


@dataclass(frozen=True, slots=True)
class ListedClaim:
    """A line of a list of meters, as written; `fault` says why it is none that can be claimed."""

    line: int
    meter: str
    usage_point: str
    since: str = ""
    multiplier: Decimal = Decimal(1)
    channel: str = ""
    fault: InputError | None = None


@dataclass(frozen=True, slots=True)
class ClaimVerdict:
    """What became of one line: how many readings moved in, or why none did; `added`: its usage point is new."""

    listed: ListedClaim
    outcome: Outcome
    readings: int = 0
    added: bool = False
    reason: str = ""
    remedy: str = ""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON shows it."""
        whose = {"line": self.listed.line, "meter": self.listed.meter, "usage_point": self.listed.usage_point}
        became = {"outcome": self.outcome, "readings": self.readings, "added": self.added}
        return {**whose, **became, "reason": self.reason, "remedy": self.remedy, "notes": self.notes}


def claim_counts(verdicts: Sequence[ClaimVerdict]) -> dict[str, int]:
    """Return how many lines of a list ended how, and what came of them."""
    found = Counter(each.outcome for each in verdicts)
    return {
        "claimed": found["claimed"],
        "refused": found["refused"],
        "nothing_waits": found["nothing waits"],
        "readings": sum(each.readings for each in verdicts),
        "points_added": sum(each.added for each in verdicts),
    }


@dataclass(frozen=True, slots=True)
class ClaimManner:
    """How a list is claimed: `new_point` registers usage points nobody knows; `dry_run` records nothing."""

    now: datetime
    new_point: NewPoint | None = None
    dry_run: bool = False


def claim_list(
    store: Store, access: Access, listed: Iterable[ListedClaim], manner: ClaimManner
) -> Iterator[ClaimVerdict]:
    """Claim one line after another, each durable before the next; one that cannot be costs no other.

    A store that fails ends it: the same list goes on where it was, for what moved in waits no more.
    """
    access.require(Act.WRITE_REGISTRY)
    for each in listed:
        try:
            yield _claimed(store, access, each, manner)
        except StoreError:
            raise
        except GridwrightError as error:
            where = f"{error.where}: " if error.where else ""
            yield ClaimVerdict(each, "refused", reason=f"{where}{error.message}", remedy=error.remedy)


def _claimed(store: Store, access: Access, listed: ListedClaim, manner: ClaimManner) -> ClaimVerdict:
    if listed.fault is not None:
        raise listed.fault
    events = store.waiting_events.of(access, listed.meter, limit=1)
    if not (events or store.quarantine.waiting(access, listed.meter)):
        return ClaimVerdict(listed, "nothing waits", reason=none_waits(store, access, listed.meter).message)
    if manner.dry_run:
        return _looked_at(store, access, listed, manner)
    point, added = _point(store, access, listed, manner.new_point)
    if added:
        store.registry.save_points(access, [point])
    done = claim_in_portions(store, access, _wish(listed, point), now=manner.now)
    return ClaimVerdict(listed, "claimed", done.moved, added, notes=done.notes)


def _looked_at(store: Store, access: Access, listed: ListedClaim, manner: ClaimManner) -> ClaimVerdict:
    """Return what a claim would do; of a usage point that would be registered, how many readings wait."""
    point, added = _point(store, access, listed, manner.new_point)
    if added:
        _wish(listed, point)
        return ClaimVerdict(listed, "claimed", store.quarantine.waiting(access, listed.meter), added)
    seen = preview_claim(store, access, _wish(listed, point), now=manner.now)
    return ClaimVerdict(listed, "claimed", seen.moving, notes=seen.notes)


def _point(store: Store, access: Access, listed: ListedClaim, new_point: NewPoint | None) -> tuple[UsagePoint, bool]:
    """Return the usage point of a line, and whether it has to be registered first."""
    try:
        return store.registry.point(access, listed.usage_point), False
    except NotFound:
        if new_point is None:
            raise
    if fault := id_fault(listed.usage_point):
        raise InputError(f"{listed.usage_point!r} {fault}", where="usage_point", remedy="give it an id of its own")
    return new_point(listed.usage_point), True


def _wish(listed: ListedClaim, point: UsagePoint) -> MeterClaim:
    since = exact_instant(listed.since, point.tz) if listed.since else None
    return MeterClaim(listed.meter, point.id, since, listed.multiplier, listed.channel)
