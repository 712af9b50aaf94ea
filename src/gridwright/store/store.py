"""The store: one database of readings, registry, findings, bills and audit records."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

from gridwright.domain.usage_point import UsualKw
from gridwright.store.answers import Answers
from gridwright.store.archive.archive import Archive
from gridwright.store.archive.reading import ArchiveReader
from gridwright.store.audit import Audit
from gridwright.store.backlog import Backlogs
from gridwright.store.checks.checks import Checks
from gridwright.store.days.arrivals import Arrivals
from gridwright.store.dirty import Dirty
from gridwright.store.edits import Edits
from gridwright.store.engine import BUSY_MS, make_engine, place, resolve
from gridwright.store.field.controls import Controls
from gridwright.store.field.devices import Devices
from gridwright.store.field.edges import Edges
from gridwright.store.field.exchange_reads import ExchangeReads
from gridwright.store.field.field_record import FieldRecord
from gridwright.store.field.network import Network
from gridwright.store.field.outlooks import Outlooks
from gridwright.store.field.programs import Programs
from gridwright.store.field.waiting_events import WaitingEventsStore
from gridwright.store.findings import Findings
from gridwright.store.imports import Imports
from gridwright.store.instant import now
from gridwright.store.jobs import Jobs
from gridwright.store.journal.journal import Journal
from gridwright.store.leases import Leases
from gridwright.store.migrate import prepare
from gridwright.store.money.corrections import Corrections
from gridwright.store.money.day_totals import DayTotalsStore
from gridwright.store.money.ledger import Ledger
from gridwright.store.money.rerates import Rerates
from gridwright.store.names import Names
from gridwright.store.opened_file import OpenedFile
from gridwright.store.people.identities import Identities
from gridwright.store.quarantine import Quarantine
from gridwright.store.readings import Readings
from gridwright.store.registers import Registers
from gridwright.store.registry import Registry
from gridwright.store.resolutions import Resolutions
from gridwright.store.retention import Retention
from gridwright.store.rule_sets import RuleSets
from gridwright.store.sealing.points import SealedData
from gridwright.store.sealing.sealing import Master, Sealing
from gridwright.store.session import Session, T
from gridwright.store.trouble import translated


class Store:
    """An open database; each attribute holds one kind of thing. Leave it as a context manager, or `close` it.

    `usual_kw` is set by who knows the rules of the site: what connections carry of which nobody told it. None: the
    packaged rules say it.
    """

    def __init__(self, engine: Engine, *, clock: Callable[[], datetime] = now, master: Master | None = None) -> None:
        self._engine = engine
        self.usual_kw: UsualKw | None = None
        self._session = Session(engine, clock)
        names = Names(self._session)
        self.audit = Audit(self._session)
        self.identities = Identities(self._session)
        sealing = Sealing(self._session, master)
        self.registry = Registry(self._session, names, sealing)
        self.sealed = SealedData(self._session, sealing)
        archived = ArchiveReader(names)
        self.archive = Archive(self._session, names, archived)
        self.checks = Checks(self._session, sealing)
        self.backlogs = Backlogs(self._session)
        self.readings = Readings(self._session, names, archived)
        self.journal = Journal(self._session, names)
        self.arrivals = Arrivals(self._session, names)
        self.registers = Registers(self._session, names)
        self.exchange_reads = ExchangeReads(self._session, names, self.registers)
        self.findings = Findings(self._session, names)
        self.dirty = Dirty(self._session, names)
        self.day_totals = DayTotalsStore(self._session, names)
        self.edits = Edits(self._session, names)
        self.resolutions = Resolutions(self._session, names)
        self.rerates = Rerates(self._session, names)
        self.corrections = Corrections(self._session, names)
        self.rule_sets = RuleSets(self._session)
        self.ledger = Ledger(self._session, names)
        self.imports = Imports(self._session)
        self.quarantine = Quarantine(self._session, names)
        self.controls = Controls(self._session, names)
        self.devices = Devices(self._session, names)
        self.waiting_events = WaitingEventsStore(self._session, names)
        self.field = FieldRecord(self._session, names)
        self.jobs = Jobs(self._session)
        self.programs = Programs(self._session, names)
        self.network = Network(self._session, names)
        self.outlooks = Outlooks(self._session)
        self.answers = Answers(self._session, sealing)
        self.edges = Edges(self._session)
        self.retention = Retention(self._session)
        self.leases = Leases(self._session)

    @property
    def place(self) -> str:
        """Where it is, without a password."""
        return place(self._engine.url)

    @contextmanager
    def transaction(self, *, cascade: str = "", settled: bool = True) -> Iterator[Self]:
        """Group calls into one durable commit: all of them, or, after an error, none.

        Every audit record of the transaction carries the id of the `cascade` that it is a part of. `settled`: what
        waits in the journal is folded first; without, only once a call within needs it.
        """
        with self._session.writing(settled=settled) as unit:
            if cascade:
                unit.chain["cascade"] = cascade
            yield self

    def again(self, act: Callable[[], T]) -> T:
        """Do something; on a server a few times more where a transaction of somebody else has undone its only one.

        Two that wait for each other are both writers who did nothing wrong: the server lets one of them go on.
        """
        return self._session.again(act)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Store {self.place}>"


def open_store(
    address: str | Path,
    *,
    create: bool = True,
    busy_ms: int = BUSY_MS,
    clock: Callable[[], datetime] = now,
    master: Master | None = None,
) -> Store:
    """Open a store at a SQLAlchemy address, a file, a folder, or `sqlite://` (in memory).

    With `create`, a new database gets its schema and an older one is brought up to date; without, an absent one is
    NotFound and an older one StoreOutdated. A newer one always is StoreOutdated, a strange file StoreCorrupt, a
    missing driver MissingExtra. `busy_ms`: how long to wait for another process's lock before StoreLocked; who reads
    waits longer, while others fold what is to be read.
    `master` opens what is sealed; it is asked only where something is.
    """
    engine = make_engine(resolve(address), create=create, busy_ms=busy_ms)
    file = OpenedFile(engine.url)
    try:
        with translated(engine):
            prepare(engine, create=create)
    except BaseException:
        engine.dispose()
        file.require_same()  # what it waited for may have ended with another file in its place: SQLite tells less of it
        raise
    return Store(engine, clock=clock, master=master)
