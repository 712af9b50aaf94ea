"""Edit readings by hand: proposed with a reason, agreed by a second person where much moves, undone on record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.access import Access, Act
from gridwright.domain.edit import Edit, EditState
from gridwright.domain.errors import Conflict, Forgotten, InputError, NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, clock_time, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, LARGEST_EXACT, Flow, Quantity, ReadingType
from gridwright.jobs.cascade.edits_made import feeding
from gridwright.jobs.load.any_resolution import kept_type
from gridwright.jobs.load.away import require_here
from gridwright.jobs.load.load_stretches import load_stretches
from gridwright.jobs.meters.counts_now import CountsNow
from gridwright.jobs.meters.moved_alone import moved_alone_wh
from gridwright.jobs.meters.usual_use import moved_wh
from gridwright.jobs.new_id import new_id
from gridwright.jobs.tried_again import tried_again
from gridwright.store import Store
from gridwright.store.forgotten import reason
from gridwright.vee.closure import close_to, shift_to

KILO = (
    Quantity.ENERGY,
    Quantity.REACTIVE_ENERGY,
    Quantity.APPARENT_ENERGY,
    Quantity.POWER,
    Quantity.REACTIVE_POWER,
)
MOST_INTERVALS = 50_000  # a year of quarter-hours, and more
DAY = timedelta(days=1)
MONTH = timedelta(days=31)
HOUR = timedelta(hours=1)
TOLERANCE = 0.1  # of the capacity, as V12 has it
ONE_WAY = (Flow.DELIVERED, Flow.RECEIVED)
ROUNDING = 1e-6  # of a count: what a decimal loses as a float


@dataclass(frozen=True, slots=True)
class EditPolicy:
    """How many kWh of energy one person may move alone at a usage point in a month; zero = everything needs another.

    What is put where nothing is known moves as far as it is from what is usual there at that hour; where that is not
    known either, it needs another person. Power is energy over its intervals. What is neither, such as voltage or
    reactive energy, no kWh can measure: it always needs another person.
    """

    alone_kwh: float = 10.0

    def lets_alone(self, edit: Edit, moved_wh: float) -> bool:
        """Tell whether one person is enough for what moves so much, with what they moved there alone before."""
        return edit.count_wh is not None and moved_wh <= self.alone_kwh * 1000

    def why_not_alone(self, edit: Edit) -> str:
        """Return why an edit that waits needs a second person, as the end of a sentence on it."""
        if edit.state is EditState.PROPOSED and edit.note:
            return edit.note
        if edit.count_wh is None:
            return f"changes {edit.reading_type.quantity}, which no limit in kWh (edits.alone_kwh) can measure"
        limit = f"the {self.alone_kwh:g} kWh (edits.alone_kwh) that one person may move at a usage point in a month"
        if edit.unknown:
            covers = f"covers {edit.unknown} of {len(edit.before)} intervals of which nothing is known yet"
            return f"{covers}, and what is usual there is not known, or further away than {limit}"
        moved = edit.moved * edit.count_wh
        return (
            f"moves more than {limit}"
            if moved > self.alone_kwh * 1000
            else f"moves, with what you moved there alone before, more than {limit}"
        )


@dataclass(frozen=True, slots=True)
class EditWish:
    """What to put in place of the readings of a period: a value each interval, or a total in their shape.

    Energy and power in kWh and kW, everything else in its unit (V, A, °C, m³).
    """

    usage_point: str
    period: Interval
    reason: str
    values: Sequence[float] | None = None
    total: Decimal | None = None
    evidence: str = ""
    reading_type: ReadingType = DELIVERED_ENERGY


@tried_again
def propose_edit(store: Store, access: Access, wish: EditWish, *, policy: EditPolicy, now: datetime) -> Edit:
    """Put an edit on record; a small one is applied at once, any other waits for a second person."""
    access.require(Act.WRITE_READINGS, wish.usage_point)
    with store.transaction():
        # What the same person accepts or edits there at once counts too.
        store.findings.hold(access, [wish.usage_point])
        edit = draft_edit(store, access, wish, now=now)
        store.edits.add(access, edit)
        if counts_at_once(store, access, edit, policy=policy):
            note = f"moves no more than the {policy.alone_kwh:g} kWh that one person may at a usage point in a month"
            return _decide(store, access, edit, edit.to(EditState.APPLIED, by=access.actor, now=now, note=note))
    return edit


def counts_at_once(store: Store, access: Access, edit: Edit, *, policy: EditPolicy) -> bool:
    """Tell whether one person is enough for an edit as it was drawn."""
    if edit.note:
        return False
    before = moved_alone_wh(store, access, [edit.usage_point], edit.created - MONTH)[edit.usage_point]
    return policy.lets_alone(edit, moved_wh(store, access, edit) + before)


def draft_edit(store: Store, access: Access, wish: EditWish, *, now: datetime) -> Edit:
    """Return what an edit would be; nothing is recorded."""
    wish = replace(wish, reading_type=kept_type(store, access, wish.usage_point, wish.reading_type))
    there = _there(store, access, wish, now)
    values = _values(wish, there)
    before = tuple(None if np.isnan(value) else float(value) for value in there.values[0])
    edit = Edit(
        id=new_id("E", now),
        usage_point=wish.usage_point,
        period=wish.period,
        interval=there.interval,
        values=tuple(map(float, values)),
        before=before,
        author=access.actor,
        reason=wish.reason.strip(),
        created=now,
        evidence=wish.evidence.strip(),
        reading_type=wish.reading_type,
    )
    return replace(edit, note=_beyond_capacity(edit, store.registry.point(access, wish.usage_point).capacity_kw))


def _beyond_capacity(edit: Edit, capacity_kw: float | None) -> str:
    """Return that an edit has more than the connection carries (V12), as the end of a sentence; empty: it has not."""
    if capacity_kw is None or edit.count_wh is None:
        return ""
    most = max(map(abs, edit.values)) * edit.count_wh / 1000
    kw = most / (edit.interval / HOUR)
    if kw <= capacity_kw * (1 + TOLERANCE):
        return ""
    minutes = edit.interval.total_seconds() / 60
    return f"puts {most:g} kWh into {minutes:g} minutes, {kw:,.4g} kW, where the connection carries {capacity_kw:g} kW"


@tried_again
def approve_edit(store: Store, access: Access, code: str, *, now: datetime, note: str = "") -> Edit:
    """Let a proposed edit go, as another person than the one who made it."""
    access.require(Act.WRITE_READINGS)
    with store.transaction():
        edit = store.edits.edit(access, code)
        if edit.author == access.actor:
            raise Conflict(f"{access.actor} made edit {code} and cannot approve it", remedy="ask a second person")
        return _decide(store, access, edit, edit.to(EditState.APPLIED, by=access.actor, now=now, note=note))


@tried_again
def reject_edit(store: Store, access: Access, code: str, *, reason: str, now: datetime) -> Edit:
    """Stop a proposed edit, with the reason for whoever made it."""
    access.require(Act.WRITE_READINGS)
    _require_reason(reason)
    edit = store.edits.edit(access, code)
    return _decide(store, access, edit, edit.to(EditState.REJECTED, by=access.actor, now=now, note=reason))


@tried_again
def withdraw_edit(store: Store, access: Access, code: str, *, reason: str, now: datetime) -> Edit:
    """Take an edit back: the readings are again what they are without it; its author not what another let go."""
    access.require(Act.WRITE_READINGS)
    _require_reason(reason)
    with store.transaction():
        edit = store.edits.edit(access, code)
        if edit.state is EditState.APPLIED and not edit.may_take_back(access.actor):
            raise Conflict(
                f"{access.actor} made edit {code}, which a second person approved, and cannot take it back alone",
                remedy="ask somebody else to withdraw it",
            )
        return _decide(store, access, edit, edit.to(EditState.WITHDRAWN, by=access.actor, now=now, note=reason))


def _decide(store: Store, access: Access, before: Edit, after: Edit) -> Edit:
    """Keep the step, and mark the days dirty where it changes what counts."""
    with store.transaction():
        store.edits.advance(access, before, after)
        if EditState.APPLIED in (before.state, after.state):
            period = _since(store, access, after) if feeding([after]) else after.period
            store.dirty.touch(access, [after.usage_point], after.reading_type, period)
    return after


def _since(store: Store, access: Access, edit: Edit) -> Interval:
    """Return from the day before an edit that may alone say that something was fed in to the last day ever read."""
    extents = store.readings.extents(access, [edit.usage_point])
    end = from_epoch_s(max(each.last_day for each in extents) * DAY_S)
    return Interval(edit.period.start - DAY, max(end, edit.period.end))


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise InputError("this needs a reason", remedy="say why, for whoever reads the audit chain")


def _there(store: Store, access: Access, wish: EditWish, now: datetime) -> Panel:
    """Return what counts now: the final values, and where there are none the raw ones."""
    interval = _interval(store, access, wish)
    if wish.period.end > now:
        raise InputError(
            f"the edit reaches to {_clock(store, access, wish)[1]}, which has not come yet",
            remedy="edit what has been, up to now",
        )
    if wish.period.slots(interval) > MOST_INTERVALS:
        raise InputError(
            f"{'/'.join(_clock(store, access, wish))} holds more than {MOST_INTERVALS:,} intervals",
            remedy="edit a shorter period at a time",
        )
    # What is in the archive alone looks empty, and would move nothing.
    require_here(store, access, [wish.usage_point], wish.period, kinds=[wish.reading_type])
    kept = store.retention.kept_from(access)
    first = from_epoch_s(DAY_S * kept)
    if kept and wish.period.start < first:
        raise Forgotten(reason(first.date()), where=wish.usage_point, remedy="edit from that day on")
    there = CountsNow(store, access, wish.usage_point, wish.period, interval).of(wish.reading_type)
    if there.slots == 0 or there.period != wish.period:
        raise InputError(
            f"{'/'.join(_clock(store, access, wish))} does not begin and end with an interval of "
            f"{interval.total_seconds() / 60:g} minutes",
            remedy="give whole intervals",
        )
    return there


def _clock(store: Store, access: Access, wish: EditWish) -> tuple[str, str]:
    """Return begin and end of what is wished for as the clock at the usage point shows them."""
    zone = store.registry.point(access, wish.usage_point).tz
    return clock_time(wish.period.start, zone), clock_time(wish.period.end, zone)


def _interval(store: Store, access: Access, wish: EditWish) -> timedelta:
    """Return the interval length of what counts within the period; where it changes there, no edit can follow both.

    A lost day has that of its final image, whatever the little lies on that reads tell of it.
    """
    series = store.readings.series(access, wish.usage_point)
    mine = [each for each in series if each.reading_type == wish.reading_type]
    if not mine:
        there = ", ".join(dict.fromkeys(each.reading_type.code for each in series))
        raise NotFound(
            f"{wish.usage_point} has no readings of {wish.reading_type}",
            remedy=f"edit a series that it has: {there}"
            if there
            else "import what there is first: an edit follows the interval of its series",
        )
    if len(mine) == 1:
        return mine[0].interval
    find = partial(store.readings.stretches, access, [wish.usage_point], wish.period, reading_type=wish.reading_type)
    read, made = find(), find(image=Image.FINAL)
    # What was measured since then on another grid will be made anew.
    found = made if _measured(store, access, wish) <= {each.interval for each in made} else read
    lengths = {each.interval for each in found}
    if len(lengths) > 1:
        turn = max(each.period.start for each in found)
        zone = store.registry.point(access, wish.usage_point).tz
        raise InputError(
            f"the interval length of {wish.reading_type} changes within {'/'.join(_clock(store, access, wish))}",
            remedy=f"make two edits: one up to {clock_time(turn, zone)}, and one from there",
        )
    return lengths.pop() if lengths else max(mine, key=lambda each: each.last).interval


def _measured(store: Store, access: Access, wish: EditWish) -> set[timedelta]:
    """Return the lengths of the intervals that were measured within the period, other than by reads of a register."""
    panels = load_stretches(store, access, [wish.usage_point], wish.period, wish.reading_type)
    return {panel.interval for panel in panels if not (panel.missing | q.of_register(panel.quality)).all()}


def _values(wish: EditWish, there: Panel) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    if (wish.values is None) == (wish.total is None):
        raise InputError("an edit gives either a value for each interval, or a total", remedy="give one of the two")
    if wish.total is not None:
        return _shaped(wish, there)
    values = np.array(wish.values, np.float64)
    below = np.flatnonzero(values < 0)
    if below.size and wish.reading_type.sums and wish.reading_type.flow in ONE_WAY:
        raise InputError(
            f"value {int(below[0]) + 1}, {values[below[0]]:g}, is below zero, and {wish.reading_type} counts one way",
            remedy="give zero there, and edit what flowed the other way in its own series",
        )
    if values.size != there.slots:
        raise InputError(f"{values.size} values for {there.slots} intervals", remedy="give one value each")
    return _counts(values, wish.reading_type)


def _shaped(wish: EditWish, there: Panel) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Lay a total over the period, in the shape of what is there; equally where nothing is.

    Of energy that counts both ways each interval is moved alike, once it or the total is below zero.
    """
    if not wish.reading_type.sums:
        raise InputError(f"a total of {wish.reading_type} has no meaning", remedy="give a value for each interval")
    total = _counts(np.array([float(wish.total or 0)]), wish.reading_type)
    whole, shape = np.zeros(there.slots, np.intp), np.nan_to_num(there.values[0])
    if wish.reading_type.flow not in ONE_WAY and (total[0] < 0 or (shape < 0).any()):
        return shift_to(shape, whole, total)
    if total[0] < 0:
        raise InputError(
            f"a total of {wish.total} is below zero, and {wish.reading_type} counts one way",
            remedy="give zero, and edit what flowed the other way in its own series",
        )
    return close_to(np.clip(shape, 0.0, None), whole, total)


def per_unit(kind: ReadingType) -> float:
    """Return the counts of one kWh, kW, V ...: the unit in which people give and read values of a type."""
    return (1000.0 if kind.quantity in KILO else 1.0) / kind.resolution


def _counts(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], kind: ReadingType
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return people's units as whole counts; a value finer than the resolution is refused, not rounded."""
    exact = values * per_unit(kind)
    counts = np.rint(exact)
    fine = np.flatnonzero(
        ~np.isfinite(exact) | (np.abs(exact - counts) > np.maximum(ROUNDING, ROUNDING * np.abs(counts)))
    )
    if fine.size:
        raise InputError(
            f"value {int(fine[0]) + 1}, {values[fine[0]]:g}, is not a whole number of {kind.resolution:g} {kind.unit}",
            remedy="round it: the series is kept in these steps",
        )
    large = np.flatnonzero(np.abs(counts) > LARGEST_EXACT)
    if large.size:
        raise InputError(
            f"value {int(large[0]) + 1}, {values[large[0]]:g}, is more than can be kept: "
            f"{LARGEST_EXACT:.0f} times {kind.resolution:g} {kind.unit}",
            remedy="look at its unit: energy and power are given in kWh and kW",
        )
    return counts
