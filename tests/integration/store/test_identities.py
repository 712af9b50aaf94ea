from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.errors import AccessDenied, Conflict, InputError, NotAuthenticated, NotFound
from gridwright.domain.identity import User
from gridwright.store import Store
from gridwright.store.people import credentials
from tests import quick_passwords

NOW = datetime(2025, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ANN = User("ann", Role.OPERATOR)
HER = User("her", Role.CUSTOMER, frozenset({"UP-1", "UP-2"}))
WORD = "correct horse battery"


def everything(store: Store) -> str:
    """Every value of every table as text."""
    with store._engine.connect() as connection:
        names = ("user_account", "user_point", "api_key", "user_session", "sign_in_failure", "audit_record")
        return repr([connection.execute(text(f"SELECT * FROM {name}")).all() for name in names])


def acts(store: Store) -> list[tuple[str, str, str]]:
    return [(each.actor, each.subject, str(each.detail["what"])) for each in reversed(store.audit.records(ME))]


# --- first start ------------------------------------------------------------------------------------------------------


def test_the_first_start_makes_an_admin_once(store: Store, again: Callable[[], Store]) -> None:
    token = store.identities.bootstrap(NOW)
    assert token is not None
    assert store.identities.access_of(token, NOW) == Access("admin", Role.ADMIN)
    assert store.identities.bootstrap(NOW) is None
    with again() as other:
        assert other.identities.bootstrap(NOW) is None
        assert other.identities.access_of(token, NOW).role is Role.ADMIN
    assert store.identities.users(ME) == (User("admin", Role.ADMIN),)
    secret = token.split("_", 2)[2]
    assert secret not in everything(store)
    assert hashlib.sha256(secret.encode()).hexdigest() in everything(store)


def test_of_two_first_starts_one_gets_the_key(again: Callable[[], Store]) -> None:
    with again() as one, again() as other:
        barrier, tokens = threading.Barrier(2), []

        def start(store: Store) -> None:
            barrier.wait()
            tokens.append(store.identities.bootstrap(NOW))

        threads = [threading.Thread(target=start, args=[store]) for store in (one, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(token is None for token in tokens) == [False, True]
        assert len(one.identities.users(ME)) == len(one.identities.keys(ME)) == 1
        assert one.audit.verify(ME) == 2


# --- users ------------------------------------------------------------------------------------------------------------


def test_users_round_trip_and_change(store: Store) -> None:
    identities = store.identities
    assert [identities.save_user(ME, user) for user in (ANN, HER, ANN)] == [True, True, False]
    assert identities.users(ME) == (ANN, HER)
    moved = replace(HER, points=frozenset({"UP-3"}))
    assert identities.save_user(ME, moved)
    assert identities.users(ME) == (ANN, moved)
    assert identities.save_user(ME, User("her", Role.VIEWER))
    assert identities.users(ME)[1] == User("her", Role.VIEWER)
    assert [subject for _, subject, _ in acts(store)] == ["user ann", "user her", "user her", "user her"]


def test_a_user_with_no_usage_point_sees_none(store: Store) -> None:
    store.identities.save_user(ME, User("none", Role.VIEWER, frozenset()))
    _, token = store.identities.create_key(ME, "none")
    assert store.identities.access_of(token, NOW) == Access("none", Role.VIEWER, frozenset())


def test_the_last_admin_stays(store: Store) -> None:
    first, second = User("a", Role.ADMIN), User("b", Role.ADMIN)
    store.identities.save_user(ME, first)
    for weaker in (replace(first, disabled=True), replace(first, role=Role.VIEWER), replace(first, points=frozenset())):
        with pytest.raises(Conflict, match="last enabled admin"):
            store.identities.save_user(ME, weaker)
    store.identities.save_user(ME, second)
    assert store.identities.save_user(ME, replace(first, disabled=True))
    with pytest.raises(Conflict, match="last enabled admin"):
        store.identities.save_user(ME, replace(second, disabled=True))


def test_two_admins_cannot_disable_each_other(store: Store, again: Callable[[], Store]) -> None:
    for name in ("a", "b"):
        store.identities.save_user(ME, User(name, Role.ADMIN))
    barrier, refused = threading.Barrier(2), []

    def disable(name: str) -> None:
        with again() as mine:
            barrier.wait()
            try:
                mine.identities.save_user(ME, User(name, Role.ADMIN, disabled=True))
            except Conflict:
                refused.append(name)

    threads = [threading.Thread(target=disable, args=[name]) for name in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1
    assert [user.disabled for user in store.identities.users(ME)].count(False) == 1


@pytest.mark.parametrize("name", ["local", "nobody", " ann", "a\nb", ""])
def test_names_that_cannot_be(store: Store, name: str) -> None:
    with pytest.raises(InputError):
        store.identities.save_user(ME, User(name, Role.VIEWER))


# --- keys -------------------------------------------------------------------------------------------------------------


def test_keys_open_what_their_user_may(store: Store) -> None:
    identities = store.identities
    identities.save_user(ME, HER)
    key, token = identities.create_key(ME, "her", label="phone", expires=NOW + 48 * HOUR)
    assert token.startswith(f"gw_{key.id}_")
    assert identities.keys(ME) == identities.keys(ME, "her") == (key,)
    assert identities.access_of(token, NOW) == HER.access
    assert identities.access_of(token, NOW + 47 * HOUR) == HER.access
    with pytest.raises(NotAuthenticated, match="expired"):
        identities.access_of(token, NOW + 48 * HOUR)
    assert token not in everything(store)
    assert token.removeprefix(f"gw_{key.id}_") not in everything(store)


def test_a_revoked_key_opens_nothing_at_once(store: Store, again: Callable[[], Store]) -> None:
    store.identities.save_user(ME, ANN)
    key, token = store.identities.create_key(ME, "ann")
    session = store.identities.sign_in_by_key(token, NOW)
    with again() as other:
        assert other.identities.access_of(token, NOW) == ANN.access
        assert store.identities.revoke_key(ME, key.id)
        for ask, what in ((other.identities.access_of, token), (other.identities.access_of_session, session)):
            with pytest.raises(NotAuthenticated):
                ask(what, NOW)
    assert not store.identities.revoke_key(ME, key.id)
    assert store.identities.keys(ME)[0].revoked is not None
    with pytest.raises(NotFound, match="key list"):
        store.identities.revoke_key(ME, "ffffffff")


def test_a_disabled_user_is_nobody_at_once(store: Store) -> None:
    identities = store.identities
    identities.save_user(ME, ANN)
    identities.set_password(ME, "ann", WORD)
    _, token = identities.create_key(ME, "ann")
    session = identities.sign_in("ann", WORD, NOW)
    identities.save_user(ME, replace(ANN, disabled=True))
    calls: list[tuple[Callable[..., Any], tuple[str, ...]]] = [
        (identities.access_of, (token,)),
        (identities.access_of_session, (session,)),
        (identities.sign_in, ("ann", WORD)),
        (identities.sign_in_by_key, (token,)),
    ]
    for ask, given in calls:
        with pytest.raises(NotAuthenticated):
            ask(*given, NOW)
    with pytest.raises(Conflict, match="disabled"):
        identities.create_key(ME, "ann")
    identities.save_user(ME, ANN)
    assert identities.access_of(token, NOW) == ANN.access


@pytest.mark.parametrize(
    "token",
    ["", "x", "gw_", "gw_00000000_" + "a" * 43, "gw_ffffffff", "gw_00000000_é", "\udcff", "gw_0\x00", "x" * 9999],
)
def test_wrong_keys(store: Store, token: str) -> None:
    with pytest.raises(NotAuthenticated):
        store.identities.access_of(token, NOW)
    with pytest.raises(NotAuthenticated):
        store.identities.access_of_session(token, NOW)


def test_a_key_with_another_secret(store: Store) -> None:
    store.identities.save_user(ME, ANN)
    _, token = store.identities.create_key(ME, "ann")
    with pytest.raises(NotAuthenticated, match="opens nothing"):
        store.identities.access_of(token[:-1] + ("a" if token[-1] != "a" else "b"), NOW)


def test_keys_that_cannot_be_made(store: Store) -> None:
    with pytest.raises(NotFound, match="user 'ann'"):
        store.identities.create_key(ME, "ann")
    store.identities.save_user(ME, ANN)
    with pytest.raises(InputError, match="later date"):
        store.identities.create_key(ME, "ann", expires=NOW - HOUR)
    with pytest.raises(NotFound):
        store.identities.keys(ME, "bob")


def test_a_token_does_not_show_itself() -> None:
    token = credentials.new_token()
    assert token.secret not in repr(token)
    assert token.secret not in f"{token}"


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_sessions_end(store: Store) -> None:
    identities = store.identities
    identities.save_user(ME, ANN)
    identities.set_password(ME, "ann", WORD)
    session = identities.sign_in("ann", WORD, NOW)
    assert session not in everything(store)
    for minutes in (0, 60, 170, 280, 390, 500, 610, 715):
        assert identities.access_of_session(session, NOW + minutes * HOUR / 60) == ANN.access
    with pytest.raises(NotAuthenticated, match="ended"):
        identities.access_of_session(session, NOW + 12 * HOUR)
    idle = identities.sign_in("ann", WORD, NOW)
    with pytest.raises(NotAuthenticated, match="ended"):
        identities.access_of_session(idle, NOW + 2 * HOUR)
    out = identities.sign_in("ann", WORD, NOW)
    identities.sign_out(out)
    identities.sign_out(out)
    with pytest.raises(NotAuthenticated):
        identities.access_of_session(out, NOW)


def test_a_session_ends_with_its_key(store: Store) -> None:
    store.identities.save_user(ME, ANN)
    _, token = store.identities.create_key(ME, "ann", expires=NOW + HOUR)
    session = store.identities.sign_in_by_key(token, NOW)
    assert store.identities.access_of_session(session, NOW) == ANN.access
    with pytest.raises(NotAuthenticated):
        store.identities.access_of_session(session, NOW + HOUR)


def test_a_device_has_no_session(store: Store) -> None:
    store.identities.save_user(ME, User("meter", Role.DEVICE))
    _, token = store.identities.create_key(ME, "meter")
    with pytest.raises(AccessDenied, match="device"):
        store.identities.sign_in_by_key(token, NOW)


# --- passwords --------------------------------------------------------------------------------------------------------


def test_passwords(store: Store) -> None:
    identities = store.identities
    identities.save_user(ME, ANN)
    with pytest.raises(NotAuthenticated):
        identities.sign_in("ann", WORD, NOW)
    for poor in ("short", "x" * 1001):
        with pytest.raises(InputError, match="10 to 1000"):
            identities.set_password(ME, "ann", poor)
    with pytest.raises(NotFound):
        identities.set_password(ME, "bob", WORD)
    identities.set_password(ANN.access, "ann", "Pa\u0308ssword one")
    session = identities.sign_in("ann", "P\u00e4ssword one", NOW)
    with pytest.raises(AccessDenied):
        identities.set_password(Access("bob", Role.OPERATOR), "ann", WORD)
    identities.set_password(ME, "ann", WORD)
    with pytest.raises(NotAuthenticated):
        identities.access_of_session(session, NOW)
    assert WORD not in everything(store)
    assert ("ann", "user ann", "signed in") in acts(store)


def test_equal_passwords_have_different_hashes() -> None:
    assert credentials.hash_password(WORD) != credentials.hash_password(WORD)


def test_an_unknown_user_costs_the_same_work_and_says_the_same(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(credentials, "WORK", quick_passwords.WORK)
    monkeypatch.setattr(credentials, "_NOBODY", quick_passwords.NOBODY)
    work: list[tuple[int, int, int]] = []
    real = hashlib.scrypt

    def counted(plain: bytes, **options: Any) -> bytes:  # noqa: ANN401 - as hashlib has it
        work.append((options["n"], options["r"], options["p"]))
        return real(plain, **options | {"n": 16, "p": 1})  # what is asked for counts here, not the time it takes

    monkeypatch.setattr(hashlib, "scrypt", counted)
    store.identities.save_user(ME, ANN)
    store.identities.set_password(ME, "ann", WORD)
    store.identities.save_user(ME, HER)
    work.clear()
    said = set()
    for name in ("ann", "her", "bob", "b\x00b"):
        with pytest.raises(NotAuthenticated) as caught:
            store.identities.sign_in(name, "wrong password", NOW)
        said.add(str(caught.value))
    assert len(said) == 1
    assert work == [(2**14, 8, 5)] * 4


@pytest.mark.parametrize("name", ["ann", "bob"])
def test_failures_are_throttled_wherever_they_come_from(store: Store, again: Callable[[], Store], name: str) -> None:
    store.identities.save_user(ME, ANN)
    store.identities.set_password(ME, "ann", WORD)
    with again() as other:
        for at in range(10):
            with pytest.raises(NotAuthenticated, match="wrong"):
                (store, other)[at % 2].identities.sign_in(name, "wrong password", NOW + at * HOUR / 60)
        with pytest.raises(NotAuthenticated, match=r"too many.*12:15:00 UTC"):
            other.identities.sign_in(name, WORD, NOW + HOUR / 5)
    if name == "ann":
        assert store.identities.sign_in(name, WORD, NOW + HOUR / 4)
    assert store.audit.verify(ME) == len(acts(store))


def test_guesses_at_once_are_counted_too(store: Store, again: Callable[[], Store]) -> None:
    store.identities.save_user(ME, ANN)
    store.identities.set_password(ME, "ann", WORD)
    barrier, said = threading.Barrier(4), []

    def guess() -> None:
        with again() as mine:
            barrier.wait()
            for _ in range(6):
                try:
                    mine.identities.sign_in("ann", "wrong password", NOW)
                except NotAuthenticated as error:
                    said.append(error.message)

    threads = [threading.Thread(target=guess) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(said) == 24
    assert sum("wrong" in message for message in said) == 10
    assert store.audit.verify(ME) == 12


def test_success_forgets_the_failures(store: Store) -> None:
    store.identities.save_user(ME, ANN)
    store.identities.set_password(ME, "ann", WORD)
    for _ in range(2):
        for _ in range(9):
            with pytest.raises(NotAuthenticated, match="wrong"):
                store.identities.sign_in("ann", "wrong password", NOW)
        assert store.identities.sign_in("ann", WORD, NOW)


def test_what_is_typed_as_a_name_is_not_kept(store: Store) -> None:
    with pytest.raises(NotAuthenticated):
        store.identities.sign_in(WORD, "ann", NOW)
    assert WORD not in everything(store)
    assert acts(store) == [("nobody", "unknown user", "sign-in failed")]
