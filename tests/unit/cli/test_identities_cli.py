"""Users, keys and the audit record by command: secrets are shown once, and only where they are asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner

from gridwright.cli import audit, key, user
from gridwright.domain.access import LOCAL_OWNER, Access, Role
from gridwright.domain.errors import Conflict, InputError, NotAuthenticated, NotFound, StoreCorrupt, UsageError
from gridwright.store import Store, open_store

WORD = "correct horse battery"
tree = typer.Typer()
for noun, group in (("user", user.app), ("key", key.app), ("audit", audit.app)):
    tree.add_typer(group, name=noun)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", f"sqlite:///{tmp_path}/gridwright.db")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "gridwright.db") as opened:
        yield opened


def told(*words: str, given: str | None = None) -> tuple[str, str]:
    done = CliRunner().invoke(tree, words, input=given, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout, done.stderr


def document(*words: str, given: str | None = None) -> Any:  # noqa: ANN401 - JSON
    return json.loads(told(*words, "--json", given=given)[0])


# --- keys -------------------------------------------------------------------------------------------------------------


def test_a_key_is_printed_once(store: Store) -> None:
    out, err = told("key", "create", "gate", "--label", "north", "--usage-point", "UP-1")
    token = out.strip()
    assert store.identities.access_of(token, datetime.now(UTC)) == Access("gate", Role.DEVICE, frozenset({"UP-1"}))
    assert "UP-1 is not registered yet" in err
    assert token not in err
    listed = document("key", "list")["keys"]
    assert [(each["user"], each["label"], each["revoked"]) for each in listed] == [("gate", "north", None)]
    secret = token.split("_", 2)[2]
    assert secret not in json.dumps([listed, document("audit", "list")])
    assert "\tgate\tnorth\t" in told("key", "list")[0]


def test_a_key_for_a_user_who_is_there(store: Store) -> None:
    document("user", "add", "ann", "--role", "operator")
    made = document("key", "create", "ann", "--role", "operator", "--expires", "2999-01-01")
    assert made["for"] == {"name": "ann", "role": "operator", "usage_points": None, "disabled": False}
    assert made["expires"].startswith("2999-01-01") or made["expires"].startswith("2998-12-31")
    assert made["token"] == made["key"]  # as the API names it, and as scripts have it
    assert store.identities.access_of(made["key"], datetime.now(UTC)).role is Role.OPERATOR
    for differs in (("--role", "admin"), ("--usage-point", "UP-1")):
        with pytest.raises(Conflict, match="ann exists already"):
            told("key", "create", "ann", *differs)


def test_a_key_that_cannot_be_made_leaves_no_user(store: Store) -> None:
    for expires, error in (("2001-01-01", InputError), ("soon", InputError)):
        with pytest.raises(error):
            told("key", "create", "ann", "--expires", expires)
    assert store.identities.users(LOCAL_OWNER) == ()


def test_a_key_is_revoked_by_its_id_or_as_a_whole(store: Store) -> None:
    made = document("key", "create", "ann", "--role", "viewer")
    assert document("key", "revoke", made["key"]) == {"id": made["id"], "revoked": True}
    assert "before" in told("key", "revoke", made["id"])[1]
    with pytest.raises(NotAuthenticated, match="revoked"):
        store.identities.access_of(made["key"], datetime.now(UTC))
    assert "revoked 20" in told("key", "list")[0]
    with pytest.raises(NotFound):
        told("key", "revoke", "ffffffff")


# --- users ------------------------------------------------------------------------------------------------------------


def test_users_by_command(store: Store) -> None:
    assert "no user yet" in told("user", "list")[1]
    words = ("user", "add", "her", "--role", "customer", "--usage-point", "UP-2", "--usage-point", "UP-1")
    added = document(*words, "--password-stdin", given=f"{WORD}\n")
    assert added == {"name": "her", "role": "customer", "usage_points": ["UP-1", "UP-2"], "disabled": False}
    now = datetime.now(UTC)
    assert store.identities.sign_in("her", WORD, now)
    told("user", "password", "her", "--password-stdin", given="another long word\r\n")
    assert store.identities.sign_in("her", "another long word", now)
    assert told("user", "list")[0].splitlines()[1] == "her\tcustomer\tUP-1, UP-2\t"
    assert document("user", "disable", "her")["disabled"] is True
    assert document("user", "list")["users"] == [{**added, "disabled": True}]
    with pytest.raises(NotAuthenticated):
        store.identities.sign_in("her", "another long word", now)


def test_a_disabled_user_is_let_in_again_but_not_their_old_sessions(store: Store) -> None:
    document("user", "add", "ann", "--role", "operator", "--password-stdin", given=f"{WORD}\n")
    key, now = document("key", "create", "ann")["key"], datetime.now(UTC)
    session = store.identities.sign_in("ann", WORD, now)
    told("user", "disable", "ann")
    with pytest.raises(Conflict, match="ann is disabled"):
        told("key", "create", "ann")
    assert document("user", "enable", "ann")["disabled"] is False
    assert store.identities.access_of(key, now).actor == "ann"
    assert store.identities.sign_in("ann", WORD, now)
    with pytest.raises(NotAuthenticated):
        store.identities.access_of_session(session, now)
    with pytest.raises(NotFound):
        told("user", "enable", "bob")


def test_users_that_cannot_be(store: Store) -> None:
    told("user", "add", "ann", "--role", "admin")
    for words, given, error in (
        (("user", "add", "ann", "--role", "viewer"), None, Conflict),
        (("user", "add", "her", "--role", "customer"), None, InputError),
        (("user", "add", "bob", "--role", "viewer", "--password-stdin"), "short\n", InputError),
        (("user", "disable", "ann"), None, Conflict),
        (("user", "disable", "bob"), None, NotFound),
        (("user", "password", "ann"), None, UsageError),
    ):
        with pytest.raises(error):
            told(*words, given=given)
    assert [each.name for each in store.identities.users(LOCAL_OWNER)] == ["ann"]


# --- audit ------------------------------------------------------------------------------------------------------------


def test_the_audit_record_is_whole_or_says_where_not(store: Store) -> None:
    for name in ("a", "b", "c"):
        told("user", "add", name, "--role", "viewer")
    assert document("audit", "verify") == {"records": 3, "unbroken": True}
    assert "3 records" in told("audit", "verify")[1]
    newest = document("audit", "list", "--limit", "2")["records"]
    assert [(each["number"], each["actor"], each["subject"]) for each in newest] == [
        (3, "local", "user c"),
        (2, "local", "user b"),
    ]
    assert "what added" in told("audit", "list")[0]
    with store._engine.begin() as connection:
        connection.execute(text("DROP TRIGGER tr_audit_record_update"))
        connection.execute(text("UPDATE audit_record SET actor = 'eve' WHERE number = 2"))
    with pytest.raises(StoreCorrupt, match="record 2"):
        told("audit", "verify")
