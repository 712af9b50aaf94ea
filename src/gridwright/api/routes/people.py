"""Users, keys and the audit chain: for administrators."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.address import href
from gridwright.api.authenticate import doorkeeper
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.idempotency import OnceDone
from gridwright.api.listing import JSON, Page, cut, listed
from gridwright.api.parameters import CursorText, Id, Limit, Name
from gridwright.api.shapes.people import (
    AuditShape,
    CreatedKey,
    CreatedUser,
    KeyNew,
    KeyShape,
    UserChange,
    UserNew,
    UserShape,
    Verified,
)
from gridwright.app import Platform
from gridwright.domain.errors import Conflict, NotFound
from gridwright.domain.identity import User

router = APIRouter(tags=["Administration"])
UserIf = Annotated[Name | None, Query(description="Only keys of this user.")]


@router.get("/keys", summary="List API keys", response_model=Page[KeyShape])
def list_keys(request: Request, platform: Asking, user: UserIf = None) -> Response:
    """Return the keys, oldest first; their secrets are nowhere to be had."""
    rows = platform.store.identities.keys(platform.access, user)
    return listed(request, [KeyShape.of(each) for each in rows])


@router.post("/keys", summary="Make an API key", status_code=HTTPStatus.CREATED, response_model=CreatedKey)
def make_key(once: OnceDone, new: KeyNew) -> Response:
    """Make a key for a user; `token` is shown this once, so this request takes no Idempotency-Key."""
    platform = once.platform

    def work() -> CreatedKey:
        made = platform.store.identities.create_key(platform.access, new.user, label=new.label, expires=new.expires)
        return CreatedKey.of(made[0], token=made[1], href=href("keys"))

    # An answer that is kept would keep the secret.
    return replace(once, key="")(HTTPStatus.CREATED, work)


@router.delete("/keys/{name}", summary="Revoke an API key", status_code=HTTPStatus.NO_CONTENT)
def revoke_key(platform: Asking, name: Id) -> Response:
    """Make a key open nothing any more; again, it changes nothing."""
    platform.store.identities.revoke_key(platform.access, name)
    doorkeeper(platform).forget()
    return Response(status_code=HTTPStatus.NO_CONTENT)


@router.get("/users", summary="List users", response_model=Page[UserShape])
def list_users(request: Request, platform: Asking) -> Response:
    """Return all users by name."""
    return listed(request, [shape_of(each) for each in platform.store.identities.users(platform.access)])


@router.post("/users", summary="Add a user", status_code=HTTPStatus.CREATED, response_model=CreatedUser)
def add_user(once: OnceDone, new: UserNew) -> Response:
    """Add a person or machine with a role; a customer needs usage points."""
    platform = once.platform

    def work() -> CreatedUser:
        identities = platform.store.identities
        user = User(new.name, new.role, None if new.points is None else frozenset(new.points))
        with platform.store.transaction():
            if any(each.name == new.name for each in identities.users(platform.access)):
                raise Conflict(f"user {new.name} exists already", remedy="change it by PATCH")
            identities.save_user(platform.access, user)
            if new.password is not None:
                identities.set_password(platform.access, new.name, new.password)
        return CreatedUser(**shape_of(user).model_dump(), href=href("users", new.name))

    return once(HTTPStatus.CREATED, work)


@router.patch("/users/{name}", summary="Change a user", response_model=UserShape)
def change_user(platform: Asking, name: Id, asked: UserChange) -> Response:
    """Change role, usage points or password, or disable; what is left out stays, `points: null` means all."""
    identities = platform.store.identities
    with platform.store.transaction():
        user = changed(find_user(platform, name), asked)
        identities.save_user(platform.access, user)
        if asked.password is not None:
            identities.set_password(platform.access, name, asked.password)
    doorkeeper(platform).forget()
    return Response(shape_of(user).model_dump_json(), media_type=JSON)


@router.get("/audit", summary="List audit records", response_model=Page[AuditShape])
def list_audit(request: Request, platform: Asking, limit: Limit = 100, cursor: CursorText = "") -> Response:
    """Return who did what to what, the newest first."""
    place = from_cursor("audit", cursor, (0,))
    before = int(place[0]) if place else None
    page, last = cut(platform.store.audit.records(platform.access, limit=limit + 1, before=before), limit)
    return listed(request, [AuditShape.of(each) for each in page], last and to_cursor("audit", (last.number,)))


@router.get("/audit/verify", summary="Verify the audit chain", response_model=Verified)
def verify(platform: Asking) -> Response:
    """Check every record of the chain; a changed, lost or added one is told as a problem."""
    found = Verified(records=platform.store.audit.verify(platform.access))
    return Response(found.model_dump_json(), media_type=JSON)


def find_user(platform: Platform, name: str) -> User:
    """Return a user by name."""
    for user in platform.store.identities.users(platform.access):
        if user.name == name:
            return user
    raise NotFound(f"user {name!r} does not exist", remedy="see the list of users")


def changed(user: User, asked: UserChange) -> User:
    """Return the user as asked for; only what was sent changes."""
    sent = asked.model_fields_set
    points = None if asked.points is None else frozenset(asked.points)
    return replace(
        user,
        role=asked.role or user.role,
        points=points if "points" in sent else user.points,
        disabled=user.disabled if asked.disabled is None else asked.disabled,
    )


def shape_of(user: User) -> UserShape:
    """Return a user as JSON shows it."""
    return UserShape.of(user, points=None if user.points is None else sorted(user.points))
