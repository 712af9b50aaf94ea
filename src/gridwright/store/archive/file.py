"""Archive files on any file system that pyarrow reaches: written under a temporary name, made durable, then renamed."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from gridwright.domain.calendar import day_number
from gridwright.domain.errors import ConfigError, StoreCorrupt, StoreError
from gridwright.durable import sync
from gridwright.store.archive.rows import SCHEMA

FOOTER = b"gridwright"
MONTHS = "readings"
GROUP_ROWS = 20_000
CHUNK = 1 << 20
LOST = "bring the file back from a copy of the archive"
ROOM = "check the place, its permissions and the room there; the database is as it was"
STALE_S = 86_400  # a draft that old is of a process that was killed
# What file systems and object stores say, in our words, and what helps; the first that fits counts.
TROUBLES = (
    (
        re.compile(r"(?i)bucket.*(not found|does not exist)|NO_SUCH_BUCKET"),
        "there is no such bucket",
        "make the bucket, or name another; Gridwright makes none",
    ),
    (
        re.compile(r"(?i)ACCESS_DENIED|INVALID_ACCESS_KEY|SIGNATURE|CREDENTIALS|HTTP status 40[13]"),
        "the storage refuses these credentials",
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may do there",
    ),
    (
        re.compile(r"(?i)NETWORK_CONNECTION|curlCode|could not connect|resolve host"),
        "the storage does not answer",
        "check the network, the region, and AWS_ENDPOINT_URL where the storage is not Amazon's",
    ),
    (re.compile(r"(?i)no space left|disk quota"), "the disk is full", "make room on it; the database is as it was"),
    (
        re.compile(r"(?i)permission denied|read-only file system"),
        "this user may not write there",
        "let it, or name another place; the database is as it was",
    ),
)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as its folder lists it: the archive's address, the name there, its size, and when it was written."""

    address: str
    name: str
    bytes: int
    written: datetime

    @property
    def place(self) -> str:
        """Where it lies."""
        return f"{self.address}/{self.name}"


