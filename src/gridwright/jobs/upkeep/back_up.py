"""Back up the database while it is in use, check backups, bring them back, and let the oldest go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import GridwrightError, UsageError
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import open_store
from gridwright.store.backup.backup import create_backup, restore_backup, verify_backup
from gridwright.store.backup.file import HEADER_BYTES, SUFFIX, Header, check_whole, read_header

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A backup file: what its header says, where that can be read, and what is wrong with it, empty for nothing."""

    path: Path
    size: int
    header: Header | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Pruned:
    """The files that were deleted, and those that are not whole: they stay, and count for no backup."""

    deleted: tuple[Path, ...]
    damaged: tuple[Found, ...]


def back_up(
    access: Access,
    address: str,
    path: Path,
    *,
    vault: Vault | None,
    now: datetime,
    force: bool = False,
    progress: Progress | None = None,
) -> Header:
    """Back up a database into one file, encrypted with a key that the vault wraps; None = not encrypted.

    StoreCorrupt where a key is missing that the database was sealed with: what is sealed would come back for nobody.
    """
    access.require(Act.ADMINISTER)
    if vault is not None:
        with open_store(address, create=False, master=vault) as store:
            store.sealed.require_opens(access)
    return create_backup(address, path, master=vault, created=now, force=force, progress=progress)


def verify(path: Path, vault: Vault, progress: Progress | None = None) -> Header:
    """Read a backup to its end; StoreCorrupt when it is not whole, or its key is not at hand."""
    return verify_backup(path, vault if vault.exists else None, progress=progress)


def restore(path: Path, address: str, vault: Vault, *, force: bool = False, progress: Progress | None = None) -> Header:
    """Put a backup into an empty database, or with `force` in place of one."""
    return restore_backup(path, address, vault if vault.exists else None, force=force, progress=progress)


def file_name(now: datetime) -> str:
    """Return the name of a backup made now: by name they sort by age."""
    return f"gridwright-{now.astimezone(UTC):%Y%m%dT%H%M%SZ}{SUFFIX}"


def backups_in(folder: Path, *, deep: bool = False) -> list[Found]:
    """Return the backups in a folder, the newest first; a folder that is not there has none.

    Header and size are looked at; with `deep` each is read to its end, as far as that goes without its key.
    """
    there = (each for path in sorted(folder.glob(f"*{SUFFIX}")) if (each := _found(path)))
    found = [read_to_end(each) if deep else each for each in there]
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: (each.header.created if each.header else oldest, each.path), reverse=True)


def _found(path: Path) -> Found | None:
    """Look at a file; None where it has gone since the folder was listed."""
    try:
        size = path.stat().st_size
    except FileNotFoundError:
        return None
    try:
        header = read_header(path)
    except GridwrightError as error:
        return Found(path, size, None, error.message) if path.exists() else None
    wanted = HEADER_BYTES + header.stored_bytes
    fault = "truncated" if size < wanted else "too long"
    return Found(path, size, header, "" if size == wanted else f"the backup is {fault}: {size} bytes of {wanted}")


def read_to_end(found: Found) -> Found:
    """Return what is found once every byte was read; without its key."""
    if found.problem:
        return found
    try:
        check_whole(found.path)
    except GridwrightError as error:
        return replace(found, problem=error.message)
    return found


def prune(access: Access, folder: Path, keep: int) -> Pruned:
    """Delete all but the `keep` newest whole backups, each of which is read to its end first."""
    access.require(Act.ADMINISTER)
    if keep < 1:
        raise UsageError("the last backup is not deleted", remedy="--keep 1 is the least")
    kept, gone, damaged = 0, [], []
    for each in backups_in(folder):
        looked_at = read_to_end(each) if kept < keep else each
        if looked_at.problem:
            damaged.append(looked_at)
        elif kept < keep:
            kept += 1
        else:
            gone.append(each.path)
    for path in gone:
        path.unlink(missing_ok=True)
    return Pruned(tuple(gone), tuple(damaged))
