"""Measure an event: load and trust the readings of its participants, and compare them with their baselines."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from gridwright.billing import holiday_dates
from gridwright.demand_response import BaselineRule, Delivered, Settlement, baseline_rule, measure, settle
from gridwright.domain.access import Access
from gridwright.domain.errors import AccessDenied, Conflict, TooLittleData
from gridwright.domain.interval import Interval
from gridwright.domain.program import Event, EventState, Performance
from gridwright.domain.usage_point import UsagePoint
from gridwright.grid import interruptions
from gridwright.jobs.cascade.trust_readings import SiteDefaults
from gridwright.jobs.load.load_final import FinalGroup
from gridwright.jobs.load.load_trusted import load_trusted
from gridwright.store import Store

TOGETHER = 500
# More than a baseline looks back, so that the first days can be validated too.
CONTEXT = timedelta(days=60)
AFTER = timedelta(hours=3)
EVERY = 100_000
MANY_EVENTS = 1_000_000
Periods = Mapping[str, Sequence[Interval]]
# A usage point's attribute that says what it has promised to do without.
COMMITTED_KW = "committed_kw"


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What was measured: parts of some usage points, who could not be with the reason, and what was committed."""

    parts: tuple[Delivered, ...]
    problems: Mapping[str, str]
    committed_kw: Mapping[str, float]

    def settlement(self, store: Store, access: Access, event: Event) -> Settlement:
        """Return the statement that follows from it."""
        program = store.programs.program(access, event.program)
        return settle(event, program, self.parts, self.committed_kw, self.problems)

    def intervals(self) -> dict[str, dict[str, Any]]:
        """Return baseline and use of each usage point by interval, as JSON objects."""
        return {part.points[row]: part.to_dict(row) for part in self.parts for row in part.measurable}


def measure_event(store: Store, access: Access, event_id: str, site: SiteDefaults, now: datetime) -> list[Performance]:
    """Measure an event that is over, keep what each participant delivered, and return it; who lacks data is left out.

    A settled event is not measured again: what was settled is returned. Nobody measurable is TooLittleData.
    """
    sees_all(access)
    event = store.programs.event(access, event_id)
    if event.state is EventState.SETTLED:
        return store.programs.performances(access, event=event_id)
    measured = measured_event(store, access, event, site, now)
    statement = measured.settlement(store, access, event)
    keep(store, access, measured, statement, now)
    return list(statement.performances)


def measured_event(store: Store, access: Access, event: Event, site: SiteDefaults, now: datetime) -> Measured:
    """Measure without keeping anything; an event that is not over, or nobody measurable, is refused."""
    if event.state is EventState.CANCELLED or now < event.period.end:
        state = (
            event.state if event.state is EventState.CANCELLED else f"not over before {event.period.end.isoformat()}"
        )
        raise Conflict(f"event {event.id} is {state}: there is nothing to measure", remedy="measure it once it is over")
    rule = baseline_rule(store.programs.program(access, event.program).baseline)
    desk = _Desk(store, access, event, rule, site, now)
    parts, problems = desk.measure()
    measured = Measured(tuple(parts), problems, _committed(store, access, event))
    if not any(part.measurable for part in parts):
        why = "; ".join(f"{point}: {reason}" for point, reason in list(all_problems(measured).items())[:3])
        raise TooLittleData(
            f"nobody in event {event.id} can be measured" + (f" ({why})" if why else ""),
            remedy="bring the readings of its participants, then measure it again",
        )
    return measured


def sees_all(access: Access) -> None:
    """Refuse who sees only some usage points: an event is measured, moved and kept with all of its targets."""
    if access.points is not None:
        raise AccessDenied(f"{access.actor} sees only some of the usage points, and an event concerns them all")


def all_problems(measured: Measured) -> dict[str, str]:
    """Return why each usage point could not be measured."""
    own = {point: error.message for part in measured.parts for point, error in part.problems.items()}
    return {**own, **measured.problems}