@dataclass(frozen=True, slots=True)
class Shelf:
    """A folder of archive files: the file system, the path in it, and the address as it is shown and kept."""

    files: fs.FileSystem
    path: str
    address: str

    @classmethod
    def at(cls, address: str) -> Shelf:
        """Return the folder at an address (`/srv/archive`, `file:///…`, `s3://bucket/…`), or ConfigError.

        Where a storage has to be asked, and cannot be, it is StoreCorrupt, as it is for each of its files.
        """
        if "://" not in address:
            path = str(Path(address).absolute())
            return cls(fs.LocalFileSystem(), path, path)
        if "@" in urlsplit(address).netloc:
            raise ConfigError(
                "the address of the archive holds a secret, and is kept in the database",
                remedy="leave it out, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            )
        try:
            files, path = fs.FileSystem.from_uri(address)
        except (pa.ArrowException, OSError, ValueError) as error:
            what, remedy = _told(error, "")
            if remedy:
                raise StoreCorrupt(f"the archive is out of reach: {what}", where=address, remedy=remedy) from error
            raise ConfigError(
                f"{address!r} is no place that can be written to: {_short(error)}",
                remedy="write a folder, file:///srv/archive or s3://bucket/folder, a space in an address as %20",
            ) from error
        return cls(files, path.rstrip("/"), address.rstrip("/"))

    def inside(self, name: str) -> str:
        """Return the path of a file in the folder."""
        return f"{self.path}/{name}"

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine's disks."""
        return bool(self.files.type_name == "local")

    def remove(self, name: str) -> None:
        """Delete a file; an absent one is no fault."""
        with suppress(OSError):
            self.files.delete_file(self.inside(name))

    def listed(self, folder: str) -> list[Listed]:
        """Return the Parquet files of a folder; none where there is no such folder."""
        selector = fs.FileSelector(self.inside(folder), allow_not_found=True)
        with named(self, folder):
            found = self.files.get_file_info(selector)
        return [
            Listed(self.address, f"{folder}/{one.base_name}", one.size, one.mtime)
            for one in found
            if one.type is fs.FileType.File and one.extension == "parquet" and one.mtime is not None
        ]

    def names(self) -> set[str]:
        """Return the names of all files of months, by one listing; none where there is no such folder."""
        selector = fs.FileSelector(self.inside(MONTHS), allow_not_found=True, recursive=True)
        with named(self, MONTHS):
            found = self.files.get_file_info(selector)
        files = [one.path for one in found if one.type is fs.FileType.File and one.extension == "parquet"]
        return {path.removeprefix(self.path).lstrip("/") for path in files}

    def has(self, name: str) -> bool:
        """Tell whether a file is there."""
        with named(self, name):
            return self.files.get_file_info(self.inside(name)).type is fs.FileType.File

    def sha256(self, name: str) -> str:
        """Return the checksum of a file's bytes; an absent file is StoreCorrupt."""
        digest = hashlib.sha256()
        with named(self, name), self.files.open_input_stream(self.inside(name)) as stream:
            while chunk := stream.read(CHUNK):
                digest.update(chunk)
        return digest.hexdigest()

    def tables(self, name: str) -> Iterator[pa.Table]:
        """Yield the row groups of a file, one after another; a file that cannot be read is StoreCorrupt."""
        with named(self, name), self.files.open_input_file(self.inside(name)) as source:
            file = pq.ParquetFile(source)
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)

    def state(self, name: str) -> tuple[object, ...]:
        """Return size and time of a file: it is the same file as long as they are; an absent one is StoreCorrupt."""
        with named(self, name):
            found = self.files.get_file_info(self.inside(name))
        if found.type is fs.FileType.NotFound:
            where = f"{self.address}/{name}"
            raise StoreCorrupt("the archive file cannot be read: it is not there", where=where, remedy=LOST)
        return found.size, found.mtime

    def groups(self, name: str, days: range, points: Sequence[str]) -> list[int]:
        """Return the row groups of a file that may hold rows of some days and usage points (sorted)."""
        with named(self, name), self.files.open_input_file(self.inside(name)) as source:
            meta = pq.ParquetFile(source).metadata
            return [group for group in range(meta.num_row_groups) if _may_hold(meta.row_group(group), days, points)]

    def group(self, name: str, group: int, columns: Sequence[str]) -> pa.Table:
        """Return some columns of a row group; what does not fit its checksums is StoreCorrupt."""
        with named(self, name), self.files.open_input_file(self.inside(name)) as source:
            file = pq.ParquetFile(source, page_checksum_verification=True)
            return file.read_row_group(group, columns=list(columns))

    def usage_points(self, name: str) -> set[str]:
        """Return the names of the usage points of which a file has rows."""
        with named(self, name), self.files.open_input_file(self.inside(name)) as source:
            found = pq.ParquetFile(source).read(columns=["usage_point"])["usage_point"]
            return {str(each) for each in found.unique().to_pylist()}

    def footer(self, name: str) -> dict[str, Any]:
        """Return what the file says of itself."""
        with named(self, name), self.files.open_input_file(self.inside(name)) as source:
            kept = pq.ParquetFile(source).metadata.metadata or {}
        if FOOTER not in kept:
            raise StoreCorrupt("this is no archive file of Gridwright", where=f"{self.address}/{name}", remedy=LOST)
        found: dict[str, Any] = json.loads(kept[FOOTER])
        return found


def _may_hold(group: pq.RowGroupMetaData, days: range, points: Sequence[str]) -> bool:
    """Tell by what a row group says of its columns whether it can have rows of some days and usage points (sorted)."""
    bounds = {}
    for column in range(group.num_columns):
        about = group.column(column)
        if about.path_in_schema in {"day", "usage_point"} and about.statistics and about.statistics.has_min_max:
            bounds[about.path_in_schema] = about.statistics.min, about.statistics.max
    if "day" in bounds:
        first, last = (day_number(each) for each in bounds["day"])
        if last < days.start or first >= days.stop:
            return False
    if "usage_point" not in bounds:
        return True
    lowest, highest = bounds["usage_point"]
    at = bisect_left(points, lowest)
    return at < len(points) and points[at] <= highest


