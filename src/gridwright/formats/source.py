"""What every file reader takes and gives: options in, a dialect with its evidence, chunks, and decoded columns out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

from gridwright.domain.verdict import Evidence, Reject

if TYPE_CHECKING:
    # The command line declares its options with this module, and must not pay for numpy.
    from gridwright.domain.event import EndDeviceEvent, Reported
    from gridwright.domain.reading_type import Quantity
    from gridwright.domain.readings import Readings
    from gridwright.domain.told import ToldConfiguration

D = TypeVar("D")

# How many rejects are kept with their text; all of them are counted.
KEPT_REJECTS = 10_000


class LengthsOf(Protocol):
    """Knows how long the intervals are that are stored of what a file names."""

    def __call__(
        self, names: Sequence[str], measured: frozenset[Quantity], days: tuple[int, int]
    ) -> Mapping[str, frozenset[int]]:
        """Return by name the seconds of the intervals stored on some days since 1970 [from, to), or else on any."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What the caller knows better than detection; None or empty = detect. Fields are options of the CLI.

    `zone`: IANA zone of naive stamps. `unit`: kWh, Wh, MWh, kW, W. `kind`: interval | cumulative | power.
    `stamp`: start | end, whether a stamp opens or closes its interval. `date_order`: ymd | dmy | mdy.
    `columns`: role (point, time, date, clock, value, quality, unit, register) → column name in the file.
    `point`: usage point id for files that name none. `default_zone`: zone assumed where nothing tells it.
    `lengths_of` (no option): asked where few rows do not tell how long their intervals are.
    """

    format: str = ""
    zone: str = ""
    unit: str = ""
    kind: str = ""
    stamp: str = ""
    date_order: str = ""
    separator: str = ""
    decimal: str = ""
    encoding: str = ""
    interval_minutes: int | None = None
    point: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    default_zone: str = "UTC"
    lengths_of: LengthsOf | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file that can be decoded alone: bytes [start, end) and the number of its first line."""

    start: int
    end: int
    first_line: int


@dataclass(frozen=True, slots=True, eq=False)
class Decoded:
    """Columns of readings, one `Readings` per (reading type, interval), and what could not be taken.

    `records`: data records seen. `zones`: usage point → IANA zone, where the format or detection tells it. `events`:
    what the source says of the devices; they become known when they come in. `told`: which meters, with which
    multipliers, it says that the values are of. `strays`: readings of meters from a time at which they hung nowhere.
    `reports`: events that are records of their own, and have verdicts as readings do.
    """

    records: int
    series: tuple[Readings, ...] = ()
    rejects: tuple[Reject, ...] = ()
    rejected: int = 0
    zones: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    events: tuple[EndDeviceEvent, ...] = ()
    told: tuple[ToldConfiguration, ...] = ()
    strays: tuple[Readings, ...] = ()
    reports: tuple[Reported, ...] = ()


class Dialect(Protocol):
    """What a reader found out about one file, shown to people as evidence."""

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """What was detected, why, and how to override it."""
        ...


class Reader(Protocol[D]):
    """A file format: pure functions over a buffer (bytes or a memory map)."""

    @property
    def name(self) -> str:
        """The word `--format` takes."""
        ...

    def recognises(self, head: bytes, file_name: str) -> float:
        """Return 0 (certainly not) to 1 (certainly) from the first 64 kB and the name."""
        ...

    def inspect(self, data: memoryview, file_name: str, options: ReadOptions) -> D:
        """Find out how to read the file; an InputError when it cannot be read at all."""
        ...

    def chunks(self, data: memoryview, dialect: D, after: int = 0) -> Iterator[Chunk]:
        """Cut the file into pieces that can be decoded alone, from byte `after` on."""
        ...

    def decode(self, data: memoryview, chunk: Chunk, dialect: D) -> Decoded:
        """Decode one piece; bad records become rejects, the rest is kept."""
        ...
