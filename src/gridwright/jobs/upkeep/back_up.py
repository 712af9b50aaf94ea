"""Back up the database while it is in use, check backups, bring them back, and let the oldest go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import GridwrightError, UsageError
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import open_store
from gridwright.store.backup.backup import create_backup, restore_backup, verify_backup
from gridwright.store.backup.file import SUFFIX, Header, read_header

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Found:
    """A backup file: what its header says, or why it cannot be read."""

    path: Path
    size: int
    header: Header | None
    problem: str = ""


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


def backups_in(folder: Path) -> list[Found]:
    """Return the backups in a folder, the newest first; a folder that is not there has none."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            header, problem = read_header(path), ""
        except GridwrightError as error:
            header, problem = None, error.message
        found.append(Found(path, path.stat().st_size, header, problem))
    oldest = datetime.min.replace(tzinfo=UTC)
    return sorted(found, key=lambda each: (each.header.created if each.header else oldest, each.path), reverse=True)


def prune(access: Access, folder: Path, keep: int) -> list[Path]:
    """Delete all but the `keep` newest backups, and return what went; files that are no whole header stay."""
    access.require(Act.ADMINISTER)
    if keep < 1:
        raise UsageError("the last backup is not deleted", remedy="--keep 1 is the least")
    readable = [each.path for each in backups_in(folder) if each.header is not None]
    for path in readable[keep:]:
        path.unlink()
    return readable[keep:]
