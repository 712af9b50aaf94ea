"""Keep what a conversation brought: each value at the usage point where the meter hung then, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

import numpy as np

from gridwright.collect import Harvest, ReadPolicy, spans, without
from gridwright.domain.access import Access, Act
from gridwright.domain.device import ReadSession
from gridwright.domain.errors import Forgotten, GridMismatch
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.hung import place_of_read
from gridwright.domain.interval import Interval, epoch_s
from gridwright.domain.panel import Panel, slot_time
from gridwright.domain.quality import MISSING
from gridwright.domain.quarantine import QuarantinedReading
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.jobs.field.doubt_relay import relay_doubts
from gridwright.jobs.field.plan_reads import ABSENT, Planned, scaled
from gridwright.jobs.grid.close_balance import balance_findings
from gridwright.jobs.meters.day_again import told_beside
from gridwright.jobs.meters.in_epochs import in_epochs
from gridwright.jobs.meters.keep_reads import keep_reads
from gridwright.jobs.tried_again import tried_again
from gridwright.store import NOTHING_SAVED, SaveSummary, Store
from gridwright.store.days.fitting import save_fitting


@dataclass(frozen=True, slots=True)
class Kept:
    """What was kept of one conversation: new and changed readings, events, quarantined readings, new findings."""

    readings: int = 0
    events: int = 0
    quarantined: int = 0
    findings: int = 0
    notes: tuple[str, ...] = ()


@tried_again
def keep_harvest(
    store: Store, access: Access, planned: Planned, harvest: Harvest, *, now: datetime, policy: ReadPolicy
) -> Kept:
    """Save panels, registers, events, the session and the link's state together; again, it changes nothing."""
    notes = list(harvest.notes)
    harvest.panels = [only_lacking(panel, planned.lacking.get(panel.reading_type, ())) for panel in harvest.panels]
    with store.transaction():
        placed = [part for panel in harvest.panels for part in placed_panels(panel, planned.installed)]
        saved = [_save_panel(store, access, panel, now, notes) for panel in placed]
        readings = sum(each.new + each.changed for each in saved)
        hung = [read for each in harvest.registers for read in placed_registers(each, planned.installed)]
        reads = in_epochs(store, access, hung)
        if reads:
            kept = keep_reads(store, access, reads, known_at=now, derive=True)
            readings += kept.new + kept.changed
        for panel, each in zip(placed, saved, strict=True):
            told_beside(store, (access, access), each.made_way, panel.reading_type, now)
        stray = list(stray_readings(harvest, planned.installed))
        quarantined = store.quarantine.save(access, stray, received=now) if stray else 0
        told = [placed_event(each, planned.installed) for each in harvest.events]
        doubts = relay_doubts(store, access, planned.link.serial, placed, now=now)
        events = store.devices.save_events(access, [*told, *doubts])
        notes += [doubt.text for doubt in doubts]
        _remember_absent(store, access, planned, harvest, now - policy.certain_after)
        found = balance_findings(store, access, placed, planned.installed)
        findings = store.findings.save(access, found, known_at=now) if found else 0
        _note(store, access, planned, harvest, notes)
    return Kept(readings, events, quarantined, findings, tuple(f"{planned.link.serial}: {note}" for note in notes))


def only_lacking(panel: Panel, lacking: Sequence[Interval]) -> Panel:
    """Return the panel without what was stored before: a value that somebody edited must not be read over."""
    begins = epoch_s(panel.start) + panel.interval_s * np.arange(panel.slots, dtype=np.int64)
    wanted = np.zeros(panel.slots, np.bool_)
    for hole in lacking:
        wanted |= (begins >= epoch_s(hole.start)) & (begins < epoch_s(hole.end))
    return panel.with_values(np.where(wanted, panel.values, np.nan), np.where(wanted, panel.quality, np.uint8(MISSING)))


def placed_panels(panel: Panel, installed: Sequence[Installation]) -> Iterator[Panel]:
    """Yield the panel's parts at the usage points where the device was, times the transformer factor in force."""
    for place in installed:
        during = panel.period.intersection(place.period)
        if during is None:
            continue
        part = _whole_intervals(panel, during)
        if part.slots and not part.missing.all():
            yield _times(replace(part, points=(place.usage_point,)), place)


