"""Identities: users with a role, the keys that speak for them, and the sessions of their browsers."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert, select, update

from gridwright.domain.access import LOCAL_OWNER, Access, Act, Role
from gridwright.domain.errors import Conflict, InputError, NotFound
from gridwright.domain.identity import ApiKey, User
from gridwright.store.audit import note
from gridwright.store.instant import to_us
from gridwright.store.people.credentials import digest, hash_password, new_token
from gridwright.store.people.sign_in import SignIn, end_sessions
from gridwright.store.people.users import (
    add_user,
    change_user,
    find_user,
    keep_an_admin,
    key_query,
    load_users,
    to_key,
)
from gridwright.store.schema.people import api_key, user_account
from gridwright.store.session import Session, Unit

FIRST = User("admin", Role.ADMIN)
# Audit records use these names for somebody who is no user.
RESERVED = frozenset({LOCAL_OWNER.actor, "nobody"})


class Identities:
    """Users, keys and sessions."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._sign_in = SignIn(session)

    # --- users ------------------------------------------------------------------------------------------------------

    def bootstrap(self, now: datetime) -> str | None:
        """Make the first user `admin` and return its key, once; None where there is a user already.

        Of two processes that start at the same moment one gets the key.
        """
        try:
            with self._session.writing(settled=False) as unit:
                if unit.connection.execute(select(user_account.c.id).limit(1)).first():
                    return None
                number = add_user(unit, FIRST, now)
                note(unit, LOCAL_OWNER, Act.ADMINISTER, subject="user admin", at=now, what="first start")
                return self._make_key(unit, LOCAL_OWNER, (number, FIRST), "first start", (now, None))[1]
        except Conflict:
            return None

    def save_user(self, access: Access, user: User) -> bool:
        """Add or change a user, and tell whether anything was new; to leave no enabled admin is a Conflict.

        A disabled user's keys open nothing from the commit on; their sessions end for good.
        """
        access.require(Act.ADMINISTER)
        if user.name in RESERVED:
            raise InputError(f"user name {user.name!r} is reserved", remedy="choose another")
        with self._session.writing(settled=False) as unit:
            number, old = load_users(unit, [user.name]).get(user.name, (0, None))
            if old == user:
                return False
            at = self._session.clock()
            if old is None:
                add_user(unit, user, at)
            else:
                keep_an_admin(unit, number, user)
                change_user(unit, number, user)
                if user.disabled:
                    end_sessions(unit, number)
            detail = {"role": str(user.role), "disabled": str(user.disabled).lower(), "points": _few(user)}
            what = "added" if old is None else "changed"
            note(unit, access, Act.ADMINISTER, subject=f"user {user.name}", at=at, what=what, **detail)
            return True

    def users(self, access: Access) -> tuple[User, ...]:
        """Return all users by name."""
        access.require(Act.ADMINISTER)
        with self._session.reading(settled=False) as unit:
            return tuple(user for _, user in load_users(unit).values())

    def set_password(self, access: Access, name: str, password: str) -> None:
        """Set a user's password, one's own or, as administrator, another's; it ends the user's sessions."""
        if access.actor != name:
            access.require(Act.ADMINISTER)
        hashed = hash_password(password)
        with self._session.writing(settled=False) as unit:
            number, _ = find_user(unit, name)
            unit.connection.execute(update(user_account).where(user_account.c.id == number).values(password=hashed))
            end_sessions(unit, number)
            at = self._session.clock()
            note(unit, access, Act.ADMINISTER, subject=f"user {name}", at=at, what="password set")

    # --- keys -------------------------------------------------------------------------------------------------------

    def create_key(
        self, access: Access, user: str, *, label: str = "", expires: datetime | None = None
    ) -> tuple[ApiKey, str]:
        """Make a key for a user; the token comes back this once and is kept as a digest only."""
        access.require(Act.ADMINISTER)
        now = self._session.clock()
        if expires is not None and to_us(expires) <= to_us(now):
            raise InputError(f"a key that expires at {expires.isoformat()} opens nothing", remedy="give a later date")
        with self._session.writing(settled=False) as unit:
            found = find_user(unit, user)
            if found[1].disabled:
                raise Conflict(f"user {user} is disabled", remedy=f"gridwright user enable {user}")
            return self._make_key(unit, access, found, label, (now, expires))

    def keys(self, access: Access, user: str | None = None) -> tuple[ApiKey, ...]:
        """Return the keys of a user or of all, oldest first; the secrets are nowhere to be had."""
        access.require(Act.ADMINISTER)
        query = key_query().order_by(api_key.c.created_us, api_key.c.id)
        if user is not None:
            query = query.where(user_account.c.name == user)
        with self._session.reading(settled=False) as unit:
            if user is not None:
                find_user(unit, user)
            return tuple(to_key(row) for row in unit.connection.execute(query))

    def revoke_key(self, access: Access, key_id: str) -> bool:
        """Make a key open nothing from now on; False when it was revoked before."""
        access.require(Act.ADMINISTER)
        with self._session.writing(settled=False) as unit:
            row = unit.connection.execute(key_query().where(api_key.c.id == key_id)).first()
            if row is None:
                raise NotFound(f"key {key_id!r} does not exist", remedy="see `gridwright key list`")
            at = self._session.clock()
            still_valid = (api_key.c.id == key_id, api_key.c.revoked_us.is_(None))
            statement = update(api_key).where(*still_valid).values(revoked_us=to_us(at))
            if not unit.connection.execute(statement).rowcount:
                return False
            note(unit, access, Act.ADMINISTER, subject=f"key {key_id}", at=at, what="revoked", user=row.name)
            return True

    def _make_key(
        self,
        unit: Unit,
        access: Access,
        found: tuple[int, User],
        label: str,
        times: tuple[datetime, datetime | None],
    ) -> tuple[ApiKey, str]:
        (number, user), token, (created, expires) = found, new_token(), times
        values = {
            "id": token.id,
            "user_account": number,
            "label": label[:200],
            "digest": digest(token.secret),
            "created_us": to_us(created),
            "expires_us": None if expires is None else to_us(expires),
        }
        unit.connection.execute(insert(api_key).values(values))
        note(unit, access, Act.ADMINISTER, subject=f"key {token.id}", at=created, what="created", user=user.name)
        return ApiKey(token.id, user.name, label[:200], created, expires), token.text

    # --- who asks ---------------------------------------------------------------------------------------------------

    def access_of(self, token: str, now: datetime) -> Access:
        """Return what the holder of a key may see and do; a wrong, revoked or expired one is NotAuthenticated."""
        return self._sign_in.access_of(token, now)

    def sign_in(self, name: str, password: str, now: datetime) -> str:
        """Return the token of a new session: 12 hours, or 2 hours without a request.

        An unknown user and a wrong password are NotAuthenticated alike, and take the same time. After ten failures
        within 15 minutes the name has to wait for the rest of them, with the right password too.
        """
        return self._sign_in.by_password(name, password, now)

    def sign_in_by_key(self, token: str, now: datetime) -> str:
        """Return the token of a new session for a key's user; it ends with the key. Devices are AccessDenied."""
        return self._sign_in.by_key(token, now)

    def access_of_session(self, token: str, now: datetime) -> Access:
        """Return what the holder of a session may see and do; NotAuthenticated when it has ended."""
        return self._sign_in.access_of_session(token, now)

    def sign_out(self, token: str) -> None:
        """End a session; one that has ended already is left alone."""
        self._sign_in.sign_out(token)


def _few(user: User) -> str:
    if user.points is None:
        return "all"
    return ", ".join(sorted(user.points)) if len(user.points) <= 10 else f"{len(user.points)} usage points"  # noqa: PLR2004
