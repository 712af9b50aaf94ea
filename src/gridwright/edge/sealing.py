"""The buffer's seal: records are kept as ciphertext, under a data key that the edge's master key wraps.

AES-256-GCM, one record at a time, bound to its epoch and number: a record that is moved to another place does not open.
Each opening of the buffer makes a data key, and each file begins with it, wrapped: no other file is needed to open it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from gridwright.domain.errors import StoreCorrupt
from gridwright.jobs.upkeep.vault import Vault

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES, NONCE_BYTES = 32, 12


class DataKey:
    """Seals and opens records."""

    def __init__(self, secret: bytes) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self._cipher: AESGCM = AESGCM(secret)

    def seal(self, epoch: str, sequence: int, payload: bytes) -> bytes:
        """Return a record as only this key opens it, in this place."""
        # By chance, not by number: after a failed write the same number comes again with another record.
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, payload, _bound(epoch, sequence))

    def open(self, epoch: str, sequence: int, sealed: bytes) -> bytes | None:
        """Return what was sealed; None where it has been changed, or belongs to another place."""
        from cryptography.exceptions import InvalidTag

        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _bound(epoch, sequence))
        except (InvalidTag, ValueError):
            return None


class Seals:
    """The data keys of a buffer, with the vault that wraps them; `seals`: whether new records are sealed."""

    def __init__(self, vault: Vault, *, seals: bool = True) -> None:
        self.vault, self.seals = vault, seals
        self._keys: dict[bytes, DataKey] = {}

    def fresh(self) -> tuple[DataKey, bytes]:
        """Make a data key, and return it with how it is kept: wrapped."""
        secret = os.urandom(KEY_BYTES)
        wrapped = self.vault.seal(secret)
        self._keys[wrapped] = DataKey(secret)
        return self._keys[wrapped], wrapped

    def unwrapped(self, wrapped: bytes, file: Path) -> DataKey:
        """Return the data key of a file; StoreCorrupt where the master key is another one."""
        if wrapped not in self._keys:
            self._keys[wrapped] = DataKey(self.opened(wrapped, file))
        return self._keys[wrapped]

    def opened(self, sealed: bytes, file: Path) -> bytes:
        """Return what the vault sealed in a file of the buffer; StoreCorrupt where its key is another one."""
        try:
            return self.vault.open(sealed)
        except StoreCorrupt as error:
            raise StoreCorrupt(
                f"it is sealed with key {self.vault.key_of(sealed)}, and {self.vault.place} does not open it",
                where=str(file),
                remedy="bring back the key of this edge (edge.secret_key); without it what waits here is lost, and "
                "the folder has to be moved away for the edge to begin anew",
            ) from error


def _bound(epoch: str, sequence: int) -> bytes:
    return f"{epoch}\0{sequence}".encode()
