"""Keys and sealed columns as a whole: how much is sealed, sealing what is not, and wrapping keys anew."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, func, not_, select, update

from gridwright.domain.access import Access, Act
from gridwright.domain.errors import Conflict
from gridwright.store import schema
from gridwright.store.audit import hold_head, note
from gridwright.store.schema.field import device_link
from gridwright.store.schema.flow import data_key
from gridwright.store.sealing.answers import seal_answers
from gridwright.store.sealing.sealing import MARK, REWRITTEN, Sealing
from gridwright.store.session import Session, Unit

COLUMN = "usage_point.attributes"
NOTHING = "{}"
FREED = "PRAGMA user_version"
TOGETHER = 2_000


@dataclass(frozen=True, slots=True)
class SealState:
    """What is sealed: the data keys with their master keys, and rows sealed by the newest one, an older one, or not.

    `traces`: whether freed bytes may hold plain text from before; None where only the server knows.
    """

    keys: tuple[tuple[str, str], ...]
    newest: int
    older: int
    plain: int
    traces: bool | None = None


def sealed_by_masters(connection: Connection) -> list[bytes]:
    """Return all that a master key has sealed: the data keys, and the passwords of devices."""
    keys = connection.execute(select(data_key.c.wrapped)).scalars()
    secrets = connection.execute(select(device_link.c.secret).where(device_link.c.secret.is_not(None))).scalars()
    return [bytes(each) for each in (*keys, *secrets)]


class SealedData:
    """The sealed columns of the database, for who looks after the keys."""

    def __init__(self, session: Session, sealing: Sealing) -> None:
        self._session = session
        self._sealing = sealing

    def state(self, access: Access) -> SealState:
        """Tell how much is sealed; nothing is opened, so it needs no key."""
        access.require(Act.ADMINISTER)
        table = schema.usage_point
        with self._session.reading(settled=False) as unit:
            query = select(data_key.c.id, data_key.c.master).order_by(
                data_key.c.created_us.desc(), data_key.c.id.desc()
            )
            keys = tuple((str(row.id), str(row.master)) for row in unit.connection.execute(query))
            counted = select(func.count()).select_from(table).where(table.c.attributes != NOTHING)
            every = int(unit.connection.execute(counted).scalar_one())
            like = counted.where(table.c.attributes.startswith(MARK))
            sealed = int(unit.connection.execute(like).scalar_one())
            head = f"{MARK}{keys[0][0]}:" if keys else MARK
            newest = counted.where(table.c.attributes.startswith(head))
            by_newest = int(unit.connection.execute(newest).scalar_one()) if keys else 0
            traces = bool(keys) and unit.fetch(FREED)[0][0] != REWRITTEN if unit.dialect == "sqlite" else None
        return SealState(keys, by_newest, sealed - by_newest, every - sealed, traces)

    def require_key(self, access: Access) -> None:
        """See that what names customers can be sealed: StoreCorrupt where the newest data key does not open."""
        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            self._sealing.newest(unit)

    def require_opens(self, access: Access) -> None:
        """See that the master keys at hand open what each of them sealed: StoreCorrupt where one is missing."""
        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            sealed = sealed_by_masters(unit.connection)
        if not sealed:
            return
        master = self._sealing.required()
        for one in {master.key_of(each): each for each in sealed}.values():
            master.open(one)

    def begin(self, access: Access, *, fresh: bool = False) -> str:
        """Make sure that there is a data key, or, with `fresh`, a new one; return the id of the newest.

        Transactions of others that keep plain text are waited for; StoreLocked where they last long.
        """
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            self._sealing.wait_for_plain(unit)  # before any other lock, which they might need
            key = None if fresh else self._sealing.newest(unit)
            if key is None:
                key = self._sealing.add_key(unit)
                note(unit, access, Act.ADMINISTER, subject=f"data key {key.id}", at=self._session.clock(), what="made")
            return key.id

    def seal_some(self, access: Access, limit: int = TOGETHER) -> int:
        """Seal some rows that are plain, or under an older key; return how many, 0 = nothing is left to do."""
        access.require(Act.ADMINISTER)
        table = schema.usage_point
        with self._session.writing() as unit:
            key = self._sealing.newest(unit)
            if key is None:
                return 0
            done = not_(table.c.attributes.startswith(f"{MARK}{key.id}:"))
            query = select(table.c.code, table.c.attributes).where(done, table.c.attributes != NOTHING)
            rows = [
                (row.code, row.attributes) for row in unit.connection.execute(query.order_by(table.c.id).limit(limit))
            ]
            if rows:
                self._replace(unit, rows)
                at = self._session.clock()
                note(unit, access, Act.ADMINISTER, subject="usage points", at=at, sealed=len(rows), key=key.id)
            return len(rows)

    def seal_answers(self, access: Access, limit: int = TOGETHER) -> int:
        """Seal some of the kept answers that may name customers and are plain; return how many, 0 = none is left."""
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            return 0 if self._sealing.newest(unit) is None else seal_answers(unit, self._sealing, limit)

    def _replace(self, unit: Unit, rows: list[tuple[str, str]]) -> None:
        table = schema.usage_point
        texts = self._sealing.open(unit, COLUMN, rows)
        codes = [code for code, _ in rows]
        sealed = self._sealing.seal(unit, COLUMN, list(zip(codes, texts, strict=True)))
        statement = update(table).where(table.c.code == bindparam("which")).values(attributes=bindparam("text"))
        values = [{"which": code, "text": text} for code, text in zip(codes, sealed, strict=True)]
        unit.connection.execute(statement, values)

    def rewrap(self, access: Access, current: str) -> int:
        """Wrap with the master key `current` what another one wrapped: data keys, devices' secrets; return how many.

        One transaction: an interruption leaves everything under a key that the key file still holds.
        """
        access.require(Act.ADMINISTER)
        master = self._sealing.required()
        changed = 0
        with self._session.writing() as unit:
            for row in unit.connection.execute(select(data_key).where(data_key.c.master != current)).all():
                wrapped = master.seal(master.open(bytes(row.wrapped)))
                values = {"wrapped": wrapped, "master": master.key_of(wrapped)}
                unit.connection.execute(update(data_key).where(data_key.c.id == row.id).values(values))
                changed += 1
            secrets = select(device_link.c.serial, device_link.c.secret).where(device_link.c.secret.is_not(None))
            for row in unit.connection.execute(secrets).all():
                sealed = bytes(row.secret)
                if master.key_of(sealed) != current:
                    values = {"secret": master.seal(master.open(sealed))}
                    mine = device_link.c.serial == row.serial
                    unit.connection.execute(update(device_link).where(mine).values(values))
                    changed += 1
            if changed:
                note(
                    unit,
                    access,
                    Act.ADMINISTER,
                    subject=f"master key {current}",
                    at=self._session.clock(),
                    keys=changed,
                )
        return changed

    def hold(self, access: Access) -> None:
        """Let nobody forget a master key until the end of this transaction, which stores what it is about to seal.

        Last of all that the transaction locks: others who end theirs wait meanwhile.
        """
        access.require(Act.WRITE_REGISTRY)
        with self._session.writing(settled=False) as unit:
            hold_head(unit)

    def forget_others(self, access: Access, current: str, forget: Callable[[], object]) -> None:
        """Let `forget` drop every master key but `current`, while nobody seals; one still needed is a Conflict."""
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            hold_head(unit)
            if left := self.behind(access, current):
                raise Conflict(f"{left} secrets are still under an earlier master key", remedy="call it again")
            forget()
            at = self._session.clock()
            note(unit, access, Act.ADMINISTER, subject=f"master key {current}", at=at, what="earlier ones forgotten")

    def behind(self, access: Access, current: str) -> int:
        """Count what another master key than `current` still wraps."""
        access.require(Act.ADMINISTER)
        master = self._sealing.master
        with self._session.reading(settled=False) as unit:
            other = select(func.count()).select_from(data_key).where(data_key.c.master != current)
            keys = int(unit.connection.execute(other).scalar_one())
            secrets = unit.connection.execute(select(device_link.c.secret).where(device_link.c.secret.is_not(None)))
            return keys + sum(1 for (one,) in secrets if master is None or master.key_of(bytes(one)) != current)
