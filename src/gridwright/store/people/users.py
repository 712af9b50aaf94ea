"""Rows of users and keys, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from gridwright.domain.access import Access, Role
from gridwright.domain.errors import Conflict, NotFound
from gridwright.domain.identity import ApiKey, User
from gridwright.store.instant import from_us, to_us
from gridwright.store.names import new_key
from gridwright.store.schema.people import api_key, user_account, user_point
from gridwright.store.session import Unit


def load_users(unit: Unit, names: Sequence[str] | None = None) -> dict[str, tuple[int, User]]:
    """Return users with their keys in the database, by name; None = all."""
    query = select(user_account).order_by(user_account.c.name)
    points = select(user_point)
    if names is not None:
        query = query.where(user_account.c.name.in_(names))
        mine = select(user_account.c.id).where(user_account.c.name.in_(names))
        points = points.where(user_point.c.user_account.in_(mine))
    within: dict[int, set[str]] = {}
    for row in unit.connection.execute(points):
        within.setdefault(row.user_account, set()).add(row.usage_point)
    rows = unit.connection.execute(query).all()
    return {row.name: (row.id, _to_user(row, within.get(row.id, set()))) for row in rows}


def find_user(unit: Unit, name: str) -> tuple[int, User]:
    """Return one user with its key in the database; an absent one is NotFound."""
    found = load_users(unit, [name]).get(name)
    if found is None:
        raise NotFound(f"user {name!r} does not exist", remedy="add it with `gridwright user add`")
    return found


def access_by_key(unit: Unit, user: int) -> Access:
    """Return what a user may see and do."""
    row = unit.connection.execute(select(user_account).where(user_account.c.id == user)).one()
    if row.every_point:
        return Access(row.name, Role(row.role))
    query = select(user_point.c.usage_point).where(user_point.c.user_account == user)
    return Access(row.name, Role(row.role), frozenset(unit.connection.execute(query).scalars()))


def add_user(unit: Unit, user: User, at: datetime) -> int:
    """Insert a user and return its key in the database."""
    values = {**_row(user), "created_us": to_us(at)}
    number = new_key(unit.connection.execute(insert(user_account).values(values)))
    _add_points(unit, number, user.points or ())
    return number


def change_user(unit: Unit, number: int, user: User) -> None:
    """Replace what is stored of a user; the password stays."""
    unit.connection.execute(update(user_account).where(user_account.c.id == number).values(_row(user)))
    unit.connection.execute(delete(user_point).where(user_point.c.user_account == number))
    _add_points(unit, number, user.points or ())


def keep_an_admin(unit: Unit, number: int, user: User) -> None:
    """Refuse a change that would leave nobody to administer; two who try at once wait for each other."""
    if user.role is Role.ADMIN and user.points is None and not user.disabled:
        return
    table = user_account
    whole = (table.c.role == str(Role.ADMIN), table.c.disabled.is_(False), table.c.every_point.is_(True))
    query = select(table.c.id).where(*whole).order_by(table.c.id)
    left = unit.connection.execute(query.with_for_update()).scalars().all()
    if list(left) == [number]:
        raise Conflict(f"user {user.name} is the last enabled admin", remedy="make somebody else an admin before")


def to_key(row: Row[Any]) -> ApiKey:
    """Return a key as it may be shown."""
    expires, revoked = (None if moment is None else from_us(moment) for moment in (row.expires_us, row.revoked_us))
    return ApiKey(row.id, row.name, row.label, from_us(row.created_us), expires, revoked)


def key_query() -> Any:  # noqa: ANN401 - SQLAlchemy's type of a join would say no more
    """Return the query of keys with their users."""
    return select(api_key, user_account.c.name, user_account.c.disabled).join(
        user_account, user_account.c.id == api_key.c.user_account
    )


def _add_points(unit: Unit, number: int, points: Iterable[str]) -> None:
    rows = [{"user_account": number, "usage_point": point} for point in sorted(points)]
    if rows:
        unit.connection.execute(insert(user_point), rows)


def _row(user: User) -> dict[str, Any]:
    return {
        "name": user.name,
        "role": str(user.role),
        "every_point": user.points is None,
        "disabled": user.disabled,
    }


def _to_user(row: Row[Any], points: set[str]) -> User:
    within = None if row.every_point else frozenset(points)
    return User(row.name, Role(row.role), within, bool(row.disabled))
