"""Collect readings: every device that is due is called, and what it says is kept, one transaction a device."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gridwright.collect import Gate, Harvest, ReadPolicy, converse
from gridwright.domain.access import Access, Act
from gridwright.jobs.field.device_line import Lines
from gridwright.jobs.field.keep_harvest import Kept, keep_harvest
from gridwright.jobs.field.plan_reads import Planned, plan_reads
from gridwright.store import Store

Progress = Callable[[int, int], None]
MAX_NOTES = 100


@dataclass(frozen=True, slots=True)
class CollectSummary:
    """What a round of reading brought: devices due, read in full, failed; readings new or changed; the rest counted."""

    due: int
    read: int
    failed: int
    readings: int
    events: int
    quarantined: int
    findings: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Round:
    store: Store
    access: Access
    lines: Lines
    clock: Callable[[], datetime]
    policy: ReadPolicy

    async def read(self, planned: Planned, gate: Gate) -> tuple[Harvest, Kept]:
        async with gate.through(planned.link.address):
            line = self.lines.to(planned.link, planned.zone)
            harvest = await converse(planned.order, line, self.clock, self.policy)
        # No await between here and the commit: a transaction belongs to its thread, not to a task.
        kept = keep_harvest(self.store, self.access, planned, harvest, now=self.clock(), policy=self.policy)
        return harvest, kept


def collect_due(
    store: Store,
    access: Access,
    lines: Lines,
    clock: Callable[[], datetime],
    *,
    policy: ReadPolicy | None = None,
    serials: Sequence[str] = (),
    progress: Progress | None = None,
) -> CollectSummary:
    """Read the devices whose turn it is, or the named ones now; each result is durable before the next is begun.

    A device that fails is left alone for a while that doubles with each failure; its error stands in its session
    and its link, and the others are read all the same.
    """
    access.require(Act.WRITE_READINGS)
    rules = policy or ReadPolicy()
    planned = plan_reads(store, access, clock(), rules, serials)
    done = asyncio.run(_all(_Round(store, access, lines, clock, rules), planned, progress))
    return _summary(done)


async def _all(work: _Round, planned: Sequence[Planned], progress: Progress | None) -> list[tuple[Harvest, Kept]]:
    gate, done = Gate(work.policy.together, work.policy.per_gateway), 0

    async def one(each: Planned) -> tuple[Harvest, Kept]:
        nonlocal done
        result = await work.read(each, gate)
        done += 1
        if progress is not None:
            progress(done, len(planned))
        return result

    return list(await asyncio.gather(*(one(each) for each in planned)))


def _summary(done: Sequence[tuple[Harvest, Kept]]) -> CollectSummary:
    errors = [f"{harvest.serial}: {harvest.error}" for harvest, _ in done if harvest.error]
    notes = [note for _, kept in done for note in kept.notes]
    return CollectSummary(
        due=len(done),
        read=len(done) - len(errors),
        failed=len(errors),
        readings=sum(kept.readings for _, kept in done),
        events=sum(kept.events for _, kept in done),
        quarantined=sum(kept.quarantined for _, kept in done),
        findings=sum(kept.findings for _, kept in done),
        notes=tuple([*errors, *notes][:MAX_NOTES]),
    )
