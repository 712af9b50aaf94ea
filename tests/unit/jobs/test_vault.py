from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.domain.errors import StoreCorrupt, StoreError
from gridwright.jobs.upkeep.vault import Vault

SECRET = b"00000000"


def test_what_is_sealed_opens_again(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal(SECRET)
    assert SECRET not in sealed
    assert Vault(tmp_path).open(sealed) == Vault(tmp_path / "secret.key").open(sealed) == SECRET
    assert Vault(tmp_path).seal(SECRET) != sealed


def test_the_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "new" / "my.key")
    assert not vault.path.exists()
    vault.seal(SECRET)
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o600
    assert [path.name for path in vault.path.parent.iterdir()] == ["my.key"]
    key = vault.path.read_text().strip()
    assert key not in repr(vault)
    vault.path.chmod(0o640)
    with pytest.raises(StoreError, match=r"others may read.*chmod 600"):
        Vault(vault.path).seal(SECRET)


@given(content=st.binary(max_size=300), at=st.integers(0, 1000), bit=st.integers(0, 7))
def test_a_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, content: bytes, at: int, bit: int) -> None:
    vault = Vault(tmp_path_factory.getbasetemp())
    sealed = bytearray(vault.seal(content))
    assert vault.open(bytes(sealed)) == content
    sealed[at % len(sealed)] ^= 1 << bit
    with pytest.raises(StoreCorrupt):
        vault.open(bytes(sealed))


@pytest.mark.parametrize("sealed", [b"", b"GW1", b"GW1" + b"x" * 11, b"GW1" + b"x" * 12, b"plain text"])
def test_what_was_never_sealed(tmp_path: Path, sealed: bytes) -> None:
    vault = Vault(tmp_path)
    vault.seal(SECRET)
    with pytest.raises(StoreCorrupt):
        vault.open(sealed)


def test_another_key_opens_nothing(tmp_path: Path) -> None:
    sealed = Vault(tmp_path / "a.key").seal(SECRET)
    Vault(tmp_path / "b.key").seal(SECRET)
    with pytest.raises(StoreCorrupt, match=r"b\.key.*another key"):
        Vault(tmp_path / "b.key").open(sealed)


def test_a_lost_key_file_is_not_made_anew(tmp_path: Path) -> None:
    sealed = Vault(tmp_path).seal(SECRET)
    (tmp_path / "secret.key").unlink()
    with pytest.raises(StoreCorrupt, match=r"cannot be read.*backup"):
        Vault(tmp_path).open(sealed)
    assert not (tmp_path / "secret.key").exists()


@pytest.mark.parametrize("content", [b"", b"c2hvcnQ=\n", b"not base 64!"])
def test_what_is_no_key_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secret.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreCorrupt, match="no key file"):
        Vault(tmp_path).seal(SECRET)


def test_two_who_begin_at_once_share_one_key(tmp_path: Path) -> None:
    barrier, sealed = threading.Barrier(4), []

    def seal() -> None:
        barrier.wait()
        sealed.append(Vault(tmp_path / "secret.key").seal(SECRET))

    threads = [threading.Thread(target=seal) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [Vault(tmp_path).open(each) for each in sealed] == [SECRET] * 4


def test_a_folder_that_takes_no_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be made"):
        Vault(tmp_path / "file" / "secret.key").seal(SECRET)


def test_a_full_disk_leaves_no_draft_of_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("gridwright.jobs.upkeep.vault.os.fsync", sync)
    with pytest.raises(StoreError, match="cannot be made: No space left"):
        Vault(tmp_path).seal(SECRET)
    assert list(tmp_path.iterdir()) == []
