"""Check an installation: what it runs on, what waits, what could be lost; each with what was found and what helps."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.errors import GridwrightError, NotFound
from gridwright.jobs.upkeep.archive_months import Policy
from gridwright.jobs.upkeep.back_up import backups_in, read_to_end
from gridwright.jobs.upkeep.check_archive import check_archive
from gridwright.jobs.upkeep.check_listeners import check_listeners
from gridwright.jobs.upkeep.check_modes import check_modes, with_companions
from gridwright.jobs.upkeep.check_waiting import check_edges, check_journal, check_waiting
from gridwright.jobs.upkeep.health import Check, ago, fails, fine, graded, warns
from gridwright.jobs.upkeep.key_users import users_file
from gridwright.jobs.upkeep.listener_status import ListenerStatus
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import Store, open_store
from gridwright.store.backup.file import Header
from gridwright.store.engine import FILE_NAME

LEAST_FREE = 1 << 30
GB = 1 << 30
SHORT, TOO_SHORT = timedelta(days=30), timedelta(days=7)
CLOCK_OFF, CLOCK_WRONG = timedelta(seconds=2), timedelta(seconds=30)
SLOW_S = 5.0
UNSYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)
OK, DENIED = 200, {401, 403}
SILENT = 0  # the status of a server that takes a call, and says nothing in time
NAMED = 3  # damaged backups in one line


@dataclass(frozen=True, slots=True)
class ServerAnswer:
    """What a running server said: HTTP status, SILENT for none in time, its figures, how far its clock is ahead."""

    address: str
    status: int
    figures: Mapping[str, Any] = field(default_factory=dict)
    ahead: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is looked at besides the database; what is None or empty is left out. `clock`: ours; else `now` stands."""

    now: datetime
    vault: Vault | None = None
    archive: Policy | None = None
    backups: Path | None = None
    backup_age: timedelta = timedelta(hours=26)
    servers: Sequence[ServerAnswer] = ()
    ended: Sequence[str] = ()  # where servers listened that ended without a word
    broker: str = ""
    listeners: Sequence[ListenerStatus] = ()
    keep_quarantine: timedelta | None = None
    clock: Callable[[], datetime] | None = None


def check_health(url: str, around: Surroundings) -> list[Check]:
    """Look at everything; nothing is created or changed: what waits in the journal is counted, not folded."""
    checks = [check_program(), check_database(url), check_audit(url), check_disk(url)]
    checks += _with_store(url, around)
    checks += [check_clock(), *check_servers(around), check_backups(around)]
    checks += check_readers(url, around)
    checks += check_listeners(around.listeners, around.broker, around.now)
    return [*checks, check_extra("postgres", "psycopg"), check_extra("mysql", "pymysql")]


def _with_store(url: str, around: Surroundings) -> Iterator[Check]:
    """Look at what the database tells; one that cannot be opened was reported already."""
    try:
        store = open_store(url, create=False)
    except GridwrightError:
        return
    with store:
        store.journal.leave(LOCAL_OWNER)
        looks: list[tuple[str, Callable[[], Iterator[Check]]]] = [
            ("journal", lambda: check_journal(store, around.now)),
            ("room", lambda: check_growth(store, url)),
            ("database clock", lambda: check_database_clock(store, around.clock or (lambda: around.now))),
            ("corrections", lambda: check_waiting(store, around.now, around.keep_quarantine)),
            ("edges", lambda: check_edges(store, around.now)),
            ("archive", lambda: check_archive(store, around.archive.to if around.archive else "")),
            ("key file", lambda: check_key(store, around.vault)),
        ]
        for name, look in looks:
            try:
                yield from look()
            except GridwrightError as error:
                yield fails(name, error.message, error.remedy)


def check_program() -> Check:
    """Tell the version and the Python it runs on."""
    return fine("program", f"gridwright {version('gridwright')}, Python {platform.python_version()} ({sys.platform})")


def check_database(url: str) -> Check:
    """Open the database as it is: reachable, healthy, at this program's schema."""
    try:
        with open_store(url, create=False) as store:
            store.journal.leave(LOCAL_OWNER)
            points = store.registry.count(LOCAL_OWNER)
    except NotFound:
        return fine("database", f"{shown(url)} does not exist yet; gridwright serve makes it")
    except GridwrightError as error:
        return fails("database", f"{shown(url)}: {error.message}", error.remedy)
    return fine("database", f"{shown(url)}: {points} usage points")


