"""The part of the store that an import needs."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from gridwright.domain.access import Access
from gridwright.domain.event import EndDeviceEvent
from gridwright.domain.finding import Finding
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.quarantine import Kept
from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation, Meter, UsagePoint, UsualKw
from gridwright.store import Progress, SaveSummary, Single
from gridwright.store.days.series import Extent
from gridwright.store.field.outlooks import Outlook


class RegistryPort(Protocol):
    """What the import asks of the registry."""

    def points(self, access: Access, ids: Sequence[str] | None = None) -> tuple[UsagePoint, ...]:
        """Return the known usage points."""
        ...

    def keys(self, access: Access) -> dict[str, int]:
        """Return the ids of the known usage points."""
        ...

    def installed(self, access: Access) -> tuple[Installation, ...]:
        """Return where each meter hangs or hung."""
        ...

    def add_points(self, access: Access, points: Sequence[UsagePoint]) -> set[str]:
        """Add usage points that nobody has added, and return the ids of the others."""
        ...

    def registered(self, access: Access, ids: Collection[str]) -> set[str]:
        """Return those of some ids that are usage points."""
        ...


class ReadingsPort(Protocol):
    """What the import asks of the interval readings."""

    def save(self, access: Access, panel: Panel, *, known_at: datetime) -> SaveSummary:
        """Merge a panel into what is stored."""
        ...

    def resolutions(self, access: Access, kind: ReadingType) -> list[ReadingType]:
        """Return the types of one meaning that were ever stored."""
        ...

    def load(
        self,
        access: Access,
        points: str | Sequence[str] | None,
        period: Interval,
        *,
        reading_type: ReadingType = ...,
        interval: timedelta | None = ...,
    ) -> Panel:
        """Return what is stored within `period`."""
        ...

    def save_singles(
        self,
        access: Access,
        kind: ReadingType,
        interval_s: int,
        singles: Sequence[Single],
        *,
        known_at: datetime,
        fill: bool = ...,
    ) -> list[int]:
        """Merge single readings, and return the places of those that need `save`."""
        ...

    def image_types(self, access: Access, image: Image = ...) -> list[ReadingType]:
        """Return the reading types of which an image was ever stored."""
        ...

    def extents(self, access: Access, points: Sequence[str]) -> list[Extent]:
        """Return the series of some usage points."""
        ...


class RegistersPort(Protocol):
    """What the import asks of the register reads."""

    def save(self, access: Access, reads: Iterable[RegisterReading], *, known_at: datetime) -> SaveSummary:
        """Add reads."""
        ...

    def neighbours(
        self,
        access: Access,
        moments: Mapping[str, tuple[datetime, datetime]],
        reading_type: ReadingType,
        *,
        taken: bool = False,
    ) -> dict[str, tuple[RegisterReading | None, RegisterReading | None]]:
        """Return for each usage point the last read up to one instant, and the first one after the other."""
        ...

    def load(
        self, access: Access, point: str, period: Interval, reading_type: ReadingType = ...
    ) -> tuple[RegisterReading, ...]:
        """Return the reads of one usage point in a period."""
        ...

    def load_several(
        self, access: Access, points: Sequence[str], period: Interval, reading_type: ReadingType = ...
    ) -> list[RegisterReading]:
        """Return the reads of several usage points in a period."""
        ...

    def load_each(
        self, access: Access, periods: Mapping[str, Interval], reading_type: ReadingType = ...
    ) -> dict[str, list[RegisterReading]]:
        """Return the reads of several usage points, each in a period of its own."""
        ...

    def load_around(
        self,
        access: Access,
        spans: Mapping[str, tuple[datetime, datetime]],
        reading_type: ReadingType,
        instants: tuple[int, int],
    ) -> dict[str, tuple[list[RegisterReading], int]]:
        """Return the reads of each span and of some instants before and behind it, and how many those before are."""
        ...

    def kinds(self, access: Access, point: str) -> tuple[ReadingType, ...]:
        """Return the reading types of which a usage point has register reads."""
        ...


class ExchangeReadsPort(Protocol):
    """What the import asks where register reads count in another epoch."""

    def move(self, access: Access, moves: Sequence[tuple[RegisterReading, int]], *, known_at: datetime) -> None:
        """Let each read count in another epoch."""
        ...


class FindingsPort(Protocol):
    """What the import asks of the findings."""

    def save(self, access: Access, findings: Iterable[Finding], *, known_at: datetime) -> int:
        """Add findings and return how many were new."""
        ...

    def dealt_with(self, access: Access, findings: Sequence[Finding], *, known_at: datetime) -> None:
        """Resolve what is open of exactly these."""
        ...

    def hold(self, access: Access, points: Collection[str]) -> None:
        """Let nobody else save or decide about some usage points until the transaction ends."""
        ...


class DevicesPort(Protocol):
    """What the import asks of the devices."""

    def save_events(self, access: Access, events: Iterable[EndDeviceEvent]) -> int:
        """Keep events and return how many are new."""
        ...


class WaitingEventsPort(Protocol):
    """What the import asks of the events that wait for a usage point."""

    def room(self, access: Access) -> int:
        """Return how many more events may wait."""
        ...


class FieldPort(Protocol):
    """What the import asks of what hangs where."""

    def knows_meters(self, access: Access) -> bool:
        """Tell whether anything was ever installed anywhere."""
        ...

    def installations(self, access: Access, points: Sequence[str]) -> tuple[Installation, ...]:
        """Return what is or was installed at usage points."""
        ...

    def meters(self, access: Access, points: Sequence[str]) -> dict[str, Meter]:
        """Return the meters that hang or hung there, by serial number."""
        ...


class OutlooksPort(Protocol):
    """What the import keeps of what it was told."""

    def save_many(self, access: Access, kind: str, bodies: Mapping[str, Mapping[str, Any]], *, issued: datetime) -> int:
        """Keep a body for each subject."""
        ...

    def several(self, access: Access, kind: str, subjects: Sequence[str] | None = None) -> list[Outlook]:
        """Return the newest body about each subject."""
        ...


class QuarantinePort(Protocol):
    """What the import asks of the quarantine."""

    def save_series(
        self, access: Access, series: Sequence[Readings], *, received: datetime, room: int | None = None
    ) -> Kept:
        """Keep readings that no usage point has, so many new ones as there is room for."""
        ...

    def room(self, access: Access) -> int:
        """Return how many more readings may wait."""
        ...


class DirtyPort(Protocol):
    """What the import has judged again."""

    def touch(self, access: Access, points: Sequence[str], kind: ReadingType, period: Interval) -> None:
        """Mark the UTC days of a period dirty."""
        ...


class ImportsPort(Protocol):
    """What the import asks of the records of former imports."""

    def progress(self, access: Access, sha256: str) -> Progress | None:
        """Return how far this content has come."""
        ...

    def advance(self, access: Access, progress: Progress, *, known_at: datetime) -> None:
        """Record how far it has come."""
        ...

    def begin_again(self, access: Access, sha256: str) -> None:
        """Record that what came whole is taken in once more."""
        ...


class StorePort(Protocol):
    """The part of the store that an import needs."""

    @property
    def registry(self) -> RegistryPort:
        """Usage points."""
        ...

    @property
    def readings(self) -> ReadingsPort:
        """Interval readings."""
        ...

    @property
    def registers(self) -> RegistersPort:
        """Register reads."""
        ...

    @property
    def exchange_reads(self) -> ExchangeReadsPort:
        """Register reads of exchanges, and those that moved."""
        ...

    @property
    def findings(self) -> FindingsPort:
        """Findings."""
        ...

    @property
    def devices(self) -> DevicesPort:
        """End devices."""
        ...

    @property
    def field(self) -> FieldPort:
        """What hangs where."""
        ...

    @property
    def outlooks(self) -> OutlooksPort:
        """What was issued, and what was told."""
        ...

    @property
    def dirty(self) -> DirtyPort:
        """Ranges to judge again."""
        ...

    @property
    def quarantine(self) -> QuarantinePort:
        """Readings that wait for a meter."""
        ...

    @property
    def waiting_events(self) -> WaitingEventsPort:
        """Events that wait for a usage point."""
        ...

    @property
    def imports(self) -> ImportsPort:
        """Progress of imports."""
        ...

    @property
    def usual_kw(self) -> UsualKw | None:
        """What connections carry of which nobody told it, by the rules of the site; None: by the packaged ones."""
        ...

    def transaction(self) -> AbstractContextManager[object]:
        """Group calls into one durable commit."""
        ...
