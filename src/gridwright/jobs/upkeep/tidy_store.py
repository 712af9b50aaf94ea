"""Tidy the store: drop what has done its service, so that it does not grow by what nobody will ask for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from gridwright.domain.access import Access
from gridwright.domain.month import month_of, month_start
from gridwright.jobs.upkeep.forget_readings import first_kept, forget_readings, old_months
from gridwright.store import OldRows, Store

# What is forgotten is announced so long before: a clock that jumps a year ahead must not make all old at once.
FORGETTING, NOTICE = "forgetting", timedelta(days=7)
AHEAD, MOMENT = timedelta(days=1), timedelta(microseconds=1)  # as far as clocks of ours may be apart
# Computed anew every few minutes; what was billed, settled or switched is not among them and is kept for ever.
PASSING = ("forecast", "plan", "fleet", "grid-balance", FORGETTING)


@dataclass(frozen=True, slots=True)
class Keep:
    """How long things are kept; None = for ever. `findings`: that resolved themselves; `quarantine`: see the store.

    `readings_months`: whole months of which interval readings are kept.
    """

    outlooks: timedelta
    findings: timedelta | None = None
    quarantine: timedelta | None = None
    readings_months: int | None = None

    def before(self, what: str, now: datetime) -> datetime | None:
        """Return from before when `findings`, `quarantine` or `readings` are old; None where they are kept for ever."""
        if what == "readings":
            return None if self.readings_months is None else month_start(first_kept(now, self.readings_months))
        length = self.findings if what == "findings" else self.quarantine
        return None if length is None else now - length


@dataclass(frozen=True, slots=True)
class Tidied:
    """How many kept answers, outlooks, findings, readings and events in quarantine, and readings were dropped.

    `waiting`: the month that could not be forgotten yet, or what of it, and why.
    """

    answers: int
    outlooks: int
    findings: int
    quarantine: int
    readings: int = 0
    waiting: str = ""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What is announced: on or after `due` goes what is from before an instant."""

    due: datetime
    before: datetime


def tidy_store(store: Store, access: Access, *, now: datetime, keep: Keep) -> Tidied:
    """Drop answers to repeated requests after a day, and what else is older than it is kept; run again, nothing.

    Findings and quarantine come back from nowhere: what goes was announced `NOTICE` before.
    """
    forget = store.retention

    waiting: list[str] = []

    def announced(what: str, drop: Callable[[datetime], int]) -> int:
        before = keep.before(what, now)
        return 0 if before is None else _forget(store, access, what, now, (before, drop), waiting=waiting)

    def drop_readings(before: datetime) -> int:
        done = forget_readings(store, access, before=month_of(before))
        waiting.extend((*done.waiting, *done.failed))
        return done.readings

    return Tidied(
        store.answers.forget_old(access, now),
        store.outlooks.forget(access, PASSING, before=now - keep.outlooks),
        announced("findings", lambda before: forget.forget_findings(access, before=before)),
        announced("quarantine", lambda before: forget.forget_quarantine(access, before=before)),
        announced("readings", drop_readings),
        "; ".join(waiting),
    )


@dataclass(frozen=True, slots=True)
class Going:
    """Rows of one table and UTC day that go with the first tidying from `goes` on; of `block` the month from that day.

    `usage_points`: of how many a month's blocks are, in the database and in the archive.
    """

    table: str
    day: date
    rows: int
    goes: datetime
    usage_points: int | None = None


def preview_tidying(store: Store, access: Access, *, now: datetime, keep: Keep) -> list[Going]:
    """Return what is older than it is kept, by table and day, and from when on it goes; nothing is changed."""
    forget = store.retention
    before = now - keep.outlooks
    at_once = [*store.answers.old(access, now), *store.outlooks.old(access, PASSING, before=before)]
    return [
        *(Going(one.table, one.day, one.rows, now) for one in at_once),
        *_announced(store, access, "findings", now, (keep.before("findings", now), forget.old_findings)),
        *_announced(store, access, "quarantine", now, (keep.before("quarantine", now), forget.old_quarantine)),
        *_months(store, access, now, keep.before("readings", now)),
    ]


def _months(store: Store, access: Access, now: datetime, before: datetime | None) -> Iterator[Going]:
    """Yield the months of readings that go, and when: as announced, or a week after the next announcement."""
    if before is None:
        return
    told = next_forgetting(store, access, "readings", now)
    due, known = (now, None) if told is None else (max(told.due, now), month_of(min(told.before, before)))
    for each in old_months(store, access, before=month_of(before)):
        goes = due if known is not None and each.month < known else due + NOTICE
        yield Going("block", month_start(each.month).date(), each.blocks + each.archived, goes, each.usage_points)


def _announced(
    store: Store, access: Access, what: str, now: datetime, how: tuple[datetime | None, Callable[..., list[OldRows]]]
) -> Iterator[Going]:
    """Yield what goes as it was announced, and behind it what is announced when that goes."""
    before, old = how
    if before is None:
        return
    told, after, sooner = next_forgetting(store, access, what, now), now, dict[tuple[str, date], int]()
    if told is not None:
        after = max(told.due, now)
        for one in old(access, before=min(told.before, before)):
            sooner[one.table, one.day] = one.rows
            yield Going(one.table, one.day, one.rows, after)
    for one in old(access, before=before):
        there = sooner.get((one.table, one.day), 0)
        if one.rows > there:
            yield Going(one.table, one.day, one.rows - there, after + NOTICE)


def next_forgetting(store: Store, access: Access, what: str, now: datetime) -> Forgetting | None:
    """Return what was announced last of `findings`, `quarantine` or `readings`.

    What a wrong clock announced of later is passed.
    """
    told = store.outlooks.latest(access, FORGETTING, what, as_of=now)
    if told is None or told.body["before"] is None:
        return None
    return Forgetting(told.issued + NOTICE, datetime.fromisoformat(told.body["before"]))


def _forget(
    store: Store,
    access: Access,
    what: str,
    now: datetime,
    how: tuple[datetime, Callable[[datetime], int]],
    *,
    waiting: Sequence[str],
) -> int:
    """Forget what was announced long enough ago, and announce what is old by now; not while some of that waits."""
    before, drop = how
    _withdraw(store, access, what, now)
    told, gone = next_forgetting(store, access, what, now), 0
    if told is not None:
        if now < told.due:
            return 0
        gone = drop(min(told.before, before))
        if waiting:  # it was announced, and goes with the next tidying
            return gone
    store.outlooks.save(access, FORGETTING, what, {"before": before.isoformat()}, issued=now)
    return gone


def _withdraw(store: Store, access: Access, what: str, now: datetime) -> None:
    """Withdraw what a wrong clock announced of later: when it jumps there once more, that was not a week ago."""
    told = store.outlooks.latest(access, FORGETTING, what)
    while told is not None and told.issued > now + AHEAD:
        if told.body["before"] is not None:
            store.outlooks.save(access, FORGETTING, what, {"before": None}, issued=told.issued)
        told = store.outlooks.latest(access, FORGETTING, what, as_of=told.issued - MOMENT)
