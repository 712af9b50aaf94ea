"""`gridwright user`: who may do what."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gridwright.cli.context import as_typed, platform
from gridwright.cli.options import Json
from gridwright.cli.output import print_json, print_table, say
from gridwright.domain.access import Role
from gridwright.domain.errors import Conflict, NotFound, UsageError

if TYPE_CHECKING:
    from gridwright.app import Platform
    from gridwright.domain.identity import User

app = typer.Typer(help="Who may do what.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="The user's name.")]
Within = Annotated[
    list[str] | None,
    typer.Option("--usage-point", help="Only this usage point is within reach; repeatable. Left out: all."),
]
FromStdin = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


@app.command(epilog="Example: gridwright user add ann --role operator")
def add(
    name: Name,
    role: Annotated[Role, typer.Option("--role", help="What the user is.")],
    points: Within = None,
    password_stdin: FromStdin = False,
    as_json: Json = False,
) -> None:
    """Add a user; without a password they sign in with a key (gridwright key create)."""
    from gridwright.domain.identity import User

    wired = platform(makes=True)
    user = User(name, role, frozenset(points) if points else None)
    if any(each.name == name for each in wired.store.identities.users(wired.access)):
        raise Conflict(f"user {name} exists already", remedy="choose another name, or gridwright user list")
    warn_of_unknown(wired, user)
    password = read_password() if password_stdin else None
    with wired.store.transaction():
        wired.store.identities.save_user(wired.access, user)
        if password is not None:
            wired.store.identities.set_password(wired.access, name, password)
    if as_json:
        print_json(plain(user))
        return
    say(f"Added {name}, {role}. A key for them: {as_typed(f'key create {name}')}")


@app.command("list", epilog="Example: gridwright user list --json")
def list_(as_json: Json = False) -> None:
    """List the users."""
    wired = platform()
    users = wired.store.identities.users(wired.access)
    if as_json:
        print_json({"users": [plain(user) for user in users]})
        return
    if not users:
        say("There is no user yet: gridwright serve makes the first one, gridwright user add any other.")
    print_table(
        ("user", "role", "usage points", "disabled"),
        [(u.name, str(u.role), reach(u), "yes" if u.disabled else "") for u in users],
    )


@app.command(epilog="Example: gridwright user disable ann")
def disable(name: Name, as_json: Json = False) -> None:
    """Take everything away from a user at once: keys and sessions open nothing from now on."""
    wired = platform()
    user = replace(find(wired, name), disabled=True)
    wired.store.identities.save_user(wired.access, user)
    if as_json:
        print_json(plain(user))
        return
    say(f"{name} is disabled: no key, password or session of theirs opens anything.")


@app.command(epilog="Example: gridwright user enable ann")
def enable(name: Name, as_json: Json = False) -> None:
    """Let a disabled user in again, with the password and the keys that were not revoked."""
    wired = platform()
    user = replace(find(wired, name), disabled=False)
    wired.store.identities.save_user(wired.access, user)
    if as_json:
        print_json(plain(user))
        return
    say(f"{name} is enabled again, with the password and every key that was not revoked.")


@app.command(epilog="Example: gridwright user password ann --password-stdin < password.txt")
def password(name: Name, password_stdin: FromStdin = False, as_json: Json = False) -> None:
    """Set a user's password, typed on a terminal or read from standard input; it ends their sessions."""
    wired = platform()
    user = find(wired, name)
    given = read_password() if password_stdin else ask_password()
    wired.store.identities.set_password(wired.access, name, given)
    if as_json:
        print_json(plain(user))
        return
    say(f"The password of {name} is set.")


def find(wired: Platform, name: str) -> User:
    """Return a user by name."""
    for user in wired.store.identities.users(wired.access):
        if user.name == name:
            return user
    raise NotFound(f"user {name!r} does not exist", remedy="see gridwright user list")


def read_password() -> str:
    """Return the first line of standard input."""
    return sys.stdin.readline().rstrip("\r\n")


def ask_password() -> str:
    """Ask on a terminal, twice and unseen; there is nobody to ask elsewhere."""
    if not sys.stdin.isatty():
        raise UsageError("there is no terminal to ask for the password", remedy="give --password-stdin")
    return str(typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True))


def warn_of_unknown(wired: Platform, user: User) -> None:
    """Say which of the user's usage points is not registered yet."""
    if user.points:
        known = {point.id for point in wired.usage_points()}
        for point in sorted(user.points - known):
            say(f"Note: usage point {point} is not registered yet.")


def plain(user: User) -> dict[str, Any]:
    """Return a user as the JSON object; `usage_points` null = all."""
    points = None if user.points is None else sorted(user.points)
    return {"name": user.name, "role": user.role, "usage_points": points, "disabled": user.disabled}


def reach(user: User) -> str:
    """Return the usage points within reach, in few words."""
    if user.points is None:
        return "all"
    few = sorted(user.points)[:3]
    return ", ".join(few) + (f" and {len(user.points) - 3} more" if len(user.points) > len(few) else "")
