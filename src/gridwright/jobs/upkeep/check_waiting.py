"""What waits in the database, and how its edges are."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from gridwright.domain.access import LOCAL_OWNER
from gridwright.jobs.upkeep.health import Check, ago, fails, fine, graded
from gridwright.jobs.upkeep.tidy_store import next_forgetting
from gridwright.store import Store
from gridwright.store.findings import FindingFilter

SOON = timedelta(hours=1)
LONG = timedelta(hours=24)
DAY = timedelta(days=1)
MANY_DIRTY, MANY_RERATES = 100_000, 100_000
SILENT = timedelta(minutes=10)
JOURNAL = timedelta(minutes=1)
LOST = timedelta(hours=24)
CLOCK = timedelta(seconds=30)
UNJUDGED = "V00_unjudged"
LISTED, SHOWN = 1_000, 5  # findings that are looked at, usage points that are named
WORKER = "see that a worker runs: gridwright serve"


def check_waiting(store: Store, now: datetime, keep_quarantine: timedelta | None = None) -> Iterator[Check]:
    """Look at what waits: corrections, what cannot be judged, bills to rate again, unknown meters, jobs.

    `keep_quarantine`: how long readings of unknown meters wait before they are deleted; None = for ever.
    """
    waits = store.backlogs.count(LOCAL_OWNER)
    found = f"{waits.dirty} ranges of changed readings wait"
    yield graded("corrections", found, WORKER, warn=waits.dirty > MANY_DIRTY)
    yield _check_unjudged(store)
    since = timedelta() if waits.oldest_rerate is None else now - waits.oldest_rerate
    found = f"{waits.rerates} periods wait" + (f", the oldest for {ago(since)}" if waits.rerates else "")
    warn = waits.rerates > MANY_RERATES or since > SOON
    yield graded("bills to rate again", found, WORKER, warn=warn, fail=since > LONG)
    found = f"{waits.quarantined} readings of {waits.quarantined_meters} unknown meters"
    found += f", and {waits.waiting_events} events without a usage point" if waits.waiting_events else ""
    fate = "nothing of it is lost"
    if keep_quarantine is not None:
        fate = f"what waits for more than {keep_quarantine / DAY:g} days is deleted (retention.quarantine_days)"
        told = next_forgetting(store, LOCAL_OWNER, "quarantine", now)
        fate += f": next what came in before {told.before:%Y-%m-%d}, on {told.due:%Y-%m-%d}" if told else ""
    remedy = f"gridwright quarantine list shows them: register or claim the meters; {fate}"
    yield graded("quarantine", found, remedy, warn=waits.quarantined + waits.waiting_events > 0)
    since = timedelta() if waits.oldest_job is None else now - waits.oldest_job
    found = f"{waits.jobs} wait" + (f", the oldest for {ago(since)}" if waits.jobs else "")
    yield graded("ordered jobs", f"{found}; {waits.failed_jobs} failed", WORKER, warn=since > SOON, fail=since > LONG)


def _check_unjudged(store: Store) -> Check:
    """Name the usage points that no rule can judge: they have no final readings, and so no totals and no bills."""
    open_ones = store.findings.page(LOCAL_OWNER, FindingFilter(code=UNJUDGED), limit=LISTED + 1)
    if not open_ones:
        return fine("judging", "every usage point with readings can be judged")
    points = sorted({one.finding.usage_point for one in open_ones[:LISTED]})
    shown = ", ".join(points[:SHOWN]) + (f" and {len(points) - SHOWN} more" if len(points) > SHOWN else "")
    more = "at least " if len(open_ones) > LISTED else ""
    found = f"{more}{len(points)} usage points cannot be judged, so they have no final readings: {shown}"
    return fails("judging", found, f"gridwright finding list --code {UNJUDGED} tells why, each with what helps")


def check_journal(store: Store, now: datetime) -> Iterator[Check]:
    """Look at readings that wait in the journal, before anybody reads, and at those that could not be folded."""
    waits = store.journal.waiting(LOCAL_OWNER)
    since = timedelta() if waits.oldest is None else now - waits.oldest
    found = f"{waits.readings} readings wait" + (f", the oldest for {ago(since)}" if waits.rows else "")
    yield graded("journal", found, "its log tells why the server does not fold them", warn=since > JOURNAL)
    if waits.aside_rows:
        found = f"{waits.aside_readings} readings in {waits.aside_rows} rows were put aside, the last: {waits.reason}"
        yield fails("journal", found, "gridwright journal list")


def check_edges(store: Store, now: datetime) -> Iterator[Check]:
    """Look at each edge: when it was last here, what it still holds, what it lost, and its clock."""
    edges = store.edges.latest(LOCAL_OWNER)
    if not edges:
        yield fine("edges", "none")
    for edge in edges:
        silent, report = now - edge.last, edge.report
        ahead, late = report.clock_ahead, timedelta(seconds=edge.lag_s(now)) - silent
        parts = [f"last heard {ago(silent)} ago", f"{report.waiting} batches wait there"]
        if late > SOON:
            parts.append(f"the oldest had waited for {ago(late)} then")
        if edge.lost or report.dropped:
            parts.append(f"{max(edge.lost, report.dropped)} were lost")
        if abs(ahead) > CLOCK:
            parts.append(f"its clock is {ago(abs(ahead))} {'ahead' if ahead > timedelta() else 'behind'}")
        remedy = "see `gridwright edge status` there, its line and its clock"
        warn = silent > SILENT or late > SOON or abs(ahead) > CLOCK or edge.lost + report.dropped > 0
        if edge.shared_by:
            parts.append(f"{len(edge.shared_by)} processes send under this name at once: {'; '.join(edge.shared_by)}")
            remedy, warn = (
                f"give each a name of its own (edge.name), as a copied edge.toml has not; then {remedy}",
                True,
            )
        yield graded(f"edge {edge.edge}", ", ".join(parts), remedy, warn=warn, fail=silent > LOST)
