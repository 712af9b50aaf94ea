"""Which files of the archive are where the register says: one listing for each address, however many files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from threading import Thread

from gridwright.domain.errors import ConfigError, GridwrightError, StoreCorrupt
from gridwright.store.archive.archive import ArchivePart
from gridwright.store.archive.file import Shelf

ShelfOf = Callable[[str], Shelf]


@dataclass(frozen=True, slots=True)
class AtAddress:
    """What is registered at one address, and what of it is not there; `files`: how many of the archive's are."""

    address: str
    parts: tuple[ArchivePart, ...]
    missing: tuple[ArchivePart, ...] = ()
    files: int = 0
    error: GridwrightError | None = None


def look_at_files(
    parts: Iterable[ArchivePart], shelf_of: ShelfOf = Shelf.at, *, patience_s: float | None = None
) -> Iterator[AtAddress]:
    """Yield what is there of some parts, by address; one that does not answer in so many seconds has an error."""
    by_address: dict[str, list[ArchivePart]] = defaultdict(list)
    for part in parts:
        by_address[part.address].append(part)
    for address, mine in by_address.items():
        listed = _within(patience_s, address, shelf_of)
        if isinstance(listed, GridwrightError):
            yield AtAddress(address, tuple(mine), error=listed)
        else:
            missing = tuple(part for part in mine if part.name not in listed)
            yield AtAddress(address, tuple(mine), missing, len(listed))


def _within(seconds: float | None, address: str, shelf_of: ShelfOf) -> set[str] | GridwrightError:
    """Return the names at an address, or why they cannot be told; a storage that is slower counts as silent."""
    if seconds is None:
        return _names(address, shelf_of)
    silent = StoreCorrupt(
        f"the storage does not answer within {seconds:g} s",
        where=address,
        remedy="check the network, the mount or the disk; until then its months cannot be read",
    )
    found: list[set[str] | GridwrightError] = [silent]
    # What a file system waits for cannot be called off: the thread is left behind, and ends with the process.
    thread = Thread(target=lambda: found.append(_names(address, shelf_of)), daemon=True)
    thread.start()
    thread.join(seconds)
    return found[-1]


def _names(address: str, shelf_of: ShelfOf) -> set[str] | GridwrightError:
    try:
        return shelf_of(address).names()
    except (StoreCorrupt, ConfigError) as error:
        return error
