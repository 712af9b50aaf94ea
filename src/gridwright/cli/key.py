"""`gridwright key`: the API keys that speak for users."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say, tell
from gridwright.cli.user import Within, plain, reach, warn_of_unknown
from gridwright.domain.access import Role
from gridwright.domain.errors import Conflict, NotFound
from gridwright.domain.interval import parse_instant, zone_of

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.identity import ApiKey, User

app = typer.Typer(help="API keys: made, listed, revoked.", no_args_is_help=True)


@app.command(epilog="Example: gridwright key create head-end --role device --label 'meters, north'")
def create(
    *,
    name: Annotated[str, typer.Argument(help="The user it speaks for; made when there is none of that name.")],
    role: Annotated[
        Role | None,
        typer.Option("--role", help="What a new user is; left out, a device, which only delivers readings."),
    ] = None,
    label: Annotated[str, typer.Option("--label", help="What the key is for.")] = "",
    points: Within = None,
    expires: Annotated[
        str, typer.Option("--expires", help="When it ends: a date (its beginning, in site.zone) or an instant.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once: only a digest of it is kept."""
    wired = platform()
    until = parse_instant(expires, zone_of(wired.settings.site.zone)) if expires else None
    with wired.store.transaction():
        user = user_of(wired, name, role, points)
        key, token = wired.store.identities.create_key(wired.access, name, label=label, expires=until)
    warn_of_unknown(wired, user)
    if as_json:
        # The API calls it `token`; `key` is what this command called it first.
        print_json({"token": token, "key": token, **plain_key(key), "for": plain(user)})
        return
    say(f"A key for {user.name} ({user.role}, usage points: {reach(user)}). It is shown this once:")
    tell(token)


@app.command("list", epilog="Example: gridwright key list --json")
def list_(as_json: Json = False) -> None:
    """List the keys: the part that is no secret, whose they are, and until when they open anything."""
    wired = platform()
    keys = wired.store.identities.keys(wired.access)
    if as_json:
        print_json({"keys": [plain_key(key) for key in keys]})
        return
    if not keys:
        say("There is no key yet: gridwright key create NAME makes one.")
    now = wired.clock()
    print_table(
        ("key", "user", "label", "created", "state"),
        [(k.id, k.user, k.label, f"{k.created:%Y-%m-%d}", state_of(k, now)) for k in keys],
    )


@app.command(epilog="Example: gridwright key revoke 3f9a1c07")
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id: the eight characters behind gw_.")],
    as_json: Json = False,
) -> None:
    """Make a key open nothing from now on, nor the sessions that were begun with it."""
    wired = platform()
    identity = key.split("_")[1] if key.startswith("gw_") and key.count("_") > 0 else key
    done = wired.store.identities.revoke_key(wired.access, identity)
    if as_json:
        print_json({"id": identity, "revoked": done})
        return
    say(f"Key {identity} is revoked." if done else f"Key {identity} was revoked before.")


def user_of(wired: Platform, name: str, role: Role | None, points: list[str] | None) -> User:
    """Return the user of that name, made when absent; one who is something else than asked for is a Conflict."""
    from gridwright.cli.user import find
    from gridwright.domain.identity import User

    try:
        user = find(wired, name)
    except NotFound:
        user = User(name, role or Role.DEVICE, frozenset(points) if points else None)
        wired.store.identities.save_user(wired.access, user)
        return user
    differs = (role is not None and role is not user.role) or (points and frozenset(points) != user.points)
    if differs:
        raise Conflict(
            f"user {name} exists already: {user.role}, usage points: {reach(user)}",
            remedy="leave out --role and --usage-point, or choose another name",
        )
    return user


def plain_key(key: ApiKey) -> dict[str, Any]:
    """Return a key as the JSON object, without what opens anything."""
    return {
        "id": key.id,
        "user": key.user,
        "label": key.label,
        "created": key.created,
        "expires": key.expires,
        "revoked": key.revoked,
    }


def state_of(key: ApiKey, now: datetime) -> str:
    """Return whether it opens anything, in a word."""
    if key.revoked is not None:
        return f"revoked {key.revoked:%Y-%m-%d}"
    if not key.is_valid(now):
        return "expired"
    return "valid" if key.expires is None else f"valid until {key.expires:%Y-%m-%d %H:%M} UTC"
