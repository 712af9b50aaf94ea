"""A backup in one file: a header that can be read alone, then the content, compressed and encrypted in frames.

Header: 8 KiB, `GRIDWRIGHT-BACKUP 1`, JSON, and a seal over it. Frame: length (4 bytes, big endian; its highest bit
marks the last one), then up to 1 MiB of zstd, encrypted with AES-256-GCM under a key of this backup alone, which a
master key wraps. Each frame is bound to its place, so that none can be left out, repeated or moved.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from gridwright.domain.errors import (
    Conflict,
    GridwrightError,
    NotFound,
    StoreCorrupt,
    StoreError,
    StoreFull,
    UsageError,
)
from gridwright.durable import sync
from gridwright.store.backup.draft import drafted
from gridwright.store.sealing.sealing import Master

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MAGIC = b"GRIDWRIGHT-BACKUP 1\n"
HEADER_BYTES, SEAL_BYTES = 8192, 32
FRAME, LAST = 1 << 20, 1 << 31
KEY_BYTES = 32
SUFFIX = ".gwb"
ENOSPC = 28
DAMAGED = "use another backup; gridwright backup verify tells which ones are whole"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself. `tables`: rows of each; `content_bytes` before compression; `master`: key id."""

    id: str
    program: str
    revision: str
    database: str
    payload: str
    created: datetime
    tables: Mapping[str, int]
    content_bytes: int
    stored_bytes: int
    sha256: str
    master: str
    wrapped: str

    @property
    def rows(self) -> int:
        """All rows."""
        return sum(self.tables.values())

    @property
    def encrypted(self) -> bool:
        """Whether a key is needed to open it."""
        return bool(self.wrapped)


class BackupWriter:
    """A file to write the content to; `finish` makes it a backup, without it nothing is left behind.

    A file that is there already is Conflict, unless `force`: then the backup takes its place when it is whole.
    """

    closed = False

    def __init__(self, path: Path, master: Master | None, *, force: bool = False) -> None:
        import pyarrow as pa

        self.path, self.id, self._force = path, secrets.token_hex(16), force
        _refuse_taken(path, force=force)
        self._draft, self._hold = path, ExitStack()
        self._master = master
        self._key = None if master is None else secrets.token_bytes(KEY_BYTES)
        self._wrapped = self._wrap()
        self._cipher = None if self._key is None else _cipher(self._key)
        self._digest, self._held = hashlib.sha256(), bytearray()
        self._frames = self._content = self._stored = 0
        with _named(path):
            self._draft = self._hold.enter_context(drafted(path, suffix=SUFFIX))
            self._file: IO[bytes] = self._draft.open("r+b")
            self._file.write(b"\0" * HEADER_BYTES)
        self._zstd = pa.CompressedOutputStream(pa.PythonFile(_Sink(self._take), "w"), "zstd")

    def write(self, content: bytes) -> int:
        """Take content."""
        self._content += len(content)
        with _named(self.path):
            self._zstd.write(content)
        return len(content)

    def _take(self, compressed: bytes) -> None:
        self._held += compressed
        while len(self._held) > FRAME:
            self._frame(bytes(self._held[:FRAME]), last=False)
            del self._held[:FRAME]

    def _frame(self, body: bytes, *, last: bool) -> None:
        if self._cipher is not None:
            body = self._cipher.encrypt(_nonce(self._frames), body, _bound(self.id, self._frames, last=last))
        framed = (len(body) | (LAST if last else 0)).to_bytes(4, "big") + body
        self._digest.update(framed)
        self._file.write(framed)
        self._frames += 1
        self._stored += len(framed)

    def finish(self, about: Mapping[str, Any], *, needed: Collection[str] = ()) -> Header:
        """Write the last frame and the header, make it durable, and give it its name; return the header.

        `needed`: the master keys without which nobody opens what is sealed in the content. One that was forgotten while
        the backup was made is Conflict.
        """
        with _named(self.path):
            self._zstd.close()
            self._frame(bytes(self._held), last=True)
            facts = self._written_header(about)
            while self._is_behind(needed):
                self._wrapped = self._wrap()
                facts = self._written_header(about)
            self._file.close()
            self._take_the_name()
            sync(self.path.parent)
        return _to_header(facts)

    def _wrap(self) -> bytes:
        return b"" if self._master is None or self._key is None else self._master.seal(self._key)

    def _written_header(self, about: Mapping[str, Any]) -> dict[str, Any]:
        facts = {
            **about,
            "id": self.id,
            "content_bytes": self._content,
            "stored_bytes": self._stored,
            "sha256": self._digest.hexdigest(),
            "master": "" if self._master is None else self._master.key_of(self._wrapped),
            "wrapped": base64.b64encode(self._wrapped).decode(),
        }
        self._file.seek(0)
        self._file.write(_packed(facts, self._key))
        self._file.flush()
        os.fsync(self._file.fileno())
        return facts

    def _is_behind(self, needed: Collection[str]) -> bool:
        """Tell whether the master key was changed since the backup began, so that its own key must be wrapped anew."""
        if self._master is None:
            return False
        keys = self._master.key_ids()
        if lost := sorted(set(needed) - {"", *keys}):
            raise Conflict(
                f"master key {lost[0]}, which what is sealed in the backup needs, was forgotten while it was made",
                where=str(self.path),
                remedy="make the backup again: the database is under the newer key",
            )
        return keys[0] != self._master.key_of(self._wrapped)

    def _take_the_name(self) -> None:
        if not self._force:
            try:
                os.link(self._draft, self.path)  # unlike a rename it refuses a name that somebody took meanwhile
            except OSError:
                _refuse_taken(self.path, force=False)
            else:
                self._draft.unlink()
                return
        self._draft.replace(self.path)

    def give_up(self) -> None:
        """Leave nothing behind; after `finish` it does nothing."""
        with suppress(OSError, ValueError):
            self._zstd.close()
        with suppress(OSError, ValueError):
            self._file.close()
        self._hold.close()