@contextmanager
def named(shelf: Shelf, name: str) -> Iterator[None]:
    """Turn what pyarrow and the system raise into an error that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        what, remedy = _told(error, LOST)
        raise StoreCorrupt(
            f"the archive file cannot be read: {what}", where=f"{shelf.address}/{name}", remedy=remedy
        ) from error


def _told(error: BaseException, otherwise: str) -> tuple[str, str]:
    """Return what went wrong and what helps: in our words where we know them."""
    said = str(error)
    for pattern, what, remedy in TROUBLES:
        if pattern.search(said):
            return f"{what} ({_short(error)})", remedy
    return _short(error), otherwise


def _short(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


class ArchiveWriter:
    """Writes one Parquet file: tables in order, then `finish` with what is to stand in its footer."""

    def __init__(self, shelf: Shelf, folder: str) -> None:
        self._shelf = shelf
        self._draft = f"{folder}/.{secrets.token_hex(8)}.tmp"
        self._held: list[pa.Table] = []
        self._rows = 0
        with self._writes():
            make_folder(shelf, folder)
            _sweep(shelf, folder)
            self._stream = create(shelf, self._draft)
            self._sink = _Hashing(self._stream)
            order = [pq.SortingColumn(SCHEMA.get_field_index(name)) for name in ("day", "usage_point")]
            self._file = pq.ParquetWriter(
                self._sink, SCHEMA, compression="zstd", sorting_columns=order, write_page_checksum=True
            )

    def add(self, table: pa.Table) -> None:
        """Write rows; small tables go together into one row group."""
        self._held.append(table)
        self._rows += table.num_rows
        if self._rows >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._held:
            with self._writes():
                self._file.write_table(pa.concat_tables(self._held), row_group_size=GROUP_ROWS)
        self._held, self._rows = [], 0

    def finish(self, stem: str, footer: Mapping[str, Any]) -> tuple[str, str]:
        """Make the file durable and give it its name, `stem` with a part of its checksum; return name and checksum."""
        self._flush()
        with self._writes():
            self._file.add_key_value_metadata({FOOTER: json.dumps(footer, sort_keys=True)})
            self._file.close()
            self._stream.close()
            sha256 = self._sink.digest.hexdigest()
            name = f"{stem}-{sha256[:12]}.parquet"
            keep(self._shelf, self._draft, name)
        return name, sha256

    def give_up(self) -> None:
        """Leave nothing behind."""
        self._sink.gives_up = True
        with suppress(pa.ArrowException, OSError, ValueError):
            self._file.close()
            self._stream.close()
        self._shelf.remove(self._draft)

    @contextmanager
    def _writes(self) -> Iterator[None]:
        try:
            with writing_to(self._shelf):
                yield
        except StoreError:
            self._shelf.remove(self._draft)
            raise


@contextmanager
def writing_to(shelf: Shelf) -> Iterator[None]:
    """Turn what pyarrow and the system raise into an error that names the archive."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        what, remedy = _told(error, ROOM)
        raise StoreError(f"the archive cannot be written: {what}", where=shelf.address, remedy=remedy) from error


def create(shelf: Shelf, draft: str) -> pa.NativeFile:
    """Begin a file; on this machine, for this user alone."""
    if shelf.is_local:  # pyarrow would let everybody read it
        os.close(os.open(shelf.inside(draft), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return shelf.files.open_output_stream(shelf.inside(draft))


def keep(shelf: Shelf, draft: str, name: str) -> None:
    """Make a file durable and give it its name."""
    # An object store keeps what it has acknowledged; a local disk has to be told.
    if shelf.is_local:
        sync(Path(shelf.inside(draft)))
    shelf.files.move(shelf.inside(draft), shelf.inside(name))
    if shelf.is_local:
        sync(Path(shelf.inside(name)).parent)


def make_folder(shelf: Shelf, folder: str) -> None:
    """Make a folder of the archive, on this machine for this user alone, and so those that lead to it."""
    if not shelf.is_local:
        shelf.files.create_dir(shelf.inside(folder), recursive=True)
        return
    last = Path(shelf.inside(folder))
    for each in (*reversed(last.parents), last):
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)


def _sweep(shelf: Shelf, folder: str) -> None:
    """Delete drafts that a killed process left long ago."""
    before = time.time() - STALE_S
    for found in shelf.files.get_file_info(fs.FileSelector(shelf.inside(folder))):
        name = found.base_name
        if name.startswith(".") and name.endswith(".tmp") and found.mtime and found.mtime.timestamp() < before:
            shelf.remove(f"{folder}/{name}")


class _Hashing:
    """A file that a Parquet writer writes to, which keeps the checksum of what went through."""

    closed = False

    def __init__(self, stream: pa.NativeFile) -> None:
        self.digest = hashlib.sha256()
        self._stream = stream
        self._at = 0
        self.gives_up = False

    def write(self, content: bytes) -> int:
        data = bytes(content)
        if self.gives_up:  # a Parquet writer wants to end its file, whatever becomes of it
            return len(data)
        self.digest.update(data)
        self._stream.write(data)
        self._at += len(data)
        return len(data)

    def tell(self) -> int:
        return self._at

    def flush(self) -> None:
        if not self.gives_up:
            self._stream.flush()

    def close(self) -> None:
        self.flush()

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return False
