"""Look at the archive: what is in it, what is on its way, and whether its files are where the register says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.month import month_name
from gridwright.jobs.upkeep.archive_files import AtAddress, look_at_files
from gridwright.jobs.upkeep.health import Check, fails, fine, graded
from gridwright.store import Store
from gridwright.store.archive.archive import ARCHIVED

PATIENCE_S = 10.0  # for an address that does not answer
SHOWN = 6
LOST = "bring the files back from a copy of the archive; gridwright verify then compares them with their checksums"
ANEW = "gridwright archive run writes them anew: the database has these months too"
MOVED = "bring the folder back, or mount its disk; where it lies elsewhere now: gridwright archive move --to ADDRESS"


def check_archive(store: Store, to: str) -> Iterator[Check]:
    """Tell what is in the archive, what is only there, what is on its way, and which files are not there."""
    parts = store.archive.parts(LOCAL_OWNER)
    if not parts:
        yield fine("archive", f"empty; months go to {to}" if to else "none")
        return
    states = [part.state for part in parts]
    moving = sum(1 for state in states if state in {"dropping", "restoring"})
    found = f"{len(parts)} series-months, {states.count('dropped')} only there"
    remedy = "an interrupted move waits: call gridwright archive run --drop, or archive restore, again"
    yield graded("archive", found + (f", {moving} on their way" if moving else ""), remedy, warn=moving > 0)
    for looked in look_at_files(parts, patience_s=PATIENCE_S):
        yield _files(looked)


def _files(looked: AtAddress) -> Check:
    if looked.error is not None:
        return fails("archive files", f"{looked.address}: {looked.error.message}", looked.error.remedy)
    if not looked.missing:
        return fine("archive files", f"{len(looked.parts)} registered in {looked.address}, all there")
    only_there = sum(1 for part in looked.missing if part.state != ARCHIVED)
    found = f"not in {looked.address}: {_months(looked)}; {only_there} of them are not in the database either"
    if not looked.files:
        return fails("archive files", found, MOVED)
    return graded("archive files", found, LOST if only_there else ANEW, warn=True, fail=only_there > 0)


def _months(looked: AtAddress) -> str:
    """Write how many files are missing of which months."""
    counts = sorted(Counter(part.month for part in looked.missing).items())
    told = [f"{month_name(month)} ({count})" for month, count in counts[:SHOWN]]
    more = f" and {len(counts) - SHOWN} more months" if len(counts) > SHOWN else ""
    return f"{len(looked.missing)} files, of {', '.join(told)}{more}"