def _refuse_taken(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise UsageError("this is a folder", where=str(path), remedy="name a file in it, one that ends in .gwb")
    if not force and path.exists():
        raise Conflict(
            "there is a file of this name already",
            where=str(path),
            remedy="name another one, or give --force to put the backup in its place once it is whole",
        )


class _Sink:
    """What pyarrow needs to write into a function."""

    closed = False

    def __init__(self, take: Callable[[bytes], None]) -> None:
        self._take = take

    def write(self, content: bytes) -> int:
        data = bytes(content)
        self._take(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is held here."""

    def close(self) -> None:
        """Nothing is open here."""

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return False

    def writable(self) -> bool:
        return True


def read_header(path: Path) -> Header:
    """Return what a file says of itself; NotFound, or StoreCorrupt for what is no backup or has a damaged header."""
    return _to_header(_facts(path))


def _facts(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise NotFound("there is no backup here", where=str(path), remedy="gridwright backup list DIR")
    with _named(path), path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if not head.startswith(MAGIC):
        raise StoreCorrupt("this is no backup of Gridwright", where=str(path), remedy="name a file that ends in .gwb")
    text = head[len(MAGIC) : -SEAL_BYTES].rstrip(b" ")
    try:
        facts = json.loads(text)
        _to_header(facts)
    except (ValueError, KeyError, TypeError):
        facts = None
    if len(head) < HEADER_BYTES or facts is None or (not facts["wrapped"] and _seal(head, None) != head[-SEAL_BYTES:]):
        raise StoreCorrupt("the header of the backup is damaged", where=str(path), remedy=DAMAGED)
    return dict(facts)


def check_whole(path: Path, *, progress: Progress | None = None) -> Header:
    """Read a backup to its end, without its key: StoreCorrupt when a byte is another or one is missing."""
    header, digest, done = read_header(path), hashlib.sha256(), 0
    with _named(path), path.open("rb") as file:
        file.seek(HEADER_BYTES)
        while chunk := file.read(FRAME):
            digest.update(chunk)
            done += len(chunk)
            if progress:
                progress(min(done, header.stored_bytes), header.stored_bytes)
    if done != header.stored_bytes:
        raise StoreCorrupt(
            f"the backup is {'truncated' if done < header.stored_bytes else 'too long'}: {done} bytes instead of "
            f"{header.stored_bytes}",
            where=str(path),
            remedy=DAMAGED,
        )
    if digest.hexdigest() != header.sha256:
        raise StoreCorrupt("the backup is damaged: its checksum is another", where=str(path), remedy=DAMAGED)
    return header


@contextmanager
def opened(path: Path, master: Master | None) -> Iterator[Any]:
    """Open the content of a backup as a stream; a wrong or absent key is StoreCorrupt."""
    import pyarrow as pa

    key = _key_of(path, read_header(path), master)
    with path.open("rb") as file:
        source = _Frames(file, path, None if key is None else _cipher(key), read_header(path).id)
        stream = pa.CompressedInputStream(pa.PythonFile(source, "r"), "zstd")
        try:
            yield stream
        except (pa.ArrowException, OSError) as error:
            raise StoreCorrupt(f"the backup is damaged: {error}", where=str(path), remedy=DAMAGED) from error


def _key_of(path: Path, header: Header, master: Master | None) -> bytes | None:
    if not header.encrypted:
        return None
    remedy = f"bring the key file that holds key {header.master}, and name it with --key"
    if master is None:
        raise StoreCorrupt(f"the backup is encrypted with key {header.master}", where=str(path), remedy=remedy)
    try:
        key = master.open(base64.b64decode(header.wrapped))
    except GridwrightError as error:
        raise StoreCorrupt(
            f"the backup is encrypted with key {header.master}, which is not at hand ({error.message})",
            where=str(path),
            remedy=remedy,
        ) from error
    with path.open("rb") as file:
        head = file.read(HEADER_BYTES)
    if not hmac.compare_digest(_seal(head, key), head[-SEAL_BYTES:]):
        raise StoreCorrupt("the header of the backup is damaged", where=str(path), remedy=DAMAGED)
    return key


class _Frames:
    """Reads the frames of a backup as one stream."""

    closed = False

    def __init__(self, file: IO[bytes], path: Path, cipher: AESGCM | None, identity: str) -> None:
        self._file, self._path, self._cipher, self._id = file, path, cipher, identity
        self._number, self._over, self._held = 0, False, b""
        file.seek(HEADER_BYTES)

    def read(self, size: int = -1) -> bytes:
        while not self._over and (size < 0 or len(self._held) < size):
            self._held += self._next()
        size = len(self._held) if size < 0 else size
        part, self._held = self._held[:size], self._held[size:]
        return part

    def _next(self) -> bytes:
        from cryptography.exceptions import InvalidTag

        head = int.from_bytes(self._file.read(4), "big")
        length, self._over = head & ~LAST, bool(head & LAST)
        body = self._file.read(length) if 0 < length <= 2 * FRAME else b""
        if len(body) != length or not length:
            raise StoreCorrupt("the backup is truncated or damaged", where=str(self._path), remedy=DAMAGED)
        if self._cipher is not None:
            try:
                bound = _bound(self._id, self._number, last=self._over)
                body = self._cipher.decrypt(_nonce(self._number), body, bound)
            except InvalidTag as error:
                raise StoreCorrupt(
                    f"part {self._number + 1} of the backup has been changed", where=str(self._path), remedy=DAMAGED
                ) from error
        self._number += 1
        return body

    def close(self) -> None:
        """Whoever opened the file closes it."""

    def seekable(self) -> bool:
        return False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False


def _packed(facts: Mapping[str, Any], key: bytes | None) -> bytes:
    text = json.dumps(facts, sort_keys=True).encode()
    body = MAGIC + text.ljust(HEADER_BYTES - len(MAGIC) - SEAL_BYTES)
    if len(body) + SEAL_BYTES != HEADER_BYTES:
        raise StoreError("the header of the backup is too long", remedy="please report it")
    return body + _seal(body + b"\0" * SEAL_BYTES, key)


def _seal(head: bytes, key: bytes | None) -> bytes:
    body = head[:-SEAL_BYTES]
    return hashlib.sha256(body).digest() if key is None else hmac.new(key, b"header" + body, "sha256").digest()


def _to_header(facts: Mapping[str, Any]) -> Header:
    return Header(**{**facts, "created": datetime.fromisoformat(facts["created"])})


def _nonce(number: int) -> bytes:
    return number.to_bytes(12, "big")


def _bound(identity: str, number: int, *, last: bool) -> bytes:
    return f"{identity} {number} {last}".encode()


def _cipher(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn what the system refuses into an error that names the file."""
    try:
        yield
    except OSError as error:
        kind = StoreFull if error.errno == ENOSPC else StoreError
        raise kind(
            f"the backup file cannot be used: {error.strerror or error}",
            where=str(path),
            remedy="check the folder, its permissions and the room there",
        ) from error
