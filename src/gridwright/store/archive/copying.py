"""Files of the archive at another address: there already, or copied, and read back before they count."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gridwright.domain.errors import StoreCorrupt
from gridwright.store.archive.file import CHUNK, LOST, Shelf, create, keep, make_folder, named, writing_to
from gridwright.store.archive.writing import require_whole

if TYPE_CHECKING:
    from gridwright.store.archive.archive import ArchivePart

ShelfOf = Callable[[str], Shelf]


def bring_files(part: ArchivePart, shelf_of: ShelfOf, to: Shelf) -> int:
    """See that the files of a part are at an address, whole; what is not is copied. Returns how many were."""
    copied = _bring(part, part.name, part.sha256, shelf_of, to)
    versions = to.footer(part.name)["versions"]
    if versions is not None:
        copied += _bring(part, versions["name"], versions["sha256"], shelf_of, to)
    return copied


def _bring(part: ArchivePart, name: str, sha256: str, shelf_of: ShelfOf, to: Shelf) -> int:
    if to.has(name) and to.sha256(name) == sha256:
        return 0
    if part.address == to.address:
        require_whole(to, name, sha256)
    _copy(shelf_of(part.address), to, name, sha256)
    require_whole(to, name, sha256)
    return 1


def _copy(source: Shelf, to: Shelf, name: str, sha256: str) -> None:
    """Copy a file under a temporary name, and give it its own when its bytes are those that are registered."""
    folder = name.rpartition("/")[0]
    draft = f"{folder}/.{secrets.token_hex(8)}.tmp"
    digest = hashlib.sha256()
    with _leaving_no_draft(to, draft):
        with named(source, name), source.files.open_input_stream(source.inside(name)) as stream:
            with writing_to(to):
                make_folder(to, folder)
                sink = create(to, draft)
            with sink:
                while chunk := stream.read(CHUNK):
                    digest.update(chunk)
                    with writing_to(to):
                        sink.write(chunk)
        if digest.hexdigest() != sha256:
            raise StoreCorrupt("the archive file has been changed", where=f"{source.address}/{name}", remedy=LOST)
        with writing_to(to):
            keep(to, draft, name)


@contextmanager
def _leaving_no_draft(shelf: Shelf, draft: str) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shelf.remove(draft)
        raise
