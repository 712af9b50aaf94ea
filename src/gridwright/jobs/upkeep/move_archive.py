"""Let the archive be at another address: a new disk, a folder that was renamed, an object storage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gridwright.domain.access import Access
from gridwright.domain.errors import ConfigError, Conflict, GridwrightError, StoreCorrupt
from gridwright.jobs.upkeep.archive_months import ARCHIVE
from gridwright.jobs.upkeep.one_at_a_time import one_at_a_time
from gridwright.store import Store
from gridwright.store.archive.file import Shelf

Progress = Callable[[int, int], None]
ShelfOf = Callable[[str], Shelf]


@dataclass(frozen=True, slots=True)
class Moved:
    """Which parts are at the address now, how many were before, how many files were copied, and what failed."""

    address: str
    moved: tuple[str, ...]
    current: int
    copied: int
    failed: tuple[str, ...]


def move_archive(
    store: Store, access: Access, to: str, *, progress: Progress | None = None, shelf_of: ShelfOf = Shelf.at
) -> Moved:
    """Register each part at an address, once its files are whole there: copied beforehand by others, or now.

    Stopped at any moment and called again, it goes on: each part is where its row says. One whose file is whole at
    neither address stops none of the others. While another process archives it is a Conflict.
    """
    with one_at_a_time(store, access, ARCHIVE):
        return _move(store, access, shelf_of(to), progress=progress, shelf_of=shelf_of)


def _move(store: Store, access: Access, target: Shelf, *, progress: Progress | None, shelf_of: ShelfOf) -> Moved:
    before = _Known(shelf_of)
    parts = store.archive.parts(access)
    mine = [part for part in parts if part.address != target.address]
    moved, copied, failed = [], 0, []
    for at, part in enumerate(mine, 1):
        try:
            copied += store.archive.move(access, part, target, before)
            moved.append(str(part))
        except (Conflict, StoreCorrupt, ConfigError) as error:
            failed.append(f"{part}: {error}")
        if progress:
            progress(at, len(mine))
    return Moved(target.address, tuple(moved), len(parts) - len(mine), copied, tuple(failed))


@dataclass(slots=True)
class _Known:
    """Opens each address once: one that does not answer takes long to say so."""

    shelf_of: ShelfOf
    found: dict[str, Shelf | GridwrightError] = field(default_factory=dict)

    def __call__(self, address: str) -> Shelf:
        if address not in self.found:
            try:
                self.found[address] = self.shelf_of(address)
            except (StoreCorrupt, ConfigError) as error:
                self.found[address] = error
        found = self.found[address]
        if isinstance(found, GridwrightError):
            raise found
        return found
