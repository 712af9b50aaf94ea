"""The vault: what is secret is sealed before it goes into the database, with a master key that lies outside it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from gridwright.domain.errors import StoreCorrupt, StoreError, UsageError
from gridwright.durable import sync
from gridwright.jobs.upkeep.key_lock import key_file_alone
from gridwright.jobs.upkeep.key_users import note_user, users, users_file

KEY_FILE = "secret.key"
KEY_VARIABLE = "GRIDWRIGHT_SECRET_KEY"
# GW1, from before keys had a name: nonce and ciphertext. GW2: the key's id stands between.
OLD_MARK, MARK = b"GW1", b"GW2"
KEY_BYTES, NONCE_BYTES, ID_BYTES = 32, 12, 4
Look = tuple[int, int, int]
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Vault:
    """Seals and opens with AES-256-GCM; the key file is made, for its owner's eyes alone, when first needed.

    `place`: the key file, or the folder in which it is called `secret.key`. Its first line seals; the lines below are
    earlier keys, which still open. `given`: the keys themselves, from the environment, instead of a file. Without the
    keys what was sealed is lost: they belong into a backup, but not beside the database's. `user`: whose vault it is,
    written beside the file when it first seals, so that another's is warned.
    `before_making` is called before a first key is made, and raises where there must be one.
    """

    def __init__(
        self,
        place: Path | str,
        *,
        given: str | None = None,
        user: str = "",
        before_making: Callable[[], None] = lambda: None,
    ) -> None:
        path = Path(place)
        self.path = path / KEY_FILE if path.is_dir() else path
        self._given, self._user, self._noted = given, user, False
        self._before_making = before_making
        self._keys: dict[str, bytes] = {}
        self._looks: Look | None = None

    def seal(self, content: bytes) -> bytes:
        """Return the content as only this key opens it; twice the same looks different."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        name, key = next(iter(self._secrets(make=True).items()))
        self._note_use()
        nonce = secrets.token_bytes(NONCE_BYTES)
        head = MARK + bytes.fromhex(name)
        return head + nonce + AESGCM(key).encrypt(nonce, content, head)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; another key, or a changed byte, is StoreCorrupt."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        head, nonce, rest = _taken_apart(sealed)
        if len(nonce) < NONCE_BYTES or head[: len(MARK)] not in {MARK, OLD_MARK}:
            raise StoreCorrupt("this was not sealed by Gridwright", where=self.place, remedy="set the secret again")
        keys = self._secrets(make=False)
        named = keys if head == OLD_MARK else {name: key for name, key in keys.items() if name == self.key_of(sealed)}
        for key in named.values():
            with contextlib.suppress(InvalidTag):
                return AESGCM(key).decrypt(nonce, rest, head)
        raise StoreCorrupt(
            "the secret was sealed with another key, or has been changed",
            where=self.place,
            remedy="bring back the key file that belongs to this database, or set the secret again",
        )

    def key_of(self, sealed: bytes) -> str:
        """Return the id of the key that sealed it; empty for what was sealed before keys had one."""
        return sealed[len(MARK) : len(MARK) + ID_BYTES].hex() if sealed.startswith(MARK) else ""

    @property
    def place(self) -> str:
        """Where the keys come from."""
        return str(self.path) if self._given is None else KEY_VARIABLE

    @property
    def exists(self) -> bool:
        """Whether there is a key already."""
        return self._given is not None or self.path.exists()

    def key_ids(self) -> list[str]:
        """Return the ids of the keys, the one that seals first; a file that cannot be used is an error."""
        return list(self._secrets(make=False))

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Hold the key file for a whole rotation; StoreLocked where another process changes it."""
        if self._given is not None:  # no key of the environment is changed from here
            yield
            return
        with key_file_alone(self.path):
            self._looks = None  # what another rotation left is read
            yield

    def add_key(self) -> str:
        """Put a new key before the others, and return its id; keys of the environment cannot be changed from here.

        For whoever holds the key file (`changing`), as long as anything is to be wrapped with it.
        """
        if self._given is not None:
            raise UsageError(
                f"the keys come from {KEY_VARIABLE}",
                remedy="put a new key (32 random bytes, base64) before the old ones in it, and call again",
            )
        fresh = secrets.token_bytes(KEY_BYTES)
        kept = list(self._secrets(make=True).values())
        self._write([fresh, *kept])
        return self.key_ids()[0]

    def others(self) -> tuple[str, ...]:
        """Return who else is known to seal with this key file, under whatever settings."""
        if self._given is not None or not self._user:
            return ()
        return tuple(user for user in users(self.path) if user != self._user)

    def require_unshared(self) -> None:
        """Raise UsageError where another is known to seal with this very file: it may need the keys that would go."""
        for other in self.others():
            gone = f"where that is no more, take its line out of {users_file(self.path)}"
            raise self._shared(other, gone)

    def require_own(self, other: Vault, whose: str) -> None:
        """Raise UsageError where another's keys lie in this very file: its secrets may need those that would go."""
        files = self._given is None and other._given is None and self.exists and other.exists
        if files and self.path.samefile(other.path):
            raise self._shared(whose, "leave out --drop-old")

    def _shared(self, other: str, remedy: str) -> UsageError:
        return UsageError(
            f"the key file is also that of {other}, which may still need the earlier keys",
            where=self.place,
            remedy=f"set another file for one of them (store.secret_key, edge.secret_key), or {remedy}",
        )

    def _note_use(self) -> None:
        if self._user and self._given is None and not self._noted:
            note_user(self.path, self._user)
            self._noted = True

    def drop_old_keys(self) -> list[str]:
        """Keep only the key that seals, and return the ids of those that are gone for good."""
        first, *others = self._secrets(make=False).items()
        if others and self._given is None:
            self._write([first[1]])
        return [name for name, _ in others]

    def _write(self, keys: list[bytes]) -> None:
        draft = _draft(self.path, keys)
        draft.replace(self.path)
        sync(self.path.parent)
        self._keys = {}

    def _secrets(self, *, make: bool) -> dict[str, bytes]:
        """Return the keys; a key file that was changed since, by a rotation elsewhere, is read again."""
        if self._given is not None:
            self._keys = self._keys or _parse(self._given.replace(",", " ").encode(), KEY_VARIABLE)
            return self._keys
        looks = _look(self.path)
        if self._keys and looks in {self._looks, None}:  # one that is gone for a moment is no reason to stop
            return self._keys
        if make and looks is None:
            self._before_making()
            _make(self.path)
        self._looks, self._keys = _look(self.path), _read(self.path)
        return self._keys

    def __repr__(self) -> str:
        return f"<Vault {self.place}>"


