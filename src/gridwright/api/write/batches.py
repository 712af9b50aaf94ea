"""Batches of many clients to the store in one transaction: merged where they agree, one after another where not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.answer import Answer
from gridwright.api.ingest.few import Few
from gridwright.api.ingest.meaning import Meaning
from gridwright.api.ingest.plain import PlainReadings, joined
from gridwright.api.ingest.verdicts import Fault, Status
from gridwright.api.write.batch import Batch
from gridwright.api.write.registers import save_registers
from gridwright.api.write.singles import write_singles
from gridwright.domain.access import LOCAL_OWNER, Access
from gridwright.domain.errors import GridwrightError, StoreError
from gridwright.domain.interval import epoch_s, from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.readings import Readings
from gridwright.domain.verdict import Reject
from gridwright.ingest import grid_readings
from gridwright.ingest.grid import LONG_GAP_S
from gridwright.ingest.order import merge, order, take
from gridwright.jobs.meters.day_again import told_beside
from gridwright.store.days.fitting import save_fitting
from gridwright.store.journal.journal import OrderedReadings
from gridwright.vee.arrivals import contradiction_findings

if TYPE_CHECKING:
    from gridwright.store import Store

Outcome = Answer | GridwrightError


@dataclass(slots=True)
class Pile:
    """Readings of one kind of several batches; a reading's line is its batch's number times SHIFT, plus its index."""

    access: Access
    parts: list[tuple[int, Readings]] = field(default_factory=list)
    few: list[tuple[int, Few]] = field(default_factory=list)

    def of(self, batches: Sequence[int]) -> Pile:
        """Return what some of the batches have of it."""
        parts = [one for one in self.parts if one[0] in batches]
        return Pile(self.access, parts, [one for one in self.few if one[0] in batches])

    def merged(self) -> Readings:
        """Return them as one series."""
        numbered = [replace(part, line=part.line + number * SHIFT) for number, part in self.parts]
        if self.few:
            numbered.append(_in_columns(self.few))
        (whole,) = merge(numbered) if len(numbered) > 1 else numbered
        return whole


SHIFT = 1 << 32
LET_GO = Fault("meter", "nobody knows it, and what it sent was let go", "register the meter, then send it again")
NO_ROOM = Fault("meter", "nobody knows it, and the quarantine is full", "register the meters, or correct their names")


def write(store: Store, batches: Sequence[Batch], now: datetime) -> list[Outcome]:
    """Write batches in one transaction and return, for each, its answer or the error that is its own.

    StoreError is raised: then nothing of any batch is written.
    """
    plain = [batch for batch in batches if batch.once is None]
    try:
        with store.transaction(settled=False):  # what touches readings settles it
            if plain:
                _write_together(store, plain, now)
            outcomes: dict[int, Outcome] = {id(batch): batch.tell(batch) for batch in plain}
            outcomes |= {id(batch): _write_alone(store, batch, now) for batch in batches if batch.once is not None}
    except StoreError:
        raise
    except GridwrightError:
        # One of them cannot be written at all: each by itself, so that it fails alone.
        with store.transaction(settled=False):
            outcomes = {id(batch): _write_alone(store, batch, now) for batch in batches}
    return [outcomes[id(batch)] for batch in batches]


def _write_alone(store: Store, batch: Batch, now: datetime) -> Outcome:
    """Write one batch with the answer that is remembered for its key; its failure is its own."""
    try:
        with store.transaction(settled=False):
            restore(batch)
            _write_together(store, [batch], now)
            answer = batch.tell(batch)
            if batch.once is not None:
                remember(store, batch, answer, now)
            return answer
    except StoreError:
        raise
    except GridwrightError as error:
        return error


def remember(store: Store, batch: Batch, answer: Answer, now: datetime) -> None:
    """Keep the answer under the batch's key, in the same transaction as its readings."""
    from gridwright.store import StoredAnswer

    if batch.once is not None:
        kept = StoredAnswer(answer.status, answer.body, answer.media_type)
        store.answers.remember(batch.access, batch.once.key, batch.once.digest, kept, now=now)


