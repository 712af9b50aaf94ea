"""Sealed customer data: nothing to read in the database, everything as before for who has the key."""

from __future__ import annotations

import base64
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import text

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.access import Access, Role
from gridwright.domain.device import DeviceLink
from gridwright.domain.errors import Conflict, StoreCorrupt, UsageError
from gridwright.domain.usage_point import Meter, UsagePoint
from gridwright.jobs.field.add_device import NewDevice, add_device
from gridwright.jobs.upkeep.look_after_keys import key_state, rotate_master, seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.jobs.upkeep.verify_store import verify_store
from gridwright.store import Store, open_store

ANNA = UsagePoint("UP-1", attributes={"name": "Anna Müller", "phone": "+49 30 1234"})
BERT = UsagePoint("UP-2", attributes={"name": "Bert"})
BARE = UsagePoint("UP-3")


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys" / "secret.key")


@pytest.fixture
def every_store(address: str, vault: Vault) -> Iterator[Store]:
    """On each database in turn."""
    with open_store(address, master=vault) as opened:
        opened.registry.save_points(ME, [ANNA, BARE])
        yield opened


@pytest.fixture
def store(tmp_path: Path, vault: Vault) -> Iterator[Store]:
    """In SQLite."""
    with open_store(tmp_path / "one.db", master=vault) as opened:
        opened.registry.save_points(ME, [ANNA, BARE])
        yield opened


def stored(store: Store) -> dict[str, str]:
    with store._engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(text("SELECT code, attributes FROM usage_point"))}


def test_what_names_a_customer_is_nowhere_to_read(every_store: Store, address: str, vault: Vault) -> None:
    assert "Anna" in stored(every_store)["UP-1"]
    assert not vault.exists
    assert seal_store(every_store, ME) == 1
    assert seal_store(every_store, ME) == 0
    every_store.registry.save_points(ME, [ANNA, BERT])
    found = stored(every_store)
    assert found["UP-3"] == "{}"
    assert all(found[code].startswith("gw2:") and "Anna" not in found[code] for code in ("UP-1", "UP-2"))
    with open_store(address, master=Vault(vault.path)) as other:
        assert other.registry.points(ME) == (ANNA, BERT, BARE)
        assert other.registry.save_points(ME, [ANNA, BERT]) == 0
    state = key_state(every_store, ME, vault)
    assert (state.sealed.newest, state.sealed.older, state.sealed.plain, state.behind) == (2, 0, 0, 0)
    assert [master for _, master in state.sealed.keys] == list(state.keys)


def test_sealed_attributes_are_found_as_plain_ones_are(every_store: Store) -> None:
    def found(search: str) -> list[str]:
        return [point.id for point in every_store.registry.page(ME, search=search)]

    every_store.registry.save_points(ME, [BERT])
    words = ("müller", "1234", "bert", "up-", "nobody", "name")
    before = [found(word) for word in words]
    seal_store(every_store, ME)
    assert [found(word) for word in words] == before
    assert before[0] == ["UP-1"]
    assert [point.id for point in every_store.registry.page(ME, search="up-", limit=1, after="UP-1")] == ["UP-2"]


def test_who_is_checked_by_a_meter_is_found_in_plain_and_sealed_attributes(every_store: Store) -> None:
    registry = every_store.registry
    pairs = {"UP-4": " UP-9 ", "UP-5": "UP-8", "UP-9": "UP-9"}
    registry.save_points(ME, [UsagePoint(main, attributes={"checked_by": check}) for main, check in pairs.items()])
    for _ in range(2):
        assert registry.checked_by(ME, {"UP-9"}) == {"UP-4": "UP-9"}
        assert registry.checked_by(ME, {"UP-9", "UP-8"}) == {"UP-4": "UP-9", "UP-5": "UP-8"}
        assert registry.checked_by(Access("ann", Role.CUSTOMER, frozenset({"UP-5"})), {"UP-9"}) == {}
        assert registry.checked_by(ME, {"checked_by"}) == {}
        seal_store(every_store, ME)
    registry.save_points(ME, [UsagePoint("UP-1", attributes={"checked_by": "UP-9", "name": "Anna Müller"})])
    assert registry.checked_by(ME, {"UP-9"}) == {"UP-4": "UP-9", "UP-1": "UP-9"}
    registry.save_points(ME, [ANNA])
    assert registry.checked_by(ME, {"UP-9"}) == {"UP-4": "UP-9"}


def test_a_value_moved_to_another_row_does_not_open(store: Store) -> None:
    store.registry.save_points(ME, [BERT])
    seal_store(store, ME)
    with store._engine.begin() as connection:
        value = stored(store)["UP-1"]
        connection.execute(text("UPDATE usage_point SET attributes = :value WHERE code = 'UP-2'"), {"value": value})
    with pytest.raises(StoreCorrupt, match="UP-2 does not open"):
        store.registry.points(ME)


def test_without_the_key_or_with_another_one(store: Store, tmp_path: Path) -> None:
    address = store.place
    seal_store(store, ME)
    stranger = Vault(tmp_path / "stranger.key")
    stranger.seal(b"")
    for master, words in ((None, "was given no key"), (stranger, "another key")):
        with open_store(address, master=master) as other:
            with pytest.raises(StoreCorrupt, match=words):
                other.registry.points(ME)
            assert other.registry.count(ME) == 2


def test_a_fresh_data_key_seals_everything_anew(store: Store) -> None:
    seal_store(store, ME)
    before = stored(store)["UP-1"]
    assert seal_store(store, ME, fresh=True) == 1
    assert stored(store)["UP-1"].split(":")[1] != before.split(":")[1]
    assert store.registry.point(ME, "UP-1") == ANNA


