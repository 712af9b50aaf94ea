"""Signing in: from a key or a password to an access, with failures counted where every process sees them."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from gridwright.domain.access import Access, Act, Role
from gridwright.domain.errors import AccessDenied, NotAuthenticated, StoreLocked
from gridwright.domain.identity import MAX_NAME
from gridwright.store.audit import note
from gridwright.store.instant import from_us, to_us
from gridwright.store.names import add_missing
from gridwright.store.people.credentials import digest, is_password, new_session, read_token, same
from gridwright.store.people.users import access_by_key, key_query
from gridwright.store.schema.people import api_key, sign_in_failure, user_account, user_session
from gridwright.store.session import Session, Unit

LASTS = timedelta(hours=12)
IDLE = timedelta(hours=2)
SEEN_EVERY = timedelta(minutes=5)
FAILURES = 10
WINDOW = timedelta(minutes=15)
NO_DIGEST = "0" * 64
NOBODY = Access("nobody", Role.VIEWER, frozenset())


class SignIn:
    """Who asks, found out."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def access_of(self, token: str, now: datetime) -> Access:
        """See `Identities.access_of`."""
        with self._session.reading(settled=False) as unit:
            return access_by_key(unit, _valid_key(unit, token, now).user_account)

    def by_key(self, token: str, now: datetime) -> str:
        """See `Identities.sign_in_by_key`."""
        with self._session.writing(settled=False) as unit:
            row = _valid_key(unit, token, now)
            access = access_by_key(unit, row.user_account)
            if access.role is Role.DEVICE:
                raise AccessDenied(f"{access.actor} is a device and has no pages", remedy="sign in with another key")
            return _begin(unit, access, (row.user_account, row.id), now)

    def by_password(self, name: str, password: str, now: datetime) -> str:
        """See `Identities.sign_in`. The attempt counts before the work, so that a thousand at once are ten too."""
        which = digest(name)
        with self._session.writing(settled=False) as unit:
            until = _count(unit, which, now)
        if until is not None:
            raise NotAuthenticated(
                "too many failed sign-ins under this name",
                remedy=f"try again after {until.astimezone(now.tzinfo):%H:%M:%S %Z}, or use a key",
            )
        with self._session.reading(settled=False) as unit:
            row = _account(unit, name)
        # Not within a transaction: the work takes a while, and SQLite has one writer.
        right = is_password(password, None if row is None else row.password)
        with self._session.writing(settled=False) as unit:
            row = _account(unit, name) if right else row
            if right and row is not None and not row.disabled:
                unit.connection.execute(delete(sign_in_failure).where(sign_in_failure.c.name_digest == which))
                return _begin(unit, access_by_key(unit, row.id), (row.id, None), now)
            # A name that no user has is not written down: somebody types a password there one day.
            who = NOBODY if row is None else Access(row.name, Role.VIEWER, frozenset())
            subject = "unknown user" if row is None else f"user {row.name}"
            note(unit, who, Act.ADMINISTER, subject=subject, at=now, what="sign-in failed")
        raise NotAuthenticated("the name or the password is wrong", remedy="check both, or use a key")

    def access_of_session(self, token: str, now: datetime) -> Access:
        """See `Identities.access_of_session`."""
        table = user_session
        query = (
            select(table, user_account.c.disabled, api_key.c.revoked_us, api_key.c.expires_us.label("key_expires_us"))
            .join(user_account, user_account.c.id == table.c.user_account)
            .outerjoin(api_key, api_key.c.id == table.c.api_key)
            .where(table.c.digest == digest(token))
        )
        with self._session.reading(settled=False) as unit:
            row = unit.connection.execute(query).first()
            if row is None or row.disabled or row.revoked_us is not None or _ended(row, to_us(now)):
                raise NotAuthenticated("the session has ended", remedy="sign in again")
            access = access_by_key(unit, row.user_account)
        if to_us(now) - row.seen_us >= to_us_span(SEEN_EVERY):
            self._note_seen(row.digest, now)
        return access

    def _note_seen(self, which: str, now: datetime) -> None:
        """Remember roughly when it was used last; a busy database costs nobody the page."""
        table = user_session
        statement = update(table).where(table.c.digest == which, table.c.seen_us < to_us(now))
        with contextlib.suppress(StoreLocked), self._session.writing(settled=False) as unit:
            unit.connection.execute(statement.values(seen_us=to_us(now)))

    def sign_out(self, token: str) -> None:
        """See `Identities.sign_out`."""
        table = user_session
        query = select(table.c.digest, user_account.c.name).join(user_account).where(table.c.digest == digest(token))
        with self._session.writing(settled=False) as unit:
            row = unit.connection.execute(query).first()
            if row is not None:
                unit.connection.execute(delete(table).where(table.c.digest == row.digest))
                who = Access(row.name, Role.VIEWER, frozenset())
                at = self._session.clock()
                note(unit, who, Act.ADMINISTER, subject=f"user {row.name}", at=at, what="signed out")


