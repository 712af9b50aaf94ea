"""Files of the archive that a newer one of the same month took the place of: kept, for others may still need them.

A backup, or a database restored from one, names the files of its own day. So none is deleted when a month is archived
anew, but by whoever knows how far back the backups reach.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from gridwright.domain.errors import StoreCorrupt
from gridwright.domain.month import month_name

if TYPE_CHECKING:
    from gridwright.store.archive.archive import ArchivePart
    from gridwright.store.archive.file import Listed, Shelf

FOLDERS = ("readings", "versions")


def superseded(
    parts: Iterable[ArchivePart], shelf_of: Callable[[str], Shelf], before: datetime
) -> Iterator[Listed | StoreCorrupt]:
    """Yield the files that newer ones of `parts` have stood for since before an instant; of a part, or why none.

    A backup made up to the moment when the newer file was registered names the older one, however old that is. Of
    several forerunners all stay until then: when those between were registered, nobody knows any more.

    Where the file that counts is not there as it is registered, its forerunners are all there is, and none is named.
    """
    for part in (each for each in parts if each.archived_at < before):
        try:
            yield from _of_part(part, shelf_of(part.address))
        except StoreCorrupt as error:
            yield error


def delete_all(part: ArchivePart, shelf: Shelf) -> int:
    """Delete every file of a part's series and month, those that newer ones stand for too; returns how many there were.

    One that is still there afterwards is StoreCorrupt: it was to be gone.
    """
    files = _files(part, shelf)
    for name in files:
        shelf.remove(name)
    left = _files(part, shelf) if files else []
    if left:
        where = f"{shelf.address}/{left[0]}"
        raise StoreCorrupt("the archive file cannot be deleted", where=where, remedy="let this user delete files there")
    return len(files)


def _files(part: ArchivePart, shelf: Shelf) -> list[str]:
    listed = [one.name for folder in FOLDERS for one in shelf.listed(f"{folder}/{month_name(part.month)}")]
    return [name for name in listed if name == part.name or part.is_forerunner(name)]


def _of_part(part: ArchivePart, shelf: Shelf) -> Iterator[Listed]:
    from gridwright.store.archive.writing import require_whole

    folders = {folder: shelf.listed(f"{folder}/{month_name(part.month)}") for folder in FOLDERS}
    older = {folder: [one for one in listed if part.is_forerunner(one.name)] for folder, listed in folders.items()}
    if not any(older.values()):
        return
    require_whole(shelf, part.name, part.sha256)
    versions = shelf.footer(part.name)["versions"]
    if versions is not None:
        require_whole(shelf, versions["name"], versions["sha256"])
    count = {part.name, versions["name"] if versions else ""}
    own = next(one.written for one in folders["readings"] if one.name == part.name)
    for one in (*older["readings"], *older["versions"]):
        if one.name not in count and one.written <= own:
            yield one
