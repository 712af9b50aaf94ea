"""Import a meter file into the store, chunk by chunk: each chunk is one transaction together with how far it came."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import partial
from pathlib import Path

from gridwright.domain.access import Access
from gridwright.domain.errors import InputError
from gridwright.domain.interval import epoch_s
from gridwright.domain.readings import AHEAD
from gridwright.domain.usage_point import UsagePoint
from gridwright.domain.verdict import Intake
from gridwright.formats.source import ReadOptions
from gridwright.ingest import Tally, grid_series
from gridwright.jobs.files.adrift import adrift_notes
from gridwright.jobs.files.brought import Brought
from gridwright.jobs.files.chunk_import import ChunkImport, FollowUp, ImportRun, NewPoint
from gridwright.jobs.files.chunk_parts import DERIVED, NOT_STORED
from gridwright.jobs.files.collector import seldom_collected
from gridwright.jobs.files.decode_ahead import pieces
from gridwright.jobs.files.hung_meters import hung_meters
from gridwright.jobs.files.keep_events import waiting_notes
from gridwright.jobs.files.read_file import Gathered, OpenFile, may_be_mixed, open_files, refuse_mixture, verdict
from gridwright.jobs.files.rejects_file import RejectsFile
from gridwright.jobs.files.sources import open_source
from gridwright.jobs.files.stored_lengths import StoredLengths
from gridwright.jobs.store_port import StorePort
from gridwright.store import NOTHING_SAVED, Progress, SaveSummary

Report = Callable[[int, int], None]
AGAIN = "imported before with the same options, and read once more: what has changed since is put back"
BEFORE = "imported before with the same options; nothing was done"

UNKEPT_HELPS = (
    "of register reads say --kind cumulative; else fetch intervals of an hour or less, or look at the file with "
    "gridwright report, which reads all of it"
)


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: the verdict on the records, and readings that were new, changed or the same in the store.

    `aside`: another value than the stored one, which did not count because that is of better quality. `registers`: how
    many of all these are register reads. `unkept`: readings taken whose intervals are too long to be stored, or that
    follow no grid.

    `derived`: the same of what nobody sent, the intervals of energy between register reads.
    `already`: the same content came whole before, with the same options; `again`: and was read once more, otherwise
    nothing was done. `resumed_at`: byte at which an interrupted import went on. `rejects_file`: where the rejects are,
    if there are any.
    `findings`: new doubts about the readings as they came.
    """

    intake: Intake
    points: tuple[str, ...] = ()
    new: int = 0
    changed: int = 0
    same: int = 0
    aside: int = 0
    registers: int = 0
    unkept: int = 0
    derived: SaveSummary = NOTHING_SAVED
    already: bool = False
    again: bool = False
    resumed_at: int = 0
    dry_run: bool = False
    rejects_file: Path | None = None
    findings: int = 0

    @property
    def untouched(self) -> bool:
        """Whether nothing was done: the counts are those of the import before."""
        return self.already and not self.again

    @property
    def took_nothing(self) -> bool:
        """Whether a file that should hold readings gave none: all were refused, cut off, or are of no kind we keep."""
        intake = self.intake
        empty = bool(intake.rejected) if intake.records else bool(intake.notes)
        return (empty or self.unkept > 0) and intake.accepted <= self.unkept

    @property
    def why_nothing(self) -> InputError:
        """Why nothing of it was taken: its first reject, or what was noted where there is not even that."""
        intake = self.intake
        if self.unkept:
            first = next((note for note in intake.notes if note.startswith(NOT_STORED)), NOT_STORED)
            return InputError(f"none of {self.unkept:,} readings is kept: {first}", remedy=UNKEPT_HELPS)
        if intake.rejects:
            return InputError(intake.rejects[0].reason, remedy=intake.rejects[0].remedy)
        return InputError(f"no reading is in it: {intake.notes[0]}", remedy="fetch the file again")


def ingest_file(  # noqa: PLR0913 - what an import needs to know
    store: StorePort,
    access: Access,
    path: Path | str,
    options: ReadOptions | None = None,
    *,
    known_at: datetime,
    progress: Report | None = None,
    not_after: datetime | None = None,
    dry_run: bool = False,
    rejects_to: Path | None = None,
    follow: FollowUp | None = None,
    again: bool = True,
    new_point: NewPoint = UsagePoint,
) -> Imported:
    """Import a file, or all files of an archive; safe to kill at any moment and to run again.

    Each chunk of the file is one transaction, which also records how far the import came: a second run goes on there.
    After the end it begins anew and says so, for what the file holds may have been changed since; not with `again`
    unset, then it does nothing. A dry run does everything, tells all that it would and what became of
    it, and takes each chunk back: it leaves nothing, no rejects either.
    Bad records never stop an import; StoreLocked, StoreFull and their like do, and what was committed stays.
    `follow`: what else each chunk's transaction does with the readings it saves. `new_point`: what a usage point begins
    as that the store does not know. A name that an installed meter has, and no usage point, is that meter's: its
    readings are those of the usage points where it hung, each by its time. Those of a time at which it hung nowhere
    wait in quarantine.
    """
    path, options = Path(path), options or ReadOptions()
    files, failures = open_files(open_source(path), replace(options, lengths_of=StoredLengths(store, access)))
    stands = [_stand(store, access, file, options, dry_run=dry_run) for file in files]
    already = all(_came_whole(store, access, stand) for stand in stands)
    if already and again:
        stands = [_from_the_beginning(store, access, stand, dry_run=dry_run) for stand in stands]
    limit = None if not_after is None else epoch_s(not_after + AHEAD)
    run = ImportRun(store, access, options, known_at, limit, dry_run, notes=dict.fromkeys(failures), follow=follow)
    run.new_point = new_point
    if not all(stand.done for stand in stands):
        _prepare(run, stands, path, None if dry_run else rejects_to)
        hung = hung_meters(store.registry.installed(access), run.points)
        files = [replace(file, hung=hung) for file in files]
    if already:
        run.notes[AGAIN if again else BEFORE] = None
    before, size = 0, sum(stand.byte_size for stand in stands)
    with seldom_collected():
        for file, stand in zip(files, stands, strict=True):
            for end in _take_file(run, file, path, stand):
                if progress is not None:
                    progress(before + end, size)
            before += stand.byte_size
    return replace(_imported(run, files, stands, path), already=already, again=already and again)