def end_sessions(unit: Unit, user: int) -> None:
    """End every session of a user."""
    unit.connection.execute(delete(user_session).where(user_session.c.user_account == user))


def to_us_span(span: timedelta) -> int:
    """Return a span in microseconds."""
    return span // timedelta(microseconds=1)


def _valid_key(unit: Unit, text: str, now: datetime) -> Row[Any]:
    """Return the row of a key that opens something; who knows the secret is also told why it does not."""
    token = read_token(text)
    query = key_query().where(api_key.c.id == (token.id if token else ""))
    row: Row[Any] | None = unit.connection.execute(query.add_columns(api_key.c.user_account)).first()
    right = same(digest(token.secret if token else text), NO_DIGEST if row is None else row.digest)
    if row is None or not right:
        raise NotAuthenticated("the key opens nothing", remedy="check it, or ask an administrator for a new one")
    expired = row.expires_us is not None and to_us(now) >= row.expires_us
    if row.revoked_us is not None or expired or row.disabled:
        state = "expired" if expired else "disabled with its user" if row.revoked_us is None else "revoked"
        raise NotAuthenticated(f"key {row.id} is {state}", remedy="ask an administrator for a new one")
    return row


def _begin(unit: Unit, access: Access, whose: tuple[int, str | None], now: datetime) -> str:
    token, at_us = new_session(), to_us(now)
    unit.connection.execute(delete(user_session).where(user_session.c.expires_us < at_us))
    user, key = whose
    unit.connection.execute(
        insert(user_session).values(
            digest=digest(token),
            user_account=user,
            api_key=key,
            created_us=at_us,
            seen_us=at_us,
            expires_us=to_us(now + LASTS),
        )
    )
    way = "password" if key is None else f"key {key}"
    note(unit, access, Act.ADMINISTER, subject=f"user {access.actor}", at=now, what="signed in", by=way)
    return token


def _ended(row: Row[Any], now_us: int) -> bool:
    key_ended = row.key_expires_us is not None and now_us >= row.key_expires_us
    return bool(now_us >= row.expires_us or now_us >= row.seen_us + to_us_span(IDLE) or key_ended)


def _account(unit: Unit, name: str) -> Row[Any] | None:
    """Return a user's row; what no user can be called is not even asked for."""
    if len(name) > MAX_NAME or not name.isprintable():
        return None
    return unit.connection.execute(select(user_account).where(user_account.c.name == name)).first()


def _count(unit: Unit, which: str, now: datetime) -> datetime | None:
    """Count an attempt under a name, or return until when it has to wait."""
    table, now_us = sign_in_failure, to_us(now)
    over = now_us - to_us_span(WINDOW)
    unit.connection.execute(delete(table).where(table.c.since_us <= over))
    mine = table.c.name_digest == which
    query = select(table).where(mine).with_for_update()
    row = unit.connection.execute(query).first()
    if row is None:
        add_missing(unit, table, [{"name_digest": which, "failures": 0, "since_us": now_us}])
        row = unit.connection.execute(query).one()
    if row.failures >= FAILURES:
        return from_us(row.since_us) + WINDOW
    unit.connection.execute(update(table).where(mine).values(failures=row.failures + 1))
    return None
