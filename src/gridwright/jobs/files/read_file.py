"""Read a meter file whole: detect, decode, lay on grids, with a verdict on every record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from gridwright.domain.errors import AmbiguousInput, InputError
from gridwright.domain.finding import Finding
from gridwright.domain.interval import epoch_s
from gridwright.domain.readings import AHEAD, Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.verdict import Evidence, Intake, Reject
from gridwright.formats.container import Content
from gridwright.formats.source import KEPT_REJECTS, Chunk, Decoded, Dialect, Reader, ReadOptions
from gridwright.ingest import Collected, Gridded, Tally, grid_series, merge
from gridwright.jobs.files.hung_meters import NOTHING_HUNG, HungMeters
from gridwright.jobs.files.sound import sound
from gridwright.jobs.files.sources import open_source

Progress = Callable[[int, int], None]
HEAD_BYTES = 1 << 16
# A share of contradictions that no meter sends.
MIXED = 0.2
EVENTS = "events of devices are in it, which are no readings: gridwright reading import keeps them"
TABLES = {"csv", "parquet"}


@dataclass(frozen=True, slots=True, eq=False)
class OpenFile:
    """One plain file with the reader and dialect that fit it, and where the meters that it may name hung."""

    content: Content
    reader: Reader[Any]
    dialect: Dialect
    hung: HungMeters = NOTHING_HUNG

    def chunks(self, after: int = 0) -> Iterator[tuple[Chunk, Decoded]]:
        """Decode the file piece by piece, from byte `after` on."""
        for chunk in self.reader.chunks(self.content.data, self.dialect, after):
            yield chunk, self.decode(chunk)

    def decode(self, chunk: Chunk) -> Decoded:
        """Decode one piece; what it names is sound, and a usage point."""
        return self.hung.placed(sound(self.reader.decode(self.content.data, chunk, self.dialect)))


@dataclass(slots=True)
class Gathered:
    """What decoding has brought so far."""

    series: list[Readings] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    zones: dict[str, str] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    records: int = 0
    rejected: int = 0
    reports: int = 0

    def add(self, decoded: Decoded, source: str = "") -> None:
        """Add one piece; `source` names the inner file where there are several."""
        self.records += decoded.records
        self.rejected += decoded.rejected
        self.reports += len(decoded.reports)
        self.series += decoded.series
        self.zones.update(decoded.zones)
        self.notes.update(dict.fromkeys(decoded.notes))
        room = KEPT_REJECTS - len(self.rejects)
        self.rejects += [_placed(reject, source) for reject in decoded.rejects[:room]]


def read_file(
    path: Path | str,
    options: ReadOptions | None = None,
    *,
    progress: Progress | None = None,
    not_after: datetime | None = None,
) -> Collected:
    """Return panels, registers, zones and the verdict of a file, or of all files in an archive.

    `progress` is told bytes done and total. Stamps more than AHEAD after `not_after` are refused. Raises
    NotFound, UnreadableFile, UnknownFormat or AmbiguousInput; a bad record never raises, it is a reject.
    """
    path, options = Path(path), options or ReadOptions()
    contents = open_source(path)
    files, failures = open_files(contents, options)
    total = sum(len(file.content.data) for file in files)
    gathered, done = Gathered(), 0
    for file in files:
        source = file.content.name if len(files) > 1 else ""
        for chunk, decoded in file.chunks():
            gathered.add(decoded, source)
            if progress is not None:
                progress(done + chunk.end, total)
        done += len(file.content.data)
    gathered.notes.update(dict.fromkeys(failures))
    if gathered.reports:
        gathered.notes[f"{gathered.reports:,} {EVENTS}"] = None
    limit = None if not_after is None else epoch_s(not_after + AHEAD)
    series = merge(gathered.series)
    gridded = grid_series(series, not_after=limit, turned_over=_turned_over)
    for file in files:
        refuse_mixture(file, gridded.tally)
    return Collected(
        gridded.panels,
        gridded.registers,
        zones_of(gathered.zones, gridded, options),
        verdict(path.name, files, gathered, gridded.tally),
        gridded.loose,
        tuple(arrival_findings(series, gridded.tally, limit)),
    )


def _turned_over(before: RegisterReading, after: RegisterReading, a_day: float | None) -> float:
    from gridwright.jobs.meters.rollovers import without_record  # hardly a file has a fall

    return without_record(before, after, a_day)


def arrival_findings(series: Sequence[Readings], tally: Tally, limit: int | None) -> Iterator[Finding]:
    """Yield the doubts that only the readings as they came can show: the same interval twice, and the future."""
    if not (tally.repeated or tally.conflicting or tally.rejected):
        return
    # Named here, as the readers below: a process that only decodes would take longest to load what it never asks.
    from gridwright.vee import duplicate_findings, future_findings

    for readings in series:
        if readings.size:
            yield from duplicate_findings(readings)
            yield from future_findings(readings, limit) if limit is not None else ()


LEFT_OUT = "left out: "  # begins the note on a file of an archive that cannot be read


def open_files(contents: Sequence[Content], options: ReadOptions) -> tuple[list[OpenFile], list[str]]:
    """Find reader and dialect of each file; of several the unreadable ones are named, a single one raises."""
    files: list[OpenFile] = []
    failures: list[InputError] = []
    for content in contents:
        try:
            files.append(open_file(content, options))
        except InputError as error:
            failures.append(error)
    if not files:
        raise failures[0]
    return files, [f"{LEFT_OUT}{error}" for error in failures]


def open_file(content: Content, options: ReadOptions) -> OpenFile:
    """Find the reader of one plain file and how to read it."""
    name = content.name.rpartition("!")[2]
    from gridwright.formats.registry import find_reader

    reader = find_reader(bytes(content.data[:HEAD_BYTES]), name, options)
    try:
        # The dialects of other formats keep the options, and go to another process: a store does not.
        told = options if reader.name in TABLES else replace(options, lengths_of=None)
        return OpenFile(content, reader, reader.inspect(content.data, name, told))
    except InputError as error:
        if "!" in content.name and error.where.startswith(name):
            error.where = content.name + error.where.removeprefix(name)
        raise


def may_be_mixed(file: OpenFile) -> str:
    """Return the ignored columns of a file in which no column tells the usage point; empty for any other file."""
    told = {one.what: one.value for one in file.dialect.evidence}
    return "" if "point column" in told else told.get("columns ignored", "")


def refuse_mixture(file: OpenFile, tally: Tally) -> None:
    """Refuse a file whose readings contradict each other so often that it must hold several usage points.

    That can only be where no column tells the usage point and some column was ignored: AmbiguousInput names it.
    """
    ignored = may_be_mixed(file)
    if ignored and tally.conflicting > MIXED * (tally.accepted + tally.conflicting):
        raise AmbiguousInput(
            f"{tally.conflicting:,} readings contradict another of the same interval: the file seems to hold several "
            f"usage points, and no column that we know tells them apart (ignored: {ignored})",
            where=file.content.name,
            remedy="name the column with --column point=NAME, or give --point ID if all are of one usage point",
        )


def verdict(source: str, files: Sequence[OpenFile], gathered: Gathered, tally: Tally) -> Intake:
    """Sum up what became of the records."""
    evidence: dict[Evidence, None] = {}
    for file in files:
        evidence.update(dict.fromkeys(file.dialect.evidence))
    return Intake(
        source=source,
        format=", ".join(dict.fromkeys(file.reader.name for file in files)),
        records=gathered.records,
        accepted=tally.accepted,
        rejects=(*gathered.rejects, *tally.listed)[:KEPT_REJECTS],
        rejected=gathered.rejected + tally.rejected,
        repeated=tally.repeated,
        conflicting=tally.conflicting,
        evidence=tuple(evidence),
        notes=(*gathered.notes, *tally.notes),
        missing=tally.missing,
    )


def zones_of(zones: Mapping[str, str], gridded: Gridded, options: ReadOptions) -> dict[str, str]:
    """Return the zone of every usage point of which something was taken: as detected, else as the options say."""
    default = options.zone or options.default_zone
    points = dict.fromkeys(point for panel in gridded.panels for point in panel.points)
    for readings in (*gridded.loose, *(registers.readings for registers in gridded.registers)):
        points |= {readings.points[place]: None for place in np.unique(readings.point).tolist()}
    return {point: zones.get(point) or default for point in points}


def _placed(reject: Reject, source: str) -> Reject:
    return replace(reject, reason=f"{source}: {reject.reason}") if source else reject