def _look(path: Path) -> Look | None:
    """Return what tells a key file from the one before; None where there is none, or it cannot be looked at."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _taken_apart(sealed: bytes) -> tuple[bytes, bytes, bytes]:
    at = len(MARK) + (ID_BYTES if sealed.startswith(MARK) else 0)
    return sealed[:at], sealed[at : at + NONCE_BYTES], sealed[at + NONCE_BYTES :]


def _make(path: Path) -> None:
    """Write a fresh key whole or not at all; where another process was quicker, its key holds."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _not_made(path, error) from error
    draft = _draft(path, [secrets.token_bytes(KEY_BYTES)])
    try:
        os.link(draft, path)
        sync(path.parent)
    except FileExistsError:
        return
    except OSError as error:
        raise _not_made(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _draft(path: Path, keys: list[bytes]) -> Path:
    """Write keys to a new file beside `path`, durable and for the owner's eyes alone."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, b"".join(base64.b64encode(key) + b"\n" for key in keys))
            os.fsync(handle)
        except OSError:
            draft.unlink()
            raise
        finally:
            os.close(handle)
    except OSError as error:
        raise _not_made(path, error) from error
    return draft


def _not_made(path: Path, error: OSError) -> StoreError:
    reason = error.strerror or str(error)
    return StoreError(
        f"the key file cannot be made: {reason}", where=str(path), remedy="check the folder and its permissions"
    )


def _read(path: Path) -> dict[str, bytes]:
    try:
        if path.stat().st_mode & OTHERS:
            raise StoreError("others may read the key file", where=str(path), remedy=f"chmod 600 {path}")
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreCorrupt(
            f"the key file cannot be read: {reason}", where=str(path), remedy="bring back the file from its backup"
        ) from error
    return _parse(content, str(path))


def _parse(content: bytes, where: str) -> dict[str, bytes]:
    """Return the keys by their ids, in order."""
    try:
        keys = [base64.b64decode(line, validate=True) for line in content.split()]
    except binascii.Error:
        keys = []
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise StoreCorrupt("this is no key file", where=where, remedy="bring back the file from its backup")
    return {hashlib.sha256(key).hexdigest()[: 2 * ID_BYTES]: key for key in keys}