def keep(store: Store, access: Access, measured: Measured, statement: Settlement, now: datetime) -> None:
    """Keep performances, and the intervals of each usage point for whoever may see it; the same again is not kept."""
    event = statement.event
    with store.transaction():
        if store.programs.save_performances(access, event.id, statement.performances):
            store.outlooks.save_many(access, intervals_of(event.id), measured.intervals(), issued=now)


def intervals_of(event_id: str) -> str:
    """Return the kind of outlook that holds what each usage point did in an event, interval by interval."""
    return f"event {event_id}"


@dataclass(frozen=True, slots=True)
class _Desk:
    """Where an event is measured, some hundred usage points at a time."""

    store: Store
    access: Access
    event: Event
    rule: BaselineRule
    site: SiteDefaults
    now: datetime

    def measure(self) -> tuple[list[Delivered], dict[str, str]]:
        """Return what was delivered, and who has no readings at all."""
        parts: list[Delivered] = []
        problems: dict[str, str] = {}
        others, outages = self._other_events(), self._outages()
        names = self.event.participants
        for at in range(0, len(names), TOGETHER):
            some = names[at : at + TOGETHER]
            fresh = [part for group in self._trusted(some) for part in self._parts(group, (others, outages), problems)]
            known = {point for part in fresh for point in part.points}
            parts += fresh
            for name in some:
                if name not in known:
                    problems.setdefault(name, "there are no interval readings of energy from the weeks before")
        return parts, problems

    def _trusted(self, names: Sequence[str]) -> list[FinalGroup]:
        period = Interval(self.event.period.start - CONTEXT, self.event.period.end + AFTER)
        return load_trusted(self.store, self.access, names, period, self.site, now=self.now)

    def _parts(
        self, group: FinalGroup, apart: tuple[Periods, Periods], problems: dict[str, str]
    ) -> Iterator[Delivered]:
        """Measure usage points with the same holidays together."""
        rows: dict[str, list[int]] = defaultdict(list)
        for row, point in enumerate(group.points):
            rows[point.holidays].append(row)
        for name, members in rows.items():
            try:
                yield measure(
                    group.trusted.rows(members),
                    self.event.period,
                    self.rule,
                    zone=group.zone,
                    holidays=self._holidays(name),
                    events=apart[0],
                    outages=apart[1],
                )
            except TooLittleData as error:
                problems.update(dict.fromkeys((group.points[row].id for row in members), error.message))

    def _holidays(self, name: str) -> frozenset[date]:
        year = self.event.period.start.year
        return holiday_dates(name, (year - 1, year, year + 1)) if name else frozenset()

    def _other_events(self) -> dict[str, list[Interval]]:
        """Return when each participant took part in another event."""
        recent = Interval(self.event.period.start - CONTEXT, self.event.period.end)
        found: dict[str, list[Interval]] = defaultdict(list)
        for other in self.store.programs.events(self.access, limit=EVERY):
            if other.id == self.event.id or other.state is EventState.CANCELLED or not other.period.overlaps(recent):
                continue
            for point in other.participants:
                found[point].append(other.period)
        return found

    def _outages(self) -> dict[str, list[Interval]]:
        """Return when each participant was without power, as the meters told it."""
        around = Interval(self.event.period.start - CONTEXT, self.event.period.end + AFTER)
        found: dict[str, list[Interval]] = defaultdict(list)
        reported = self.store.devices.events(self.access, period=around, limit=MANY_EVENTS)
        for each in interruptions(reported, around):
            found[each.usage_point].append(each.period)
        return found


def _committed(store: Store, access: Access, event: Event) -> dict[str, float]:
    points = store.registry.points(access, list(event.participants))
    return {point.id: kw for point in points if (kw := committed_kw(point)) is not None}


def committed_kw(point: UsagePoint) -> float | None:
    """Return what a usage point has committed to, by its attribute `committed_kw`; None = nothing."""
    try:
        kw = float(point.attributes.get(COMMITTED_KW, ""))
    except ValueError:
        return None
    return kw if kw > 0 else None