def check_audit(url: str) -> Check:
    """Verify the chain of audit records."""
    try:
        with open_store(url, create=False) as store:
            count = store.audit.verify(LOCAL_OWNER)
    except NotFound:
        return fine("audit chain", "nothing recorded yet")
    except GridwrightError as error:
        return fails("audit chain", error.message, error.remedy)
    return fine("audit chain", f"{count} records, unbroken")


def check_disk(url: str) -> Check:
    """Tell the room on the disk that the database (or this folder) is on."""
    free = shutil.disk_usage(_folder(url)).free
    return graded("disk", f"{free / GB:.1f} GB free", "make room: at least 1 GB", warn=False, fail=free < LEAST_FREE)


def _folder(url: str) -> Path:
    file = _file(url)
    place = Path() if file is None else file.resolve()
    return next(parent for parent in (place, *place.parents) if parent.is_dir())


def _file(url: str) -> Path | None:
    local = "://" not in url or url.startswith("sqlite:///")
    return Path(url.removeprefix("sqlite:///")) if local else None


def check_growth(store: Store, url: str) -> Iterator[Check]:
    """Tell when the disk of a database file is full, at the pace at which readings come."""
    file = _file(url)
    if file is None:
        return
    path = Path(store.place)
    growth = store.backlogs.growth(LOCAL_OWNER)
    if not growth.readings or not growth.per_day or not path.is_file():
        return
    a_day = path.stat().st_size / growth.readings * growth.per_day
    free = shutil.disk_usage(_folder(url)).free
    days = min(free / a_day, 36_500.0)
    found = f"{a_day / 1e6:.3g} MB a day at {growth.per_day:.0f} readings: full in {days:.0f} days"
    remedy = "make room, or let old months go: gridwright archive run --drop"
    yield graded("time to full", found, remedy, warn=days < SHORT.days, fail=days < TOO_SHORT.days)


def check_clock() -> Check:
    """Ask the system whether its clock is kept by a time server."""
    try:
        # Only reads: no mode is set. The buffer is larger than `struct timex` anywhere.
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))
    except (OSError, AttributeError):
        return fine("clock", "this system does not tell whether it is synchronised")
    remedy = "run a time service, such as systemd-timesyncd or chrony"
    kept = state not in {-1, UNSYNCHRONISED}
    return graded("clock", "synchronised" if kept else "not synchronised by a time server", remedy, warn=not kept)


def check_database_clock(store: Store, clock: Callable[[], datetime]) -> Iterator[Check]:
    """Compare the clock of the database's machine with ours: off is what lies outside the time that asking took."""
    asked = clock()
    there = store.backlogs.clock(LOCAL_OWNER)
    if there is not None:
        yield _clock("database clock", there - min(max(there, asked), clock()))


def _clock(name: str, ahead: timedelta) -> Check:
    off = abs(ahead)
    found = f"{ago(off)} {'ahead of' if ahead > timedelta() else 'behind'} ours"
    remedy = "let both machines follow the same time server"
    return graded(name, found, remedy, warn=off > CLOCK_OFF, fail=off > CLOCK_WRONG)


def check_servers(around: Surroundings) -> Iterator[Check]:
    """Tell what the running servers say; where none does, whether one ended without a word."""
    yield from map(_check_server, around.servers)
    if around.servers:
        return
    if around.ended:
        found = f"none runs; the one at {', '.join(around.ended)} was ended from outside"
        remedy = "start it again: gridwright serve; what it acknowledged is kept, and its log or the system's tells why"
        yield warns("server", found, remedy)
    else:
        yield fine("server", "none runs in the data folder, or at the address of the settings")


def _check_server(answer: ServerAnswer) -> Check:
    """Tell what a running server says: its queue and lag, and whether its clock is ours."""
    if answer.status == SILENT:
        remedy = "it is overloaded, or waits for its database: see its load, its log, and the database"
        return fails("server", f"{answer.address} takes calls, and does not answer in time", remedy)
    if answer.ahead is not None and abs(answer.ahead) > CLOCK_OFF:
        return _clock(f"server {answer.address}, clock", answer.ahead)
    if answer.status in DENIED:
        return fine("server", f"{answer.address} runs; set GRIDWRIGHT_KEY to a key of staff to see its queue")
    if answer.status != OK:
        return fails("server", f"{answer.address} answers with HTTP {answer.status}", "see its log")
    writer = answer.figures.get("writer") or {}
    numbers = {**{name: answer.figures.get(name) for name in ("lag_s", "jobs_waiting")}, **writer}
    told = ", ".join(f"{name} {value:.6g}" for name, value in numbers.items() if isinstance(value, int | float))
    slow = float(writer.get("lag_s") or 0.0) > SLOW_S
    return graded("server", f"{answer.address}: {told}", "senders are faster than the disk: see its load", warn=slow)