def _write_together(store: Store, batches: Sequence[Batch], now: datetime) -> None:
    for batch in batches:
        restore(batch)
        if batch.strays:
            _quarantine(store, batch)
    if _put_in_journal(store, batches, now):
        return
    for batch in batches:
        if batch.make_usual():
            restore(batch)
    batches = write_singles(store, batches, now)
    for pile in _piles(batches, "intervals"):
        for readings in _in_turn(pile):
            rejects, aside = _save_intervals(store, pile.access, readings, now)
            _tell(batches, rejects)
            _tell_aside(batches, readings, aside)
    for pile in _piles(batches, "registers"):
        for readings in _in_turn(pile):
            context = LOCAL_OWNER, batches[-1].directory, now
            rejects, doubts = save_registers(store, pile.access, readings, context)
            _tell(batches, rejects, "at")
            _tell_doubts(batches, doubts)


def _put_in_journal(store: Store, batches: Sequence[Batch], now: datetime) -> bool:
    """Put the readings of batches in the journal, if all of them may wait there; otherwise nothing, and False.

    Beside others they would be folded in the same transaction: these are saved, and that comes after what waits.
    """
    if not all(batch.journal and not batch.resolved.registers and not batch.resolved.few for batch in batches):
        return False
    if any(batch.guesses for batch in batches):
        return False  # whether they count is told by what is stored
    accepted = []
    for (access, meaning), same in groupby(batches, _what):
        if meaning is None:
            found = [store.journal.accept(access, part) for batch in same for part in batch.resolved.intervals]
        else:
            plain = joined([batch.plain for batch in same if batch.plain is not None])
            found = [store.journal.accept_ordered(access, _ordered(part)) for part in plain]
        if None in found:
            return False
        accepted += [one for one in found if one is not None]
    if accepted:
        store.journal.put(accepted, received=now)
    return True


def _what(batch: Batch) -> tuple[Access, Meaning | None]:
    """Return who sends a batch, and of what meaning its plain readings are: what follows each other is one row."""
    return batch.access, None if batch.plain is None else batch.plain.meaning


def _ordered(plain: PlainReadings) -> OrderedReadings:
    meaning = plain.meaning
    return OrderedReadings(
        meaning.reading_type, meaning.interval_s, meaning.quality, plain.point, plain.at, plain.count
    )


def _quarantine(store: Store, batch: Batch) -> None:
    """Keep the readings of unknown meters, as far as there is room; what has none is refused, and told."""
    keep_strays(store, batch, batch.strays, store.quarantine.room(batch.access))


def keep_strays(store: Store, batch: Batch, most: int, room: int) -> int:
    """Bring up to so many of the readings that no usage point has into quarantine, and return how many were looked at.

    What does not wait, as there is no room or somebody let the same go before, is refused, and told.
    """
    ahead = batch.ahead
    parts = batch.resolved.quarantined.between(ahead, ahead + min(most, batch.strays))
    kept = store.quarantine.save_series(batch.access, parts, received=batch.received, room=room)
    lines = np.concatenate([part.line for part in parts]) if parts else np.zeros(0, np.int64)
    for places, fault in ((kept.let_go, LET_GO), (kept.no_room, NO_ROOM)):
        _refuse_strays(batch, Counter(lines[list(places)].tolist()), fault)
    return int(lines.size)


def _refuse_strays(batch: Batch, records: Counter[int], fault: Fault) -> None:
    """Say of so many readings of some records that they do not wait."""
    verdicts, lost = batch.decoded.verdicts, records.total()
    if not lost:
        return
    verdicts.quarantined -= lost
    verdicts.rejected += lost
    for at, one in enumerate(verdicts.listed):
        if one.status is Status.QUARANTINED and records[one.index] > 0:
            records[one.index] -= 1
            verdicts.listed[at] = replace(one, status=Status.REJECTED, fault=fault)


