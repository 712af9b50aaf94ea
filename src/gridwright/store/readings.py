"""Readings: panels in, panels out, as they are known now or were known then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import BigInteger, ColumnElement, Row, Select, and_, case, cast, func, select, true

from gridwright.domain import quality as q
from gridwright.domain.access import Access, Act
from gridwright.domain.block import IntervalBlock
from gridwright.domain.calendar import day_number
from gridwright.domain.errors import Conflict
from gridwright.domain.image import Image
from gridwright.domain.interval import DAY_S, Interval, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType
from gridwright.store import schema
from gridwright.store.archive.alike import AlikeReader
from gridwright.store.archive.reading import ArchiveReader, MonthsAway, days_away, leaving_out
from gridwright.store.audit import note
from gridwright.store.days import blocks
from gridwright.store.days.blocks import lock_points
from gridwright.store.days.grid import check_interval
from gridwright.store.days.history import read_states, states_of
from gridwright.store.days.incoming import Manner
from gridwright.store.days.laying import Layer, Single, span
from gridwright.store.days.loading import PanelLoader
from gridwright.store.days.resolving import KeptPart, KeptSingles, in_one_resolution, singles_as_kept
from gridwright.store.days.saving import NOTHING_SAVED, SaveSummary, Unfit
from gridwright.store.days.saving_panels import leave_traces, merge_panel
from gridwright.store.days.series import Extent, read_extents
from gridwright.store.days.states import ImageState, read_image_days, read_image_states
from gridwright.store.days.stretches import Stretch, read_stretches
from gridwright.store.days.taken_back import count_taken_back
from gridwright.store.forgotten import kept_from
from gridwright.store.instant import from_us, to_seconds, to_us
from gridwright.store.journal.aside import put_unfit_aside
from gridwright.store.names import Names, every_image, every_type, within
from gridwright.store.registry import register_unknown
from gridwright.store.series_ends import EndReader
from gridwright.store.session import Session, Unit


@dataclass(frozen=True, slots=True)
class Series:
    """One series that is stored: from `first` (start of its first reading) to `last` (end of its last one)."""

    usage_point: str
    reading_type: ReadingType
    interval: timedelta
    first: datetime
    last: datetime
    readings: int


class Freshness(NamedTuple):
    """How far the interval readings of a usage point reach, about, and how many there are."""

    usage_point: str
    last: datetime
    readings: int


@dataclass(frozen=True, slots=True)
class FreshnessCounts:
    """How many usage points have readings, how many are late or silent, and those longest without one.

    `readings`: of all of them together; `newest`: when the last one ends, None where there is none.
    """

    read: int
    late: int
    silent: int
    oldest: tuple[Freshness, ...]
    readings: int
    newest: datetime | None


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A state of a day: what was known from `known_at` on, until the next revision; they are numbered from one."""

    revision: int
    known_at: datetime
    block: IntervalBlock


