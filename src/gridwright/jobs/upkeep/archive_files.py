"""Which files of the archive are where the register says: one listing for each address, however many files."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from gridwright.domain.errors import ConfigError, GridwrightError, StoreCorrupt
from gridwright.store.archive.archive import ArchivePart
from gridwright.store.archive.file import Shelf

CHILD = "import sys; from gridwright.jobs.upkeep.archive_files import tell_names; tell_names(sys.argv[1])"
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
    # A process of its own: what a storage client waits for cannot be called off, and holds up the end of its process.
    command = [sys.executable, "-c", CHILD, address]
    with suppress(subprocess.TimeoutExpired):
        child = subprocess.Popen(  # noqa: S603 - this very Python, and an address out of our own register
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        try:
            told, _ = child.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate(timeout=1.0)  # one that waits for a dead mount cannot even be killed
            raise
        return _heard(told, address)
    remedy = "check the network, the mount or the disk; until then its months cannot be read"
    return StoreCorrupt(f"the storage does not answer within {seconds:g} s", where=address, remedy=remedy)


def _heard(told: bytes, address: str) -> set[str] | GridwrightError:
    """Return what the process of its own has told."""
    try:
        names, message, remedy = json.loads(told)
    except ValueError:
        return StoreCorrupt("its files cannot be listed", where=address, remedy="gridwright verify tells more")
    return StoreCorrupt(message, where=address, remedy=remedy) if message else set(names)


def tell_names(address: str) -> None:
    """Write what is at an address, for who waits no longer than it wants to: names, or a message and a remedy."""
    found = _names(address, Shelf.at)
    told = [[], found.message, found.remedy] if isinstance(found, GridwrightError) else [sorted(found), "", ""]
    sys.stdout.write(json.dumps(told))


def _names(address: str, shelf_of: ShelfOf) -> set[str] | GridwrightError:
    try:
        return shelf_of(address).names()
    except (StoreCorrupt, ConfigError) as error:
        return error
