"""Import the files that appear in a folder: each is claimed, imported, and put aside with what became of it."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path

from gridwright.domain.errors import Conflict, GridwrightError, InputError, NotFound, StoreError
from gridwright.domain.interval import DAY_S
from gridwright.durable import sync
from gridwright.jobs.files.file_names import free_name, safe_name, shown
from gridwright.jobs.files.ingest_file import Imported
from gridwright.jobs.files.read_file import LEFT_OUT
from gridwright.jobs.upkeep.forget_files import forget_files

ImportOne = Callable[[Path, Path], Imported]
Sleep = Callable[[float], None]
TAKING, DONE, FAILED = "taking", "done", "failed"
LOCK = ".gridwright-watch.lock"
# Names under which programs write what is not finished, and what this job writes itself.
UNFINISHED = (
    ".part",
    ".partial",
    ".tmp",
    ".temp",
    ".filepart",
    ".crdownload",
    ".swp",
    "~",
    ".rejects.csv",
    ".reason.txt",
)
RETRY_S, TIDY_S = 60.0, 3600.0
ATTEMPTS = 3  # at a file that changes while it is read
ROUNDS = 20  # that `once` waits for files to rest
EMPTY_RESTS = 10


class Outcome(StrEnum):
    """What became of a file: imported, refused, kept for a later attempt, or passed over, as a folder is."""

    DONE = "done"
    FAILED = "failed"
    KEPT = "kept"
    PASSED = "passed over"


@dataclass(frozen=True, slots=True)
class Handled:
    """One file: its name as it came, what became of it, where it is now, the verdict, or what went wrong."""

    name: str
    outcome: Outcome
    path: Path
    imported: Imported | None = None
    error: GridwrightError | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """What a file looks like; two equal looks some time apart mean that nobody writes it any more."""

    inode: int
    size: int
    changed_ns: int


@dataclass(slots=True)
class Watch:
    """A folder under watch; `settle_s`: how long a file must rest, `looks`: how each file looked the last time.

    `keep_days`: after which files that were put aside are deleted, None = never.
    """

    folder: Path
    import_one: ImportOne
    sleep: Sleep
    clock: Callable[[], float]
    settle_s: float = 2.0
    keep_days: float | None = None
    looks: dict[str, tuple[Look, float]] = field(default_factory=dict)
    later: dict[str, float] = field(default_factory=dict)
    passed: set[str] = field(default_factory=set)
    tidied: float = float("-inf")

    def run(self, *, once: bool = False) -> Generator[Handled]:
        """Yield each file as it is handled; with `once`, end when no file is left that could become complete.

        Only one watch may run on a folder: a second one is Conflict. Safe to kill at any moment: a file that was
        claimed is taken up again, and the store knows how far it was imported.
        """
        self._prepare()
        rounds = 0
        with self._locked():
            while True:
                self._tidy()
                yield from self._folders()
                yield from self._claimed()
                ready, waiting = self._ready()
                for name in ready:
                    handled = self._take(name)
                    if handled is not None:
                        yield handled
                rounds = 0 if ready else rounds + 1
                if once and not ready and (not waiting or rounds > ROUNDS):
                    yield from (self._unfinished(name) for name in waiting)
                    return
                if not ready:
                    self.sleep(self.settle_s)

    def _tidy(self) -> None:
        """Delete, once an hour, what was put aside long ago."""
        now = self.clock()
        if self.keep_days is not None and now - self.tidied >= TIDY_S:
            before_s = time.time() - self.keep_days * DAY_S
            forget_files([self.folder / DONE, self.folder / FAILED], before_s=before_s)
            self.tidied = now

    def _prepare(self) -> None:
        if not self.folder.is_dir():
            raise NotFound("there is no such folder", where=str(self.folder), remedy="make it, or name another")
        for name in (TAKING, DONE, FAILED):
            path = self.folder / name
            try:
                path.mkdir(mode=0o700, exist_ok=True)
            except OSError as error:
                raise _trouble(path, error) from error

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Hold the folder, so that no two watches take the same file."""
        path = self.folder / LOCK
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise _trouble(path, error) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError as error:
            raise Conflict(
                "another process watches this folder", where=str(self.folder), remedy="stop it, or watch another folder"
            ) from error
        finally:
            os.close(handle)

    def _folders(self) -> Iterator[Handled]:
        """Yield each folder within the watched one, once: what lies there is not read."""
        for name in self._names():
            path = self.folder / name
            if name not in self.passed and path.is_dir() and not path.is_symlink():
                self.passed.add(name)
                remedy = "move its files out of it, or watch it by itself"
                error = InputError(
                    "what lies in a folder within the watched one is not read", where=shown(name), remedy=remedy
                )
                yield Handled(shown(name), Outcome.PASSED, path, error=error)

    def _claimed(self) -> Iterator[Handled]:
        """Handle files that were claimed already: by a run that was killed, or kept for a later attempt."""
        now = self.clock()
        for name in sorted(path.name for path in (self.folder / TAKING).iterdir()):
            if self.later.get(name, now) <= now:
                yield self._handle(self.folder / TAKING / name, name)

    def _ready(self) -> tuple[list[str], list[str]]:
        """Return the files that rest, oldest first, and those that may still become complete."""
        now = self.clock()
        ready: list[tuple[int, str]] = []
        waiting: list[str] = []
        seen: dict[str, tuple[Look, float]] = {}
        for name in self._names():
            found = _look(self.folder / name)
            if found is None:
                continue
            look, plain = found
            before, since = self.looks.get(name, (None, now))
            since = since if before == look else now
            seen[name] = look, since
            # An empty file is more often one that is about to be written.
            rest = self.settle_s * (1 if look.size or not plain else EMPTY_RESTS)
            if now - since < rest:
                waiting.append(name)
            elif self.later.get(name, now) <= now and not os.path.lexists(self.folder / TAKING / safe_name(name)):
                ready.append((look.changed_ns, name))
        self.looks = seen
        return [name for _, name in sorted(ready)], waiting

    def _names(self) -> list[str]:
        try:
            names = [path.name for path in self.folder.iterdir()]
        except OSError as error:
            raise _trouble(self.folder, error) from error
        return [
            name
            for name in names
            if name not in {TAKING, DONE, FAILED} and not name.startswith(".") and not name.lower().endswith(UNFINISHED)
        ]

    def _take(self, name: str) -> Handled | None:
        """Claim a file under a name that is safe everywhere, then handle it."""
        source, claimed = self.folder / name, self.folder / TAKING / safe_name(name)
        self.looks.pop(name, None)
        try:
            source.rename(claimed)
        except FileNotFoundError:
            return None  # it went away meanwhile
        except OSError as error:
            self.later[name] = self.clock() + RETRY_S
            return Handled(shown(name), Outcome.KEPT, source, error=_trouble(source, error))
        return self._handle(claimed, name)

    def _handle(self, claimed: Path, name: str) -> Handled:
        """Import a claimed file and put it aside; trouble with the store or the disk keeps it for later."""
        try:
            for _ in range(ATTEMPTS):
                found = _plain_look(claimed, name)
                target = self.folder / DONE / free_name((self.folder / DONE, self.folder / FAILED), claimed)
                imported = self.import_one(claimed, _rejects_of(target))
                if _look(claimed) == (found, True):
                    return self._put_aside(claimed, target, name, imported)
                self.sleep(self.settle_s)
            return self._keep(claimed, name, _still_written(name))
        except (InputError, NotFound) as error:
            return self._refuse(claimed, name, error)
        except (GridwrightError, OSError) as error:
            return self._keep(claimed, name, error)

    def _unfinished(self, name: str) -> Handled:
        return Handled(shown(name), Outcome.KEPT, self.folder / name, error=_still_written(name))

    def _put_aside(self, claimed: Path, target: Path, name: str, imported: Imported) -> Handled:
        """Move a file that was read: to `failed` where not one record could be taken."""
        if not imported.took_nothing:
            left_out = [note for note in imported.intake.notes if note.startswith(LEFT_OUT)]
            if left_out:
                remedy = "mend what was left out, and put it into the folder by itself"
                _write_reason(target, InputError("\n".join(left_out), remedy=remedy))
            claimed.rename(target)
            sync(target.parent)
            return Handled(shown(name), Outcome.DONE, target, imported)
        rejects, target = _rejects_of(target), self.folder / FAILED / target.name
        if rejects.exists():
            rejects.rename(_rejects_of(target))
            imported = replace(imported, rejects_file=_rejects_of(target))
        error = _nothing_taken(imported, name)
        _write_reason(target, error)
        claimed.rename(target)
        sync(target.parent)
        return Handled(shown(name), Outcome.FAILED, target, imported, error)

    def _refuse(self, claimed: Path, name: str, error: GridwrightError) -> Handled:
        """Put a file that cannot be read into `failed`, with the reason beside it."""
        try:
            target = self.folder / FAILED / free_name((self.folder / DONE, self.folder / FAILED), claimed)
            error.where = error.where.replace(str(claimed), str(target))  # it is there that whoever reads this looks
            _write_reason(target, error)
            claimed.rename(target)
            sync(target.parent)
        except OSError as trouble:
            return self._keep(claimed, name, trouble)
        return Handled(shown(name), Outcome.FAILED, target, error=error)

    def _keep(self, claimed: Path, name: str, error: GridwrightError | OSError) -> Handled:
        self.later[claimed.name] = self.clock() + RETRY_S
        told = error if isinstance(error, GridwrightError) else _trouble(claimed, error)
        return Handled(shown(name), Outcome.KEPT, claimed, error=told)


