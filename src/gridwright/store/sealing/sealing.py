"""Sealed columns: what names a customer is kept as ciphertext, under a data key that a master key wraps.

`gw2:<key id>:<base64 of nonce and ciphertext>`, AES-256-GCM; bound to its column and row, so that a value moved to
another row does not open. A database without a data key keeps plain text.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from sqlalchemy import Connection, insert, select

from gridwright.domain.errors import StoreCorrupt
from gridwright.store.audit import hold_head
from gridwright.store.engine import is_memory, place
from gridwright.store.instant import to_us
from gridwright.store.schema.flow import data_key
from gridwright.store.session import Session, Unit

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

MARK = "gw2:"
KEY_BYTES, NONCE_BYTES, ID_BYTES = 32, 12, 6
REWRITTEN = 1  # `user_version` of a SQLite file that holds no freed bytes from before all was sealed
HELD = "SELECT version_num FROM alembic_version"  # a row that is always there, and that nobody changes meanwhile
LOST = "bring back the key file that belongs to this database; without it what is sealed is lost"


class Master(Protocol):
    """Wraps data keys with a key that lies outside the database."""

    def seal(self, content: bytes) -> bytes:
        """Return the content as only the master key opens it."""
        ...

    def open(self, sealed: bytes) -> bytes:
        """Return what was sealed; StoreCorrupt with another key."""
        ...

    def key_of(self, sealed: bytes) -> str:
        """Return the id of the master key that sealed it; empty where that is not known."""
        ...

    def key_ids(self) -> list[str]:
        """Return the ids of the master keys that are at hand, the one that seals first."""
        ...


class DataKey(NamedTuple):
    """A key that seals columns: its id, and its cipher."""

    id: str
    cipher: AESGCM


class Sealing:
    """Seals and opens the columns of one database."""

    def __init__(self, session: Session, master: Master | None) -> None:
        self._session = session
        self.master = master
        self._keys: dict[str, DataKey] = {}
        self._newest: DataKey | None = None
        session.after_rollback.append(self._forget)

    def seal(self, unit: Unit, column: str, cells: Sequence[tuple[str, str]]) -> list[str]:
        """Return the texts of (row, text) as they are stored: sealed where the database has a data key."""
        key = self.newest(unit) or self._none_to_come(unit)
        if key is None:
            return [text for _, text in cells]
        nonces = os.urandom(NONCE_BYTES * len(cells))
        head = f"{MARK}{key.id}:"
        sealed = []
        for at, (row, text) in enumerate(cells):
            nonce = nonces[at * NONCE_BYTES : (at + 1) * NONCE_BYTES]
            content = nonce + key.cipher.encrypt(nonce, text.encode(), _bound(column, row))
            sealed.append(head + base64.b64encode(content).decode())
        return sealed

    def open(self, unit: Unit, column: str, cells: Iterable[tuple[str, str]]) -> list[str]:
        """Return the texts of (row, stored text); plain ones as they are, one that does not open is StoreCorrupt."""
        return [text if not text.startswith(MARK) else self._open(unit, column, row, text) for row, text in cells]

    def _open(self, unit: Unit, column: str, row: str, text: str) -> str:
        from cryptography.exceptions import InvalidTag

        name, _, coded = text.removeprefix(MARK).partition(":")
        key = self._keys.get(name) or self._load(unit, name)
        try:
            content = base64.b64decode(coded, validate=True)
            return key.cipher.decrypt(content[:NONCE_BYTES], content[NONCE_BYTES:], _bound(column, row)).decode()
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise StoreCorrupt(
                f"{column} of {row} does not open: it has been changed, or belongs to another row",
                where=place(self._session.engine.url),
                remedy="someone has changed the database from outside; compare it with a backup",
            ) from error

    def newest(self, unit: Unit) -> DataKey | None:
        """Return the key that seals what is written now; None where the database has none."""
        if self._newest is None:
            query = select(data_key.c.id).order_by(data_key.c.created_us.desc(), data_key.c.id.desc()).limit(1)
            name = unit.connection.execute(query).scalar()
            self._newest = None if name is None else self._load(unit, str(name))
        return self._newest

    def _none_to_come(self, unit: Unit) -> DataKey | None:
        """Let nobody make a key until this transaction, which keeps plain text, has ended; return one made before.

        Else it could end when all that was plain before the key is sealed. SQLite has one writer anyway.
        """
        if unit.dialect == "sqlite":
            return None
        unit.fetch(f"{HELD} {'FOR SHARE' if unit.dialect == 'postgresql' else 'LOCK IN SHARE MODE'}")
        return self.newest(unit)

    def wait_for_plain(self, unit: Unit) -> None:
        """Wait until all transactions have ended that keep plain text; others wait, from now on, for this one."""
        if unit.dialect != "sqlite":
            unit.fetch(f"{HELD} FOR UPDATE")

    def add_key(self, unit: Unit) -> DataKey:
        """Make a data key, which seals from now on; it is stored wrapped."""
        secret, name = os.urandom(KEY_BYTES), os.urandom(ID_BYTES).hex()
        master = self.required()
        hold_head(unit)  # no earlier master key is forgotten until this one is stored
        wrapped = master.seal(secret)
        row = {"id": name, "master": master.key_of(wrapped), "wrapped": wrapped}
        unit.connection.execute(insert(data_key).values(**row, created_us=to_us(self._session.clock())))
        self._newest = self._keys[name] = DataKey(name, _cipher(secret))
        return self._newest

    def _load(self, unit: Unit, name: str) -> DataKey:
        wrapped = _wrapped(unit.connection, name)
        if wrapped is None:
            raise StoreCorrupt(
                f"the data key {name!r} is not in the database",
                where=place(self._session.engine.url),
                remedy="compare the database with a backup",
            )
        self._keys[name] = DataKey(name, _cipher(self._unwrapped(name, wrapped)))
        return self._keys[name]

    def _unwrapped(self, name: str, wrapped: bytes) -> bytes:
        """Return a data key; where it was wrapped anew since the unit began to read, as it is wrapped now."""
        master, engine = self.required(), self._session.engine
        try:
            return master.open(wrapped)
        except StoreCorrupt:
            if is_memory(engine.url):
                raise
            with engine.connect() as connection:
                now = _wrapped(connection, name)
            if now is None or now == wrapped:
                raise
            return master.open(now)

    def required(self) -> Master:
        """Return the keeper of the master key; StoreCorrupt where this program was given none."""
        if self.master is None:
            raise StoreCorrupt(
                "customer data is sealed, and this program was given no key",
                where=place(self._session.engine.url),
                remedy=LOST,
            )
        return self.master

    def _forget(self) -> None:
        self._keys, self._newest = {}, None


def _wrapped(connection: Connection, name: str) -> bytes | None:
    found = connection.execute(select(data_key.c.wrapped).where(data_key.c.id == name)).scalar()
    return None if found is None else bytes(found)


def is_sealed(text: str) -> bool:
    """Tell whether a stored text is ciphertext."""
    return text.startswith(MARK)


def _cipher(secret: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(secret)


def _bound(column: str, row: str) -> bytes:
    return f"{column}\0{row}".encode()