def restore(batch: Batch) -> None:
    """Take back the verdicts of an attempt that was rolled back."""
    verdicts = batch.decoded.verdicts
    if batch.mark is None:
        counts = (verdicts.accepted, verdicts.rejected, verdicts.quarantined, verdicts.set_aside, verdicts.doubted)
        batch.mark = counts, tuple(verdicts.listed)
        return
    counts, listed = batch.mark
    verdicts.accepted, verdicts.rejected, verdicts.quarantined, verdicts.set_aside, verdicts.doubted = counts
    verdicts.listed[:] = listed


def _piles(batches: Sequence[Batch], what: str) -> Iterator[Pile]:
    """Sort the readings of all batches by who sent them and what they are."""
    piles: dict[object, Pile] = {}
    registers = what == "registers"
    for number, batch in enumerate(batches):
        for part in getattr(batch.resolved, what):
            key = (batch.access, part.reading_type, part.interval_s)
            piles.setdefault(key, Pile(batch.access)).parts.append((number, part))
        for one in batch.resolved.few:
            if one.meaning.is_register is registers:
                key = (batch.access, one.meaning.reading_type, one.meaning.interval_s)
                piles.setdefault(key, Pile(batch.access)).few.append((number, one))
    yield from piles.values()


def _in_columns(few: Sequence[tuple[int, Few]]) -> Readings:
    """Put single readings of one type and length in columns."""
    meaning = few[0][1].meaning
    pairs: dict[tuple[str, str], int] = {}
    point = [pairs.setdefault((one.name, one.meter if meaning.is_register else ""), len(pairs)) for _, one in few]
    return Readings(
        points=tuple(name for name, _ in pairs),
        point=np.array(point, np.int32),
        at=np.array([one.at_s for _, one in few], np.int64),
        value=np.array([one.counts for _, one in few], np.float64),
        quality=np.array([one.meaning.quality for _, one in few], np.uint8),
        line=np.array([number * SHIFT + one.index for number, one in few], np.int64),
        interval_s=meaning.interval_s,
        reading_type=meaning.reading_type,
        devices=tuple(meter for _, meter in pairs) if meaning.is_register else (),
        presumed=np.array([one.presumed for _, one in few], np.bool_) if meaning.is_register else None,
    )


def _in_turn(pile: Pile) -> Iterator[Readings]:
    """Yield all readings at once, or, where two batches speak of the same, in rounds in which none do.

    What one of them had acknowledged must be superseded by the other, with its version kept, not replaced unseen. For
    registers the same usage point is enough: each read is judged by those that were known when it came.
    """
    whole = pile.merged()
    if len(pile.parts) + len(pile.few) > 1:
        batch, key = whole.line // SHIFT, whole.point.astype(np.int64)
        if whole.interval_s:
            first = int(whole.at.min())
            key = key * (int(whole.at.max()) - first + 1) + whole.at - first
        row = np.lexsort((batch, key))
        if ((key[row][1:] == key[row][:-1]) & (batch[row][1:] != batch[row][:-1])).any():
            for numbers in _rounds(key, batch):
                yield pile.of(numbers).merged()
            return
    yield whole


def _rounds(key: npt.NDArray[np.int64], batch: npt.NDArray[np.int64]) -> list[list[int]]:
    """Put each batch in the first round after all earlier batches that share a key with it."""
    last: dict[int, int] = {}
    rounds: list[list[int]] = []
    for number in np.unique(batch).tolist():
        keys = set(key[batch == number].tolist())
        turn = max((last.get(one, -1) for one in keys), default=-1) + 1
        last.update(dict.fromkeys(keys, turn))
        if turn == len(rounds):
            rounds.append([])
        rounds[turn].append(number)
    return rounds


