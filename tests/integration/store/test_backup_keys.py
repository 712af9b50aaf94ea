"""Backups and master keys: a backup that is reported opens, and what must be opened is never left to a new key."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import Conflict, StoreCorrupt
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, restore, verify
from gridwright.jobs.upkeep.look_after_keys import require_nothing_sealed, rotate_master, seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import open_store
from gridwright.store.backup.file import read_header
from tests.integration.command_line import Run, commands

NOW = datetime(2025, 6, 1, tzinfo=UTC)
ANNA = UsagePoint("UP-1", attributes={"name": "Anna"})


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys" / "secret.key")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in a folder of its own, with its database there."""
    monkeypatch.chdir(tmp_path)
    return commands(monkeypatch, capsys)


def rotated_within(address: str, vault: Vault) -> Callable[[int, int], None]:
    """Return a progress that changes the master key once, as another process would, and forgets the earlier one."""
    done: list[int] = []

    def progress(*_: int) -> None:
        if not done:
            done.append(1)
            other = Vault(vault.path)
            with open_store(address, master=other) as store:
                rotate_master(store, ME, other, drop_old=True)

    return progress


def test_a_key_that_is_forgotten_while_a_backup_is_made_does_not_lock_it(
    address: str, tmp_path: Path, vault: Vault
) -> None:
    """Nothing is sealed: the backup is under the newer key. What is sealed needs the old one: there is no backup."""
    path = tmp_path / "out" / "a.gwb"
    with open_store(address, master=vault) as store:
        store.registry.save_points(ME, [ANNA])
    vault.seal(b"")
    header = back_up(ME, address, path, vault=vault, now=NOW, progress=rotated_within(address, vault))
    assert [header.master] == Vault(vault.path).key_ids()
    assert verify(path, Vault(vault.path)) == header

    with open_store(address, master=vault) as store:
        seal_store(store, ME)
    with pytest.raises(Conflict, match="was forgotten while it was made") as caught:
        back_up(ME, address, path, vault=vault, now=NOW, force=True, progress=rotated_within(address, vault))
    assert "make the backup again" in caught.value.remedy
    assert read_header(path) == header  # of the earlier one
    back_up(ME, address, path, vault=vault, now=NOW, force=True)
    restore(path, str(tmp_path / "back.db"), vault)
    with open_store(tmp_path / "back.db", master=vault) as store:
        assert store.registry.point(ME, "UP-1") == ANNA


def test_where_the_key_file_is_gone_no_other_is_made(address: str, tmp_path: Path, vault: Vault) -> None:
    with open_store(address, master=vault) as store:
        store.registry.save_points(ME, [ANNA])
        require_nothing_sealed(address, "k")
        seal_store(store, ME)
    vault.path.rename(tmp_path / "kept.key")
    lost = Vault(vault.path, before_making=lambda: require_nothing_sealed(address, "k"))
    with pytest.raises(StoreCorrupt, match="cannot be read"):
        back_up(ME, address, tmp_path / "a.gwb", vault=lost, now=NOW)
    with pytest.raises(StoreCorrupt, match="key file is gone that 1 data keys") as caught:
        lost.seal(b"")
    assert "bring it back" in caught.value.remedy
    with open_store(address, master=lost) as store, pytest.raises(StoreCorrupt):
        rotate_master(store, ME, lost)
    stranger = Vault(tmp_path / "stranger.key")
    stranger.seal(b"")
    with pytest.raises(StoreCorrupt, match="another key"):
        back_up(ME, address, tmp_path / "a.gwb", vault=stranger, now=NOW)
    with open_store(address, master=stranger) as store:
        for _ in range(2):
            with pytest.raises(StoreCorrupt, match="another key"):
                rotate_master(store, ME, stranger)
    assert len(stranger.key_ids()) == 1
    assert not vault.path.exists()
    assert not (tmp_path / "a.gwb").exists()
    back_up(ME, address, tmp_path / "plain.gwb", vault=None, now=NOW)


def test_the_command_line_makes_no_key_where_one_is_missed(run: Run, tmp_path: Path) -> None:
    assert run("backup", "create", "-o", "none.gwb")[0] == 1
    assert not (tmp_path / "secret.key").exists()
    with open_store(tmp_path / "gridwright.db") as store:
        store.registry.save_points(ME, [ANNA])
    assert run("vault", "seal")[0] == 0
    (tmp_path / "secret.key").unlink()
    for words in (("backup", "create", "-o", "a.gwb"), ("vault", "rotate"), ("vault", "seal", "--fresh")):
        code, _, err = run(*words)
        assert (code, "bring" in err and "back" in err) == (1, True), (words, err)
        assert not (tmp_path / "secret.key").exists()