def _whole_intervals(panel: Panel, during: Interval) -> Panel:
    """Return the intervals that lie within a period: one during which the meter was exchanged belongs to neither."""
    first = -((panel.start - during.start) // panel.interval)
    last = (during.end - panel.start) // panel.interval
    return panel.slice(max(first, 0), max(first, last, 0))


def _times(panel: Panel, place: Installation) -> Panel:
    kind = scaled(panel.reading_type, place)
    if place.multiplier == 1 or not panel.reading_type.sums:
        return panel
    factor = place.multiplier * Decimal(10) ** (panel.reading_type.exponent - kind.exponent)
    return replace(panel, values=panel.values * float(factor), reading_type=kind)


def _save_panel(store: Store, access: Access, panel: Panel, now: datetime, notes: list[str]) -> SaveSummary:
    try:
        return store.readings.save(access, panel, known_at=now)
    except Forgotten as error:
        notes.append(f"not stored: {error.message}")
        saved: list[SaveSummary] = []
        for _ in save_fitting(lambda some: saved.append(store.readings.save(access, some, known_at=now)), panel):
            pass  # days that were forgotten, which the note tells together
        return sum(saved, NOTHING_SAVED)
    except GridMismatch as error:
        # The rest of the conversation is kept: this series contradicts what another source has stored.
        notes.append(f"not stored: {error.message}")
        return NOTHING_SAVED


def placed_registers(read: RegisterReading, installed: Sequence[Installation]) -> Iterator[RegisterReading]:
    """Yield the read at the usage point where the device is; the factor is applied to differences, later."""
    place = place_of_read(installed, read.at)
    if place is not None:
        # Registers are kept to the second; no meter's clock is better.
        yield replace(read, usage_point=place.usage_point, at=read.at.replace(microsecond=0))


def placed_event(event: EndDeviceEvent, installed: Sequence[Installation]) -> EndDeviceEvent:
    """Return the event with the usage point at which the device was when it happened."""
    point = next((place.usage_point for place in installed if event.at in place.period), "")
    return replace(event, usage_point=point) if point else event


def stray_readings(harvest: Harvest, installed: Sequence[Installation]) -> Iterator[QuarantinedReading]:
    """Yield what was measured while the device hung at no usage point that anybody knows."""
    for panel in harvest.panels:
        inside = _covered(panel, installed)
        for slot in np.flatnonzero(~panel.missing[0] & ~inside):
            at, value = slot_time(panel, int(slot)), float(panel.values[0, slot])
            quality = int(panel.quality[0, slot])
            yield QuarantinedReading(harvest.serial, at, value, panel.interval_s, panel.reading_type, quality)
    for read in harvest.registers:
        if place_of_read(installed, read.at) is None:
            yield QuarantinedReading(harvest.serial, read.at, read.value, 0, read.reading_type, read.quality)


def _covered(panel: Panel, installed: Sequence[Installation]) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which intervals touch an installation: one cut by an exchange is nobody's, and no stray either."""
    start, length = epoch_s(panel.start), panel.interval_s
    begins = start + length * np.arange(panel.slots, dtype=np.int64)
    inside = np.zeros(panel.slots, np.bool_)
    for place in installed:
        inside |= (begins < epoch_s(place.period.end)) & (begins + length > epoch_s(place.period.start))
    return inside


def _remember_absent(store: Store, access: Access, planned: Planned, harvest: Harvest, before: datetime) -> None:
    """Keep which intervals the meter has not got; those that are young may yet come."""
    news: dict[ReadingType, list[Interval]] = {}
    for kind, hole in harvest.absent:
        if hole.start < before:
            news.setdefault(kind, []).append(Interval(hole.start, min(hole.end, before)))
    news = {kind: found for kind, found in news.items() if without(found, planned.absent.get(kind, ()))}
    if not news:
        return
    oldest = before - timedelta(days=60)
    kinds = {*news, *planned.absent}
    union = {kind: spans([*planned.absent.get(kind, ()), *news.get(kind, ())]) for kind in kinds}
    body = {
        kind.code: [[epoch_s(each.start), epoch_s(each.end)] for each in union[kind] if each.end > oldest]
        for kind in sorted(kinds, key=lambda kind: kind.code)
    }
    store.outlooks.save(access, ABSENT, planned.link.serial, body, issued=harvest.ended)


def _note(store: Store, access: Access, planned: Planned, harvest: Harvest, notes: Sequence[str]) -> None:
    """Write the session down, and on the link what the next plan and the operator need."""
    # As it is now: somebody may have retired the device while it was being read.
    link = store.devices.hold(access, planned.link.serial)
    after = replace(
        link,
        clock_drift_s=link.clock_drift_s if harvest.drift_s is None else harvest.drift_s,
        last_contact=harvest.ended if harvest.answered else link.last_contact,
        failures=link.failures + 1 if harvest.error else 0,
        problem=harvest.error or "; ".join(notes),
    )
    store.devices.save_link(access, after)
    session = ReadSession(
        link.serial,
        harvest.began,
        harvest.ended,
        harvest.readings,
        len(harvest.events),
        planned.attempt,
        harvest.error,
        harvest.drift_s,
        harvest.clock_set,
    )
    store.devices.note_session(access, session)
    if harvest.clock_set:
        act, subject = Act.WRITE_READINGS, f"device {link.serial}"
        store.audit.append(access, act, subject, what="clock set", drift_s=harvest.drift_s)
