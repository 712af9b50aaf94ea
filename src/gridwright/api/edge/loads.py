"""Records of an edge written as one: a thousand single readings must not cost a thousand rounds of the store."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from msgspec import structs

from gridwright.api.answer import Answer
from gridwright.api.ingest.names import Resolved
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.verdicts import Status, Verdicts
from gridwright.api.write.batch import Batch
from gridwright.api.write.batches import Outcome, write
from gridwright.domain.errors import GridwrightError

if TYPE_CHECKING:
    from gridwright.store import Store

MOST = 900  # readings of one load: fewer than verdicts are listed, so that each finds its record


@dataclass(slots=True, eq=False)
class Load:
    """Batches of a few readings each, none of which speaks of an instant that another one speaks of."""

    parts: list[Batch] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)
    keys: set[object] = field(default_factory=set)
    size: int = 0

    def takes(self, batch: Batch, keys: set[object]) -> bool:
        """Tell whether a batch can be written with the others."""
        return self.size + batch.decoded.records <= MOST and self.keys.isdisjoint(keys)

    def add(self, batch: Batch, keys: set[object]) -> None:
        """Take a batch in."""
        self.parts.append(batch)
        self.offsets.append(self.size)
        self.keys |= keys
        self.size += max(batch.decoded.records, 1)

    def whole(self) -> Batch:
        """Return all of it as one batch."""
        if len(self.parts) == 1:
            return self.parts[0]
        first, resolved, decoded = self.parts[0], Resolved(), Decoded(records=self.size)
        for part, offset in zip(self.parts, self.offsets, strict=True):
            resolved.few += [structs.replace(one, index=one.index + offset) for one in part.resolved.few]
            resolved.quarantined.join(part.resolved.quarantined.moved(offset))
            told = part.decoded.verdicts
            decoded.verdicts.accepted += told.accepted
            decoded.verdicts.quarantined += told.quarantined
            waits = (one for one in told.listed if one.status is Status.QUARANTINED)
            decoded.verdicts.listed += [replace(one, index=one.index + offset) for one in waits]
        return Batch(first.access, first.received, decoded, resolved, first.directory, told_later)

    def settle(self, whole: Batch) -> None:
        """Give the verdicts that came up while writing to the batches they belong to."""
        if len(self.parts) == 1:
            return
        self.parts[0].decoded.verdicts.set_aside += whole.decoded.verdicts.set_aside  # told of the load as a whole
        for verdict in whole.decoded.verdicts.listed:
            at = bisect_right(self.offsets, verdict.index) - 1
            decoded, index = self.parts[at].decoded, verdict.index - self.offsets[at]
            if verdict.status is Status.QUARANTINED:
                continue  # as the batch says itself
            if verdict.status is Status.DOUBTED:
                decoded.verdicts.doubt(decoded.places.of(index), verdict.fault, verdict.value)
                continue
            if not _waited(decoded.verdicts, index):
                decoded.verdicts.accepted -= 1
            decoded.verdicts.reject(decoded.places.of(index), verdict.fault, verdict.value)


def _waited(verdicts: Verdicts, index: int) -> bool:
    """Take back that a record was to wait in quarantine; tells whether it was."""
    for at, one in enumerate(verdicts.listed):
        if one.index == index and one.status is Status.QUARANTINED:
            del verdicts.listed[at]
            verdicts.quarantined -= 1
            return True
    return False


def told_later(batch: Batch) -> Answer:
    """Return no answer: each record's verdicts are told with those of the others."""
    del batch
    return Answer(200)


def loads_of(batches: Sequence[Batch]) -> Iterator[Load]:
    """Yield batches in order, those of single readings together."""
    load = Load()
    for batch in batches:
        resolved = batch.resolved
        many = bool(resolved.intervals or resolved.registers)
        keys: set[object] = {(one.name, one.at_s, one.meaning.reading_type) for one in resolved.few}
        if load.parts and (many or not load.takes(batch, keys)):
            yield load
            load = Load()
        load.add(batch, keys)
        if many:
            yield load
            load = Load()
    if load.parts:
        yield load


def write_loads(store: Store, batches: Sequence[Batch], now: datetime) -> list[Outcome]:
    """Write batches and return the outcome of each; where a load cannot be written, its batches are, one by one."""
    loads = list(loads_of(batches))
    wholes = [load.whole() for load in loads]
    outcomes: list[Outcome] = []
    for load, whole, outcome in zip(loads, wholes, write(store, wholes, now), strict=True):
        if isinstance(outcome, GridwrightError) and len(load.parts) > 1:
            outcomes += write(store, load.parts, now)
            continue
        load.settle(whole)
        outcomes += [outcome] * len(load.parts)
    return outcomes
