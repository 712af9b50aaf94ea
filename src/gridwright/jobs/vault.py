"""The vault: devices' passwords are sealed before they go into the database, with a key that lies outside it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import secrets
import stat
from pathlib import Path

from gridwright.domain.errors import StoreCorrupt, StoreError

KEY_FILE = "secret.key"
MARK = b"GW1"
KEY_BYTES, NONCE_BYTES = 32, 12
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Vault:
    """Seals and opens with AES-256-GCM; the key file is made, for its owner's eyes alone, when first needed.

    `place`: the key file, or the folder in which it is called `secret.key`. Without this file what was sealed is
    lost: it belongs into the backup, but not beside the database's.
    """

    def __init__(self, place: Path | str) -> None:
        path = Path(place)
        self.path = path / KEY_FILE if path.is_dir() else path
        self._key: bytes | None = None

    def seal(self, content: bytes) -> bytes:
        """Return the content as only this key opens it; twice the same looks different."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = secrets.token_bytes(NONCE_BYTES)
        return MARK + nonce + AESGCM(self._secret(make=True)).encrypt(nonce, content, MARK)

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; another key, or a changed byte, is StoreCorrupt."""
        from cryptography.exceptions import InvalidTag
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce, rest = sealed[len(MARK) : len(MARK) + NONCE_BYTES], sealed[len(MARK) + NONCE_BYTES :]
        if not sealed.startswith(MARK) or len(nonce) < NONCE_BYTES:
            raise StoreCorrupt("this was not sealed by Gridwright", where=str(self.path), remedy="set the secret again")
        try:
            return AESGCM(self._secret(make=False)).decrypt(nonce, rest, MARK)
        except InvalidTag as error:
            raise StoreCorrupt(
                "the secret was sealed with another key, or has been changed",
                where=str(self.path),
                remedy="bring back the key file that belongs to this database, or set the secret again",
            ) from error

    def _secret(self, *, make: bool) -> bytes:
        if self._key is None:
            if make and not self.path.exists():
                _make(self.path)
            self._key = _read(self.path)
        return self._key

    def __repr__(self) -> str:
        return f"<Vault {self.path}>"


def _make(path: Path) -> None:
    """Write a fresh key whole or not at all; where another process was quicker, its key holds."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.write(handle, base64.b64encode(secrets.token_bytes(KEY_BYTES)) + b"\n")
            os.fsync(handle)
        finally:
            os.close(handle)
        _link(draft, path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(
            f"the key file cannot be made: {reason}", where=str(path), remedy="check the folder and its permissions"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _link(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_mode & OTHERS:
            raise StoreError("others may read the key file", where=str(path), remedy=f"chmod 600 {path}")
        key = base64.b64decode(path.read_bytes().strip(), validate=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreCorrupt(
            f"the key file cannot be read: {reason}", where=str(path), remedy="bring back the file from its backup"
        ) from error
    except binascii.Error:
        key = b""
    if len(key) != KEY_BYTES:
        raise StoreCorrupt("this is no key file", where=str(path), remedy="bring back the file from its backup")
    return key