def test_the_master_key_changes_and_an_interrupted_change_is_finished(
    every_store: Store, address: str, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    seal_store(every_store, ME)
    every_store.registry.save_meter(ME, Meter("M1"))
    every_store.devices.save_link(ME, DeviceLink("M1", "iec62056-21", "tcp://127.0.0.1:1/M1"))
    (key,) = vault._secrets(make=False).values()
    nonce = secrets.token_bytes(12)
    every_store.devices.set_secret(ME, "M1", b"GW1" + nonce + AESGCM(key).encrypt(nonce, b"1234", b"GW1"))
    (first,) = vault.key_ids()

    with monkeypatch.context() as broken:
        broken.setattr(every_store.sealed, "rewrap", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rotate_master(every_store, ME, vault)
    second, last = vault.key_ids()
    assert last == first
    assert every_store.sealed.behind(ME, second) == 2

    assert rotate_master(every_store, ME, vault, drop_old=True) == (second, 2)
    assert vault.key_ids() == [second]
    with open_store(address, master=Vault(vault.path)) as other:
        assert other.registry.point(ME, "UP-1") == ANNA
        sealed = other.devices.secret(ME, "M1")
        assert sealed is not None
        assert Vault(vault.path).open(sealed) == b"1234"
    assert rotate_master(every_store, ME, vault)[0] not in {first, second}
    assert len(vault.key_ids()) == 2


def test_a_password_sealed_while_earlier_keys_are_forgotten_is_kept(
    every_store: Store, address: str, vault: Vault
) -> None:
    """Its transaction sealed with the old key before the rotation looked, and ends after: the rotation waits for it."""
    vault.seal(b"")
    sealed, rotated, failed = threading.Event(), threading.Event(), list[BaseException]()

    def seal(content: bytes) -> bytes:
        done = vault.seal(content)
        sealed.set()
        rotated.wait(0.5)  # for ever, if it rightly waits for us
        return done

    def add() -> None:
        device = NewDevice("M1", "readout-only", "tcp://127.0.0.1:1/M1")
        with open_store(address, master=vault) as mine:
            try:
                add_device(mine, ME, device, now=datetime.now(UTC), secret=b"1234", seal=seal)
            except BaseException as error:  # noqa: BLE001 - shown by the test
                failed.append(error)

    adding = threading.Thread(target=add)
    adding.start()
    assert sealed.wait(10)
    with suppress(Conflict):
        rotate_master(every_store, ME, vault, drop_old=True)
    rotated.set()
    adding.join()
    assert failed == []
    kept = every_store.devices.secret(ME, "M1")
    assert kept is not None
    assert Vault(vault.path).open(kept) == b"1234"


def test_keys_from_the_environment(tmp_path: Path) -> None:
    old, new = (base64.b64encode(secrets.token_bytes(32)).decode() for _ in range(2))
    sealed = Vault(tmp_path, given=old).seal(b"x")
    both = Vault(tmp_path, given=f"{new},{old}")
    assert both.open(sealed) == b"x"
    assert both.key_of(both.seal(b"x")) != both.key_of(sealed)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match="GRIDWRIGHT_SECRET_KEY"):
        both.add_key()
    with pytest.raises(StoreCorrupt, match="no key file"):
        Vault(tmp_path, given="not base 64").seal(b"")


@pytest.mark.parametrize("address", ["postgres", "mysql"], indirect=True)  # SQLite has one writer
def test_what_is_kept_while_the_first_key_is_made_is_sealed(every_store: Store, address: str, vault: Vault) -> None:
    """A transaction that began before there was a key, and ends after all was sealed, leaves nothing plain."""
    begun, done = threading.Event(), threading.Event()

    def keep_bert() -> None:
        with open_store(address, master=Vault(vault.path)) as other, other.transaction():
            other.registry.save_points(ME, [BERT])
            begun.set()
            done.wait(2)  # the sealing waits, or is over before this ends

    def seal() -> None:
        seal_store(every_store, ME)
        done.set()

    threads = [threading.Thread(target=keep_bert), threading.Thread(target=seal)]
    threads[0].start()
    assert begun.wait(10)
    threads[1].start()
    for thread in threads:
        thread.join(60)
    assert [code for code, text in stored(every_store).items() if "Bert" in text or "Anna" in text] == []
    assert every_store.registry.points(ME) == (ANNA, BERT, BARE)
    assert verify_store(every_store, ME).checks
    assert key_state(every_store, ME, vault).sealed.plain == 0


def test_two_that_seal_for_the_first_time_make_one_key(every_store: Store, address: str, vault: Vault) -> None:
    def seal() -> None:
        with open_store(address, master=Vault(vault.path)) as other:
            seal_store(other, ME)

    vault.seal(b"")  # there is a master key
    threads = [threading.Thread(target=seal) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(key_state(every_store, ME, vault).sealed.keys) == 1


def test_verify_names_what_is_plain_beside_a_key(every_store: Store) -> None:
    seal_store(every_store, ME)
    with every_store._engine.begin() as connection:
        connection.execute(text("UPDATE usage_point SET attributes = '{\"name\": \"Eve\"}' WHERE code = 'UP-3'"))
    check = every_store.checks.sealed(ME)
    assert check.faults == 1
    assert "gridwright vault seal" in check.remedy
    assert "UP-3" in check.first[0]
    assert "Eve" not in check.first[0]
    assert seal_store(every_store, ME) == 1
    assert every_store.checks.sealed(ME).faults == 0