def check_backups(around: Surroundings) -> Check:
    """Tell how old the newest whole backup is, which is read to its end, and whether a key at hand opens it."""
    if around.backups is None:
        return warns("backup", "no folder of backups is set", "set backup.to, and run gridwright backup create daily")
    found = backups_in(around.backups)
    newest = next((each.header for each in map(read_to_end, found) if each.header and not each.problem), None)
    remedy = "gridwright backup create, and see why it did not run"
    if newest is None:
        return fails("backup", f"there is none in {around.backups}", remedy)
    if (lost := _key_of_none(newest, around.vault)) is not None:
        return lost
    age = around.now - newest.created
    doubtful = [each for each in found if each.problem or (each.header and each.header.created > newest.created)]
    names = ", ".join(each.path.name for each in doubtful[:NAMED]) + (" ..." if len(doubtful) > NAMED else "")
    text = f"the newest is {ago(age)} old, of {len(found) - len(doubtful)}"
    text += f"; {len(doubtful)} cannot be read or are damaged: {names}" if doubtful else ""
    old = around.backup_age
    return graded("backup", text, remedy, warn=age > old or bool(doubtful), fail=age > 7 * old)


def _key_of_none(backup: Header, vault: Vault | None) -> Check | None:
    """Tell where the newest backup opens with no key at hand."""
    if not backup.encrypted or vault is None:
        return None
    keys = vault.key_ids() if vault.exists else []
    if backup.master in keys:
        return None
    remedy = "bring back the key file that holds it, or make a backup with today's: gridwright backup create"
    return fails("backup", f"the newest opens only with key {backup.master}, which {vault.place} does not hold", remedy)


def check_readers(url: str, around: Surroundings) -> Iterator[Check]:
    """Tell which of our files on this machine others may read; whoever finds them so leaves them as they are."""
    file, vault, archive = _file(url), around.vault, around.archive
    if file is not None:
        database = file / FILE_NAME if url.endswith("/") or file.is_dir() else file
        yield from check_modes("database, readers", with_companions(database))
    if vault is not None:
        yield from check_modes("key file, readers", [vault.path])
    if around.backups is not None:
        yield from check_modes(
            "backups, readers", [around.backups, *(each.path for each in backups_in(around.backups))]
        )
    if archive is not None and archive.to and "://" not in archive.to:
        yield from check_modes("archive, readers", [Path(archive.to)])


def check_key(store: Store, vault: Vault | None) -> Iterator[Check]:
    """See that the key file is there, readable by its owner alone, and holds what the database was sealed with."""
    state = store.sealed.state(LOCAL_OWNER)
    needed = [master for _, master in state.keys]
    if vault is None or (not vault.exists and not needed):
        yield fine("key file", "none; nothing is sealed")
        return
    keys = vault.key_ids()
    lost = [master for master in needed if master not in keys]
    if lost:
        yield fails("key file", f"{vault.place} lacks key {lost[0]}", "bring back the key file of this database")
        return
    found = f"{vault.place}: {len(keys)} keys, {state.newest + state.older} usage points sealed, {state.plain} not"
    yield graded("key file", found, "gridwright vault seal", warn=bool(needed and state.plain))
    if state.traces:
        remedy = "gridwright vault seal, while nothing else uses the database"
        yield warns("sealed data", "freed bytes of the database may hold plain text from before it was sealed", remedy)
    others = vault.others()
    if others:
        remedy = f"give each a file of its own (store.secret_key, edge.secret_key); {users_file(vault.path)} lists them"
        yield warns("key file, shared", f"{vault.place} is also that of {', '.join(others)}", remedy)


def check_extra(extra: str, module: str) -> Check:
    """Tell whether an optional driver is installed; its absence is no fault."""
    try:
        there = importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        there = False
    found = "installed" if there else f"not installed: pip install 'gridwright[{extra}]' brings it"
    return fine(f"extra {extra}", found)


def shown(url: str) -> str:
    """Return the address without its password."""
    scheme, mark, rest = url.partition("://")
    login, at, host = rest.rpartition("@")
    user = login.partition(":")[0]
    return f"{scheme}{mark}{user}{at}{host}" if at else url
