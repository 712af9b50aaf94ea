"""Accept what validation doubts: the measured values count again, by a second person where they move much energy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import Conflict
from gridwright.domain.finding import Doubted
from gridwright.domain.interval import Interval
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.meters.edit_readings import MONTH, EditPolicy
from gridwright.jobs.meters.moved_alone import moved_alone_wh
from gridwright.jobs.meters.weigh_acceptance import Effect, weigh
from gridwright.jobs.tried_again import tried_again
from gridwright.store import Store
from gridwright.store.deciding import require_reason
from gridwright.store.findings import StoredFinding


@dataclass(frozen=True, slots=True)
class Deciding:
    """Who may let how much count alone, by which rules readings are judged, and when."""

    policy: EditPolicy
    site: SiteDefaults
    now: datetime


@dataclass(frozen=True, slots=True)
class Decided:
    """How many findings a decision changed (a preview: would), how many wait for a second person, and what it does.

    What it does is done by the next cascade, and only where nobody has to agree first.
    """

    findings: int = 0
    waiting: int = 0
    effects: tuple[Effect, ...] = ()


@tried_again
def accept_findings(store: Store, access: Access, ids: Iterable[int], *, reason: str, by: Deciding) -> Decided:
    """Accept findings, all of them or none; those that let more count than one person may, wait for a second one.

    Who accepts what somebody else has proposed is that second person. To accept it once more oneself changes nothing.
    """
    require_reason(reason, "accepting a doubt", "say why the value is right, or good enough")
    asked = _open(store, access, ids)
    before, effects = _weighed(store, access, asked, by)
    with store.transaction():
        # Of two decisions at once the later one knows what the earlier one moved, and what it left.
        store.findings.hold(access, {each.finding.usage_point for each in asked})
        chosen = _open(store, access, _ids(asked))
        if _accepted_there(store, access, asked) != before:
            _, effects = _weighed(store, access, chosen, by)
        watched = _need_second(store, access, effects, by)
        waiting = [each for each in chosen if _waits(each, watched, access)]
        done = [each for each in chosen if not _waits(each, watched, access)]
        moved = _moved_wh(done, effects)
        seen = {each.id: each.finding.fingerprint for each in asked}
        accepted = store.findings.resolve(access, _ids(done), reason=reason, now=by.now, seen=seen, moved_wh=moved)
        store.findings.propose(access, _ids(waiting), reason=reason, now=by.now, seen=seen)
    return Decided(accepted, len(waiting), _sorted(effects))


def preview_acceptance(store: Store, access: Access, ids: Iterable[int], *, by: Deciding) -> Decided:
    """Return what accepting findings would do; nothing is recorded."""
    chosen = _open(store, access, ids)
    _, effects = _weighed(store, access, chosen, by)
    watched = _need_second(store, access, effects, by)
    waiting = sum(_waits(each, watched, access) for each in chosen)
    return Decided(len(chosen) - waiting, waiting, _sorted(effects))


@tried_again
def reopen_findings(store: Store, access: Access, ids: Iterable[int], *, reason: str, by: Deciding) -> Decided:
    """Take acceptances back, and proposals of them; who proposed what two people agreed on cannot do so alone."""
    require_reason(reason, "taking it back", "say what has become known")
    chosen = _accepted(store, access, ids)
    effects = _weigh_back(store, access, chosen, by)
    with store.transaction():
        # What somebody else accepts at this moment is theirs too.
        store.findings.hold(access, {each.finding.usage_point for each in chosen})
        for each in _accepted(store, access, _ids(chosen)):
            _require_not_agreed(access, each)
        done = store.findings.reopen(access, _ids(chosen), reason=reason, now=by.now)
    return Decided(done, 0, _sorted(effects))


def preview_reopening(store: Store, access: Access, ids: Iterable[int], *, by: Deciding) -> Decided:
    """Return what taking acceptances back would do, or why it may not be; nothing is recorded."""
    chosen = _accepted(store, access, ids)
    for each in chosen:
        _require_not_agreed(access, each)
    return Decided(len(chosen), effects=_sorted(_weigh_back(store, access, chosen, by)))


def _require_not_agreed(access: Access, each: StoredFinding) -> None:
    """Refuse who proposed what somebody else accepted, however little it moved: a second person was needed for it."""
    if each.proposed_by == access.actor != each.resolved_by and each.resolved_at is not None:
        raise Conflict(
            f"{access.actor} proposed what {each.resolved_by} accepted in finding {each.id}, and cannot take it back "
            "alone",
            remedy="ask somebody else to reopen it",
        )


def _open(store: Store, access: Access, ids: Iterable[int]) -> list[StoredFinding]:
    return [each for each in _writable(store, access, ids) if each.resolved_at is None]


def _accepted(store: Store, access: Access, ids: Iterable[int]) -> list[StoredFinding]:
    chosen = _writable(store, access, ids)
    return [each for each in chosen if each.resolved_by or (each.proposed_by and each.resolved_at is None)]


def _writable(store: Store, access: Access, ids: Iterable[int]) -> list[StoredFinding]:
    access.require(Act.WRITE_READINGS)
    chosen = store.findings.these(access, ids)
    for each in chosen:
        access.require(Act.WRITE_READINGS, each.finding.usage_point)
    return chosen


def _weighed(
    store: Store, access: Access, chosen: Sequence[StoredFinding], by: Deciding
) -> tuple[frozenset[Doubted], dict[str, Effect]]:
    """Return what accepting findings would do, and what people had accepted there before it was weighed."""
    before = _accepted_there(store, access, chosen)
    return before, weigh(store, access, by.site, [each.finding for each in chosen], now=by.now)


def _accepted_there(store: Store, access: Access, chosen: Sequence[StoredFinding]) -> frozenset[Doubted]:
    """Return what people accepted of the time that findings are about: a value counts once nothing there is open."""
    if not chosen:
        return frozenset()
    periods = [each.finding.period for each in chosen]
    whole = Interval(min(each.start for each in periods), max(each.end for each in periods))
    return store.findings.accepted(access, sorted({each.finding.usage_point for each in chosen}), whole)


def _moved_wh(done: Sequence[StoredFinding], effects: Mapping[str, Effect]) -> dict[int, int]:
    return {
        each.id: round(min(effects[each.finding.usage_point].moved_wh, 1e15))
        for each in done
        if each.finding.rejects and each.finding.usage_point in effects
    }


def _weigh_back(store: Store, access: Access, chosen: Sequence[StoredFinding], by: Deciding) -> dict[str, Effect]:
    back = [each.finding for each in chosen if each.resolved_by]
    return weigh(store, access, by.site, back, now=by.now, accepting=False)


def _need_second(store: Store, access: Access, effects: Mapping[str, Effect], by: Deciding) -> set[str]:
    """Return the usage points at which more would count than one person may let: small ones add up to a large one."""
    moving = sorted(point for point, effect in effects.items() if effect.moved_wh)
    limit = by.policy.alone_kwh * 1000
    large = {point for point in moving if effects[point].moved_wh > limit}
    small = [point for point in moving if point not in large]
    before = moved_alone_wh(store, access, small, by.now - MONTH)
    return large | {point for point in small if effects[point].moved_wh + before[point] > limit}


def _waits(each: StoredFinding, watched: set[str], access: Access) -> bool:
    """Tell whether a finding needs somebody else's word: one that nobody else has proposed, where much would count."""
    large = each.finding.rejects and each.finding.usage_point in watched
    return large and each.proposed_by in {"", access.actor}


def _ids(findings: Sequence[StoredFinding]) -> list[int]:
    return [each.id for each in findings]


def _sorted(effects: Mapping[str, Effect]) -> tuple[Effect, ...]:
    return tuple(effects[point] for point in sorted(effects))