def _look(path: Path) -> tuple[Look, bool] | None:
    """Return how a file looks and whether it is a plain one; None when it is gone, or a folder."""
    try:
        found = path.lstat()
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return None
    return Look(found.st_ino, found.st_size, found.st_mtime_ns), stat.S_ISREG(found.st_mode)


def _plain_look(path: Path, name: str) -> Look:
    """Return how a plain file looks; anything else is InputError."""
    found = _look(path)
    if found is not None and found[1]:
        return found[0]
    what = "this is no plain file but a pipe, a socket or a device"
    if path.is_symlink():
        what = "this is a symbolic link: links are not followed out of the folder"
    raise InputError(what, where=shown(name), remedy="put the file itself into the folder")


def _rejects_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.rejects.csv")


def _nothing_taken(imported: Imported, name: str) -> InputError:
    intake = imported.intake
    if imported.unkept:
        error = imported.why_nothing
        error.where = shown(name)
        return error
    first = intake.rejects[0] if intake.rejects else None
    reason = f": {first.reason}" if first else f": {intake.notes[0]}" if intake.notes else ""
    return InputError(
        f"none of {intake.records:,} records could be taken{reason}" if intake.records else f"nothing is in it{reason}",
        where=shown(name),
        remedy=first.remedy if first else "see the rejects beside it" if intake.records else "fetch the file again",
    )


def _write_reason(target: Path, error: GridwrightError) -> None:
    """Write why a file was refused beside where it will be, whole or not at all."""
    lines = (error.message, f"where: {error.where}" if error.where else "", f"what helps: {error.remedy}")
    path = target.with_name(f"{target.name}.reason.txt")
    part = path.with_name(f".{path.name}.part")
    with part.open("w", encoding="utf-8", errors="replace") as file:
        file.write("\n".join(line for line in lines if line and not line.endswith(": ")) + "\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)


def _still_written(name: str) -> InputError:
    return InputError("the file was still being written", where=shown(name), remedy="it is read again when it rests")


def _trouble(path: Path, error: OSError) -> StoreError:
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return StoreError(
        error.strerror or str(error),
        where=str(path),
        remedy="make room on the disk" if full else "check the folder, its permissions and its disk",
    )
