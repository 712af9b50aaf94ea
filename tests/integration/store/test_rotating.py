"""One rotation of a key file at a time: of two at once, one's key was lost with all that it had wrapped."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import StoreError, StoreLocked
from gridwright.domain.usage_point import UsagePoint
from gridwright.edge.rotate import rotate
from gridwright.edge.sealing import Seals
from gridwright.jobs.upkeep.look_after_keys import rotate_master, seal_store
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import open_store
from tests.quick_processes import Process

ANNA = UsagePoint("UP-1", attributes={"name": "Anna"})
HOLDER = """
import sys
from pathlib import Path
from gridwright.jobs.upkeep.key_lock import key_file_alone
with key_file_alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


class Slow(Vault):
    """Stops between reading the keys and writing them with a fresh one before them."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.has_read, self.goes_on = threading.Event(), threading.Event()

    def _write(self, keys: list[bytes]) -> None:
        self.has_read.set()
        self.goes_on.wait(20)
        super()._write(keys)


def test_a_rotation_is_refused_while_another_goes_on_and_no_key_is_lost(address: str, tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secret.key"
    slow, quick = Slow(path), Vault(path)
    with open_store(address, master=slow) as one, open_store(address, master=quick) as two:
        one.registry.save_points(ME, [ANNA])
        seal_store(one, ME)
        rotating = threading.Thread(target=rotate_master, args=(one, ME, slow))
        rotating.start()
        assert slow.has_read.wait(20)
        try:
            with pytest.raises(StoreLocked, match="another process changes the master key"):
                rotate_master(two, ME, quick)
        finally:
            slow.goes_on.set()
            rotating.join()
        assert rotate_master(two, ME, quick, drop_old=True)[0] in quick.key_ids()
    with open_store(address, master=Vault(path)) as fresh:
        assert fresh.registry.point(ME, "UP-1") == ANNA


def test_an_edge_that_shares_the_key_file_waits_too(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    with Vault(vault.path).changing(), pytest.raises(StoreLocked, match="changes the master key"):
        rotate(tmp_path / "buffer", Seals(vault))
    assert rotate(tmp_path / "buffer", Seals(vault))[0] == vault.key_ids()[0]


def test_who_is_killed_holds_the_key_file_no_more(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "secret.key")
    command = [sys.executable, "-c", HOLDER, str(vault.path)]
    with Process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StoreLocked), vault.changing():
            pass
        holder.send_signal(signal.SIGKILL)
        holder.wait(20)
        with vault.changing():
            vault.add_key()
    assert len(vault.key_ids()) == 2


def test_without_locks_no_key_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    vault = Vault(tmp_path / "secret.key")
    with pytest.raises(StoreError, match="cannot be locked: no locks available") as caught, vault.changing():
        vault.add_key()
    assert "flock" in caught.value.remedy
    assert not vault.exists