class Readings:
    """Interval readings."""

    def __init__(self, session: Session, names: Names, archived: ArchiveReader | None = None) -> None:
        self._session = session
        self._names = names
        self._archived = archived or ArchiveReader(names)

    def save(
        self,
        access: Access,
        panel: Panel,
        *,
        known_at: datetime,
        register: bool = False,
        image: Image = Image.RAW,
        settled: bool = False,
        aside: list[tuple[str, int]] | None = None,
    ) -> SaveSummary:
        """Merge a panel into what is stored; durable on return, or with the surrounding transaction.

        A slot without value leaves the stored one alone; a value where there was none is added; another value or
        quality supersedes and the old image is kept; the same again changes nothing. Of a raw image, a guess in place
        of a stored value of better quality is set aside, and V03_duplicate tells it. Unknown usage points are
        NotFound, or added with `register`; another interval or phase than stored for the day is GridMismatch, a
        fraction of a count InputError. A final image makes nothing dirty and belongs to no series: it follows
        from the raw one, and supersedes a day of its own that is stored on another grid. What has the quality
        TAKEN_BACK is not known from then on. `settled`: the same transaction also saves what follows from these
        readings, so they are not dirty. `aside` is given usage point and start, in seconds, of what was set aside.
        """
        _require_all(access, Act.WRITE_READINGS, panel.points)
        if register:
            access.require(Act.WRITE_READINGS)
        check_interval(panel.interval)
        to_seconds(panel.start)
        _refuse_twice(panel.points)
        with self._session.writing() as unit:
            if register:
                register_unknown(unit, self._names, panel.points)
            # Before the type, which others may give a key to meanwhile: else both may wait for each other.
            if unit.dialect != "sqlite":
                lock_points(unit, self._names.key_array(unit, panel.points).tolist())
            kind = self._names.make_type_key(unit, panel.reading_type, image)
            made = image is not Image.RAW
            how = Manner(regrids=made, ranked=not made)
            parts = (
                [KeptPart(kind, panel, {})]
                if made
                else in_one_resolution(unit, self._names, kind, panel, to_us(known_at))
            )
            whole = NOTHING_SAVED
            for key, part, coarser in parts:
                unfit: list[Unfit] = []
                look = None if made else AlikeReader(self._archived, coarser).beside
                saver, summary = merge_panel(
                    unit, self._names, key, part, to_us(known_at), how=how, archived=look, unfit=unfit
                )
                if not made:
                    put_unfit_aside(unit, saver, unfit, access.actor, to_us(self._session.clock()))
                    changed = leave_traces(unit, saver, settled=settled)
                    self._note(unit, access, part, changed, summary)
                if aside is not None:
                    aside += saver.set_aside()
                whole += summary
        return whole

    def save_singles(
        self,
        access: Access,
        kind: ReadingType,
        interval_s: int,
        singles: Sequence[Single],
        *,
        known_at: datetime,
        fill: bool = False,
    ) -> list[int]:
        """Merge raw readings of one interval length, each of another usage point, as `save` does, but one by one.

        Returns the places of those that were left alone and need `save`: of an unknown usage point, with another value
        than stored, on another grid, of a day in the archive or forgotten, in a database other than SQLite. `fill`:
        another value than stored is nothing.
        """
        _require_all(access, Act.WRITE_READINGS, [single.point for single in singles])
        check_interval(timedelta(seconds=interval_s))
        if self._session.engine.dialect.name != "sqlite":
            return list(range(len(singles)))
        with self._session.writing() as unit:
            known = self._names.find_points(unit, [single.point for single in singles])
            keys = [known.get(single.point) for single in singles]
            left: list[int] = []
            for one in singles_as_kept(unit, self._names, kind, singles, keys):
                left += self._lay(unit, access, one, interval_s, to_us(known_at), fill=fill)
        return sorted(left)

    def _lay(
        self, unit: Unit, access: Access, kept: KeptSingles, interval_s: int, known_at_us: int, *, fill: bool
    ) -> list[int]:
        """Merge single readings of one resolution; returns the places of those that were left alone."""
        singles = kept.singles
        key = self._names.make_type_key(unit, kept.kind)
        days, first_day = {single.at_s // DAY_S for single in singles}, kept_from(unit)
        away = days_away(unit, key, days) | {day for day in days if day < first_day}
        layer = Layer(unit, key, interval_s, known_at_us, fill=fill, away=away)
        laid = layer.run(singles, kept.keys)
        if laid.new:
            layer.leave_traces()
            new = [singles[place] for place in laid.new]
            note(
                unit,
                access,
                Act.WRITE_READINGS,
                subject=new[0].point if len(new) == 1 else f"{len(new)} usage points",
                at=self._session.clock(),
                reading_type=kept.kind.code,
                period=span(new, interval_s),
                new=len(laid.new),
                changed=0,
            )
        return [kept.places[place] for place in laid.left]

    def _note(self, unit: Unit, access: Access, panel: Panel, changed: Sequence[str], summary: SaveSummary) -> None:
        """Record who changed readings, where anything changed."""
        if not changed:
            return
        note(
            unit,
            access,
            Act.WRITE_READINGS,
            subject=changed[0] if len(changed) == 1 else f"{len(changed)} usage points",
            at=self._session.clock(),
            reading_type=panel.reading_type.code,
            period=str(panel.period),
            new=summary.new,
            changed=summary.changed,
        )

    def load(
        self,
        access: Access,
        points: str | Sequence[str] | None,
        period: Interval,
        *,
        reading_type: ReadingType = DELIVERED_ENERGY,
        interval: timedelta | None = None,
        as_of: datetime | None = None,
        image: Image = Image.RAW,
    ) -> Panel:
        """Return a panel with the points in the order asked (None: all that may be seen), the slots within `period`.

        NaN and MISSING where nothing is stored. The interval is the stored one; mixed ones are GridMismatch, nothing
        stored and no `interval` is NotFound. `as_of` gives what was known at that instant. What is in the archive is
        read there; a month that cannot be is ArchiveUnreadable.
        """
        access.require(Act.READ)
        asked = (points,) if isinstance(points, str) else points
        _require_all(access, Act.READ, asked or ())
        interval_s = check_interval(interval) if interval is not None else None
        with self._session.reading() as unit:
            codes = tuple(self._names.every_point(unit, access) if asked is None else asked)
            keys = np.array(self._names.point_keys(unit, codes), np.int64)
            kind = self._names.type_key(unit, reading_type, image)
            as_of_us = None if as_of is None else to_us(as_of)
            away = self._away(unit, access, kind, _days_of(period))
            if away is not None:
                away.name(keys, history=as_of is not None)
            loader = PanelLoader(unit, kind, keys, as_of_us, away)
            panel = loader.load(codes, period, reading_type, interval_s)
            return _without_taken_back(panel if away is None else _as_derived(panel))

    def _away(self, unit: Unit, access: Access, kind: int | None, days: range) -> MonthsAway | None:
        """Return what of some days is not wholly in the database; mostly there is nothing."""
        return None if kind is None else self._archived.look(unit, kind, days, told=access.points is None)

    def series(self, access: Access, point: str | None = None) -> list[Series]:
        """Return what is stored of one usage point, or of all that may be seen."""
        access.require(Act.READ, point)
        table, usage_point = schema.series, schema.usage_point
        query = select(table, usage_point.c.code).join(usage_point, usage_point.c.id == table.c.usage_point)
        query = query.order_by(usage_point.c.code, table.c.reading_type, table.c.interval_s)
        with self._session.reading() as unit:
            if point is not None:
                query = query.where(table.c.usage_point == self._names.point_keys(unit, [point])[0])
            kinds = every_type(unit)
            rows = [row for row in unit.connection.execute(query) if access.may_see(row.code)]
            with leaving_out():  # an end that cannot be read is that of its day
                ends = EndReader(unit, rows, lambda kind, days: self._away(unit, access, kind, days))
            return [_to_series(kinds[row.reading_type], row, ends.ends(row)) for row in rows]

    def known_series(self, access: Access, point: str) -> list[Series]:
        """Return what is stored of one usage point, counted without what was taken back; of archived days that counts.

        Its blocks are looked through, which nobody should do for many usage points.
        """
        found: list[Series] = []
        for one in self.series(access, point):
            with self._session.reading() as unit:
                kind, key = self._names.type_key(unit, one.reading_type), self._names.point_keys(unit, [point])[0]
                days = _days_of(Interval(one.first, one.last))
                alike = self._names.resolutions(unit, one.reading_type)
                finer = [alike[each] for each in alike if each < one.reading_type.exponent]
                gone = Counter[int]() if kind is None else count_taken_back(unit, kind, key, days, finer)
            found.append(replace(one, readings=one.readings - gone[int(one.interval.total_seconds())]))
        return found

    def extents(self, access: Access, points: Sequence[str]) -> list[Extent]:
        """Return from which to which day each series of some usage points reaches, in one look-up."""
        _require_all(access, Act.READ, points)
        with self._session.reading() as unit:
            return read_extents(unit, dict(zip(self._names.point_keys(unit, points), points, strict=True)))

    def stretches(
        self,
        access: Access,
        points: Sequence[str],
        period: Interval,
        *,
        reading_type: ReadingType = DELIVERED_ENERGY,
        image: Image = Image.RAW,
    ) -> list[Stretch]:
        """Return where within a period the interval length of a series changes, by usage point and time.

        Each usage point is looked up by itself: ask for those that have several lengths.
        """
        _require_all(access, Act.READ, points)
        with self._session.reading() as unit:
            kind = self._names.type_key(unit, reading_type, image)
            if kind is None:
                return []
            keys = dict(zip(self._names.point_keys(unit, points), points, strict=True))
            away = self._away(unit, access, kind, _days_of(period))
            if away is not None:
                away.name(np.array(list(keys), np.int64))
            return list(read_stretches(unit, kind, keys, period, away))

    def resolutions(self, access: Access, kind: ReadingType) -> list[ReadingType]:
        """Return the types that mean the same in any resolution and were ever stored, the finest first."""
        access.require(Act.READ)
        with self._session.reading(settled=False) as unit:
            return [kind.finer(exponent) for exponent in sorted(self._names.resolutions(unit, kind))]

    def image_types(self, access: Access, image: Image = Image.FINAL) -> list[ReadingType]:
        """Return the reading types of which an image was ever stored."""
        access.require(Act.READ)
        with self._session.reading() as unit:
            return [kind for kind, which in every_image(unit).values() if which is image]

    def final_states(self, access: Access, points: Sequence[str], period: Interval) -> dict[str, ImageState]:
        """Return the state of usage points' final images on the UTC days of a period; equal: nobody wrote to them."""
        _require_all(access, Act.READ, points)
        days = _days_of(period)
        with self._session.reading() as unit:
            names = dict(zip(self._names.point_keys(unit, points), points, strict=True))
            kinds = [kind for kind, (_, which) in every_image(unit).items() if which is Image.FINAL]
            states = read_image_states(unit, kinds, np.array(sorted(names), np.int64), days)
        return {names[key]: state for key, state in states.items()}

    def final_days(self, access: Access, point: str, period: Interval) -> list[int]:
        """Return on which UTC days of a period a usage point has final images in the database, in order."""
        access.require(Act.READ, point)
        with self._session.reading() as unit:
            (key,) = self._names.point_keys(unit, [point])
            kinds = [kind for kind, (_, which) in every_image(unit).items() if which is Image.FINAL]
            return sorted(read_image_days(unit, kinds, key, _days_of(period)))

    def freshness(self, access: Access) -> list[Freshness]:
        """Return for each usage point with interval readings how far they reach, in one query.

        `last` is exact to a day: the end of the last day, or, if that is earlier, when its readings became known.
        """
        access.require(Act.READ)
        ends, point = within(_ends(), schema.series.c.usage_point, access).subquery(), schema.usage_point
        query: Select[Any] = select(point.c.code, ends.c.last, ends.c.readings)
        query = query.join(ends, ends.c.usage_point == point.c.id).order_by(point.c.code)
        with self._session.reading() as unit:
            return [_to_freshness(row) for row in unit.connection.execute(query).all()]

    def freshness_counts(
        self, access: Access, *, late: datetime, silent: datetime, listed: int = 10
    ) -> FreshnessCounts:
        """Count the usage points whose readings end before `late`, and before `silent`; the database does the counting.

        `oldest` are the late and silent ones, the longest without a reading first. What `freshness` says of ends holds.
        """
        access.require(Act.READ)
        ends = within(_ends(), schema.series.c.usage_point, access).cte("ends")  # looked for once, used twice
        before, gone = to_us(late), to_us(silent)
        counts = select(
            func.count().label("read"),
            func.sum(case((ends.c.last.between(gone, before - 1), 1), else_=0)).label("late"),
            func.sum(case((ends.c.last < gone, 1), else_=0)).label("silent"),
            func.sum(ends.c.readings).label("all_readings"),
            func.max(ends.c.last).label("newest"),
        ).select_from(ends)
        point = schema.usage_point
        oldest: Select[Any] = (
            select(point.c.code, ends.c.last, ends.c.readings)
            .join(ends, ends.c.usage_point == point.c.id)
            .where(ends.c.last < before)
            .order_by(ends.c.last, point.c.code)
            .limit(listed)
        )
        both, few = counts.subquery(), oldest.subquery()
        query: Select[Any] = select(both, few).select_from(both.outerjoin(few, true())).order_by(few.c.last, few.c.code)
        with self._session.reading() as unit:
            rows = unit.connection.execute(query).all()
        one, found = rows[0], tuple(_to_freshness(row) for row in rows if row.code is not None)
        newest = None if one.newest is None else from_us(int(one.newest))
        return FreshnessCounts(
            int(one.read), int(one.late or 0), int(one.silent or 0), found, int(one.all_readings or 0), newest
        )

    def versions(
        self,
        access: Access,
        point: str,
        day: date,
        reading_type: ReadingType = DELIVERED_ENERGY,
        *,
        image: Image = Image.RAW,
    ) -> list[Version]:
        """Return every state of one UTC day, the oldest first; empty when nothing is stored.

        What came at one instant is one state, unless it superseded what had come at that very instant.
        """
        access.require(Act.READ, point)
        with self._session.reading() as unit:
            key = self._names.point_keys(unit, [point])[0]
            kind = self._names.type_key(unit, reading_type, image)
            number = day_number(day)
            away = self._away(unit, access, kind, range(number, number + 1))
            if away is None:
                rows = None if kind is None else read_states(unit, kind, number, key)
            else:
                images = away.name(np.array([key], np.int64), history=True).images(number)
                rows = states_of(images, number)
        if rows is None:
            return []
        return [_to_version(rows.take([row]), point, day, (reading_type, image)) for row in range(rows.key.size)]


def _newest_block() -> ColumnElement[bool]:
    """Return which block is the last one of a series."""
    there, day = schema.series, schema.block
    return and_(
        day.c.reading_type == there.c.reading_type,
        day.c.usage_point == there.c.usage_point,
        day.c.day == there.c.last_day - 1,
    )


def _ends() -> Select[Any]:
    """Return for each usage point where its readings end, in microseconds, and how many there are."""
    there, day = schema.series, schema.block
    end = cast(there.c.last_day, BigInteger) * (DAY_S * 1_000_000)
    last = case((day.c.known_at_us < end, day.c.known_at_us), else_=end)
    return (
        select(there.c.usage_point, func.max(last).label("last"), func.sum(there.c.readings).label("readings"))
        .select_from(there)
        .outerjoin(day, _newest_block())
        .group_by(there.c.usage_point)
    )


def _to_freshness(row: Row[Any]) -> Freshness:
    return Freshness(row.code, from_us(int(row.last)), int(row.readings))


def _to_version(rows: blocks.BlockRows, point: str, day: date, which: tuple[ReadingType, Image]) -> Version:
    kind, _ = which
    slots, phase_s = blocks.shape_of(rows.shape[0]).grid
    start = from_epoch_s(day_number(day) * DAY_S + phase_s)
    interval = timedelta(seconds=DAY_S // slots)
    panel = Panel((point,), start, interval, rows.values(slots), rows.qualities(slots), kind)
    shown = _without_taken_back(_as_derived(panel))
    return Version(rows.revision[0], from_us(rows.known_at_us[0]), IntervalBlock(shown))


def _without_taken_back(panel: Panel) -> Panel:
    """Return a panel in which what was taken back is not known: edits of a final image, energy that no reads tell."""
    gone = panel.quality == q.TAKEN_BACK
    if not gone.any():
        return panel
    return panel.with_values(np.where(gone, np.nan, panel.values), np.where(gone, np.uint8(q.MISSING), panel.quality))


def _as_derived(panel: Panel) -> Panel:
    """Return a panel in which what reads tell of a month whose file cannot be read is plainly derived."""
    unseen = q.out_of_sight(panel.quality)
    if not unseen.any():
        return panel
    derived = np.uint8(q.pack(q.Status.DERIVED, q.Method.REGISTER))
    return panel.with_values(panel.values, np.where(unseen, derived, panel.quality))


def _to_series(kind: ReadingType, row: Row[Any], ends: tuple[int, int]) -> Series:
    first, last = map(from_epoch_s, ends)
    return Series(row.code, kind, timedelta(seconds=row.interval_s), first, last, row.readings)


def _days_of(period: Interval) -> range:
    return range(to_seconds(period.start) // DAY_S, -(-to_seconds(period.end) // DAY_S))


def _require_all(access: Access, act: Act, points: Sequence[str]) -> None:
    access.require(act)
    if access.points is not None:
        for point in points:
            access.require(act, point)


def _refuse_twice(points: Sequence[str]) -> None:
    if len(set(points)) < len(points):
        twice = next(point for at, point in enumerate(points) if point in points[:at])
        raise Conflict(f"usage point {twice} is in the panel twice", remedy="merge its rows first")
