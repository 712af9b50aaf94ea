"""What ingest hands over: panels on their grids, register reads with epochs, and the verdict on every record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from gridwright.domain.finding import Finding
from gridwright.domain.interval import from_epoch_s
from gridwright.domain.panel import Panel
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.verdict import Intake, Reject


@dataclass(frozen=True, slots=True, eq=False)
class RegisterReads:
    """Reads of cumulative registers in columns, ordered by point, device and time; `epoch`: int32, one a read."""

    readings: Readings
    epoch: npt.NDArray[np.int32]

    @property
    def size(self) -> int:
        """Number of reads."""
        return self.readings.size

    def __iter__(self) -> Iterator[RegisterReading]:
        """Yield the reads one by one, for the few."""
        r = self.readings
        devices = r.devices or ("",) * len(r.points)
        columns = zip(
            *(each.tolist() for each in (r.point, r.at, r.value, self.epoch, r.quality)),
            [False] * r.size if r.presumed is None else r.presumed.tolist(),
            strict=True,
        )
        for point, at, value, epoch, quality, presumed in columns:
            yield RegisterReading(
                r.points[point], from_epoch_s(at), value, devices[point], epoch, quality, r.reading_type, presumed
            )


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the readings of one or more series; the counts add up to the readings that came in.

    `repeated`: identical repeats dropped; `conflicting`: another value of the same interval, which lost; `missing`:
    readings that say that there is no value. `listed`: rejects and conflicts with their place, the first of them.
    """

    accepted: int = 0
    repeated: int = 0
    conflicting: int = 0
    rejected: int = 0
    missing: int = 0
    listed: tuple[Reject, ...] = ()
    notes: tuple[str, ...] = ()

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.accepted + other.accepted,
            self.repeated + other.repeated,
            self.conflicting + other.conflicting,
            self.rejected + other.rejected,
            self.missing + other.missing,
            (*self.listed, *other.listed),
            (*self.notes, *(note for note in other.notes if note not in self.notes)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Gridded:
    """Panels and register reads of some series, with the tally of their readings.

    `loose`: readings that follow no grid, instantaneous ones and those of periods over a day, by point and time.
    `derived`: those of the panels that nobody sent: the energy between register reads.
    """

    panels: tuple[Panel, ...] = ()
    registers: tuple[RegisterReads, ...] = ()
    loose: tuple[Readings, ...] = ()
    tally: Tally = field(default_factory=Tally)
    derived: tuple[Panel, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Collected:
    """A whole source: panels, registers and loose readings, usage point → zone, verdict, and doubts on arrival."""

    panels: tuple[Panel, ...]
    registers: tuple[RegisterReads, ...]
    zones: Mapping[str, str]
    intake: Intake
    loose: tuple[Readings, ...] = ()
    findings: tuple[Finding, ...] = ()