def _tell(batches: Sequence[Batch], rejects: Sequence[Reject], field: str = "start") -> None:
    """Give the verdicts that came up while writing to the batches they belong to."""
    for reject in rejects:
        number, index = divmod(reject.line, SHIFT)
        decoded = batches[number].decoded
        decoded.verdicts.accepted -= 1
        decoded.verdicts.reject(decoded.places.of(index), Fault(field, reject.reason, reject.remedy), reject.value)


def _tell_doubts(batches: Sequence[Batch], doubts: Sequence[Reject]) -> None:
    """Tell the batches which of their reads are kept, and count nothing."""
    for doubt in doubts:
        number, index = divmod(doubt.line, SHIFT)
        decoded = batches[number].decoded
        decoded.verdicts.doubt(decoded.places.of(index), Fault("at", doubt.reason, doubt.remedy), doubt.value)


def _tell_aside(batches: Sequence[Batch], readings: Readings, aside: Sequence[tuple[str, int]]) -> None:
    """Count what was set aside in the verdicts of the batches it belongs to; no two of them speak of one interval."""
    if not aside:
        return
    number = {name: place for place, name in enumerate(readings.points)}
    first, reach = int(readings.at.min()), int(np.ptp(readings.at)) + 1
    gone = np.array([number[name] * reach + at - first for name, at in aside], np.int64)
    rows = np.isin(readings.point.astype(np.int64) * reach + readings.at - first, gone)
    keys = np.unique(np.stack([readings.line[rows] // SHIFT, readings.point[rows], readings.at[rows]], axis=1), axis=0)
    for batch, count in zip(*np.unique(keys[:, 0], return_counts=True), strict=True):
        batches[int(batch)].decoded.verdicts.set_aside += int(count)


def _save_intervals(
    store: Store, access: Access, readings: Readings, now: datetime
) -> tuple[list[Reject], list[tuple[str, int]]]:
    """Save interval readings of one type and length; returns those that do not fit what is stored, or count by it."""
    ordered = order(readings)
    if ordered.tally.conflicting:
        store.findings.save(access, contradiction_findings(readings), known_at=now)
    rejects: list[Reject] = []
    aside: list[tuple[str, int]] = []

    def save(some: Panel) -> None:
        saved = store.readings.save(access, some, known_at=now, aside=aside)
        told_beside(store, (LOCAL_OWNER, access), saved.made_way, some.reading_type, now)

    for piece in _pieces(ordered.readings):
        for panel in grid_readings(piece).panels:
            for part, error in save_fitting(save, panel):
                rejects += _misfits(piece, part, error)
    return rejects, aside


def _pieces(readings: Readings) -> Iterator[Readings]:
    """Cut by phase and at long holes, so that no client's readings look like strays beside another's."""
    phase = readings.at % readings.interval_s
    for one in np.unique(phase).tolist() if (phase != phase[0]).any() else [int(phase[0])]:
        part = take(readings, phase == one) if (phase != one).any() else readings
        moments = np.unique(part.at)
        cuts = moments[1:][np.diff(moments) > LONG_GAP_S // 2]
        if not cuts.size:
            yield part
            continue
        which = np.searchsorted(cuts, part.at, side="right")
        for number in range(cuts.size + 1):
            yield take(part, which == number)


def _misfits(readings: Readings, panel: Panel, error: GridwrightError) -> list[Reject]:
    """Return a reject for each reading of a day that does not fit."""
    first, last = epoch_s(panel.start), epoch_s(panel.end)
    mine = np.array([name == panel.points[0] for name in readings.points])
    rows = np.flatnonzero(mine[readings.point] & (readings.at >= first) & (readings.at < last))
    return [
        Reject(int(readings.line[row]), error.message, error.remedy, from_epoch_s(int(readings.at[row])).isoformat())
        for row in rows.tolist()
    ]