def _stand(store: StorePort, access: Access, file: OpenFile, options: ReadOptions, *, dry_run: bool) -> Progress:
    """Return how far this content came under these options; other options make another import."""
    digest = hashlib.sha256(file.content.data)
    if options != ReadOptions():
        told = asdict(options) | {"columns": sorted(options.columns.items())}
        digest.update(repr(sorted(told.items())).encode())
    begin = Progress(digest.hexdigest(), file.content.name, 0, len(file.content.data))
    return begin if dry_run else store.imports.progress(access, begin.sha256) or begin


def _came_whole(store: StorePort, access: Access, stand: Progress) -> bool:
    there = store.imports.progress(access, stand.sha256)
    return there is not None and there.done


def _from_the_beginning(store: StorePort, access: Access, stand: Progress, *, dry_run: bool) -> Progress:
    if not dry_run:
        store.imports.begin_again(access, stand.sha256)
    return replace(stand, byte_offset=0, counters={}, done=False)


def _prepare(run: ImportRun, stands: Sequence[Progress], path: Path, rejects_to: Path | None) -> None:
    run.points = set(run.store.registry.keys(run.access))
    if rejects_to is not None:
        kept = max(stand.counters.get("rejects_bytes", 0) for stand in stands)
        run.rejects = RejectsFile(rejects_to, path, keep_bytes=kept)


def _take_file(run: ImportRun, file: OpenFile, path: Path, stand: Progress) -> Iterator[int]:
    """Take the rest of one file and yield the offset after each chunk."""
    counts, brought = Counter(dict(stand.counters)), Brought(file)
    done = stand.done
    there = pieces(path, file, stand.byte_offset, not_after=run.not_after) if not done else ()
    for number, piece in enumerate(there):
        chunk = piece.chunk
        if number == 0 and may_be_mixed(file):
            # Before anything of the file is stored: the first piece tells whether meters are mixed.
            laid = piece.gridded or grid_series(piece.decoded.series, not_after=run.not_after)
            refuse_mixture(file, laid.tally)
        done = chunk.end >= stand.byte_size
        now = replace(stand, byte_offset=chunk.end, done=done)
        taken = ChunkImport(run, piece, brought, now, counts, read_again=partial(file.decode, chunk))
        counts = taken.save()
        yield chunk.end
    if not done and not run.dry_run:
        whole = replace(stand, byte_offset=stand.byte_size, done=True, counters=counts)
        run.store.imports.advance(run.access, whole, known_at=run.known_at)
    counts.pop("rejects_bytes", 0)
    run.counts.update(counts)


def _imported(run: ImportRun, files: Sequence[OpenFile], stands: Sequence[Progress], path: Path) -> Imported:
    """Sum up: all that was ever counted of this content, and the rejects of this run."""
    counts = run.counts
    run.notes.update(dict.fromkeys((*run.told.notes(), *adrift_notes(run.waiting), *waiting_notes(run.events_waiting))))
    gathered = Gathered(rejects=run.listed, notes=run.notes, records=counts["records"], rejected=counts["rejected"])
    tally = Tally(counts["accepted"], counts["repeated"], counts["conflicting"], missing=counts["missing"])
    wrote = run.rejects is not None and run.rejects.size > 0
    return Imported(
        intake=verdict(path.name, files, gathered, tally),
        points=tuple(run.seen),
        new=counts["new"],
        changed=counts["changed"],
        same=counts["same"],
        aside=counts["aside"],
        registers=counts["registers"],
        unkept=counts["unkept"],
        derived=_derived(counts),
        resumed_at=sum(stand.byte_offset for stand in stands) if not all(stand.done for stand in stands) else 0,
        dry_run=run.dry_run,
        rejects_file=run.rejects.path if wrote and run.rejects is not None else None,
        findings=run.findings,
    )


def _derived(counts: Counter[str]) -> SaveSummary:
    new, changed, same, aside = (counts[DERIVED + name] for name in ("new", "changed", "same", "aside"))
    return SaveSummary(new, changed, same, new + changed + same + aside, aside)
