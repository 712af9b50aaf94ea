"""A SQLite file that is restored over, moved or replaced while open: nothing goes where nobody looks."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gridwright.domain.access import LOCAL_OWNER as ME
from gridwright.domain.errors import NotFound, StoreLocked, StoreMoved
from gridwright.domain.usage_point import UsagePoint
from gridwright.jobs.upkeep.back_up import back_up, restore
from gridwright.jobs.upkeep.vault import Vault
from gridwright.store import Store, open_store
from gridwright.store.backup import replacing
from tests.quick_processes import Process

if TYPE_CHECKING:
    from tests.integration.api.small_town import Town

NOW = datetime(2025, 6, 1, tzinfo=UTC)
IDLE = """
import sys
from gridwright.domain.access import LOCAL_OWNER
from gridwright.store import Store, open_store
store = open_store(sys.argv[1])
store.registry.count(LOCAL_OWNER)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault(tmp_path / "keys" / "secret.key")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A database with one usage point."""
    path = tmp_path / "town" / "gridwright.db"
    with open_store(path) as store:
        store.registry.save_points(ME, [UsagePoint("UP-1")])
    return path


@pytest.mark.parametrize("damaged", [False, True])
def test_what_another_process_has_open_is_not_replaced(
    place: Path, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    """Idle as it may be, and whether or not SQLite can still read the file; killed, it is in nobody's way."""
    monkeypatch.setattr(replacing, "PATIENCE_S", 0.2)
    backup = tmp_path / "a.gwb"
    back_up(ME, str(place), backup, vault=vault, now=NOW)
    with Process([sys.executable, "-c", IDLE, str(place)], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        if damaged:
            with place.open("r+b") as file:
                file.write(b"x" * 4096)
        before = place.stat().st_ino
        with pytest.raises(StoreLocked, match="another process has the database open") as caught:
            restore(backup, str(place), vault, force=True)
        assert "stop the server" in caught.value.remedy
        assert place.stat().st_ino == before
        assert not list(place.parent.glob("*.replaced-*"))
        other.kill()
    restore(backup, str(place), vault, force=True)
    assert place.stat().st_ino != before
    with open_store(place) as store:
        assert store.registry.count(ME) == 1


def test_the_kept_file_has_all_that_was_in_its_log(place: Path, tmp_path: Path, vault: Vault) -> None:
    backup = tmp_path / "a.gwb"
    back_up(ME, str(place), backup, vault=vault, now=NOW)
    script = IDLE.replace('print("open"', "store.registry.save_points(LOCAL_OWNER, [POINT])\nprint('open'")
    script = script.replace("import sys", "import sys\nfrom gridwright.domain.usage_point import UsagePoint")
    script = script.replace("POINT", "UsagePoint('late')")
    with Process([sys.executable, "-c", script, str(place)], stdin=-1, stdout=-1) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        other.kill()
    assert place.with_name("gridwright.db-wal").stat().st_size
    restore(backup, str(place), vault, force=True)
    (kept,) = place.parent.glob("*.replaced-*")
    with open_store(kept) as old, open_store(place) as new:
        assert (old.registry.count(ME), new.registry.count(ME)) == (2, 1)


@pytest.mark.parametrize("moved", [True, False])
def test_an_open_store_takes_nothing_into_a_file_that_is_not_in_its_place(place: Path, moved: bool) -> None:
    away = place.with_name("away.db")
    with open_store(place) as store:
        place.rename(away)
        if not moved:
            with open_store(place) as other:
                other.registry.save_points(ME, [UsagePoint("other")])
        said = "moved away" if moved else "replaced by another"
        with pytest.raises(StoreMoved, match=said) as caught:
            store.registry.save_points(ME, [UsagePoint("UP-2")])
        assert (caught.value.where, "start it again" in caught.value.remedy) == (str(place), True)
        with pytest.raises(StoreMoved, match=said):
            store.registry.count(ME)
        away.rename(place)
        store.registry.save_points(ME, [UsagePoint("UP-3")])
        assert store.registry.count(ME) == 2


def moved_within(store: Store, place: Path, away: Path) -> None:
    with store.transaction():
        store.registry.save_points(ME, [UsagePoint("UP-2")])
        place.rename(away)


def test_a_file_that_is_named_as_a_uri_is_watched_too(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.parent)
    with open_store(f"sqlite:///file:{place}?uri=true") as store:
        assert [point.id for point in store.registry.points(ME)] == ["UP-1"]
        place.rename(place.with_name("elsewhere.db"))
        with pytest.raises(StoreMoved, match="moved away"):
            store.registry.save_points(ME, [UsagePoint("UP-2")])
    assert not (place.parent / "file:").exists()


def test_a_transaction_is_not_committed_into_a_file_that_went_away_within(place: Path) -> None:
    away = place.with_name("away.db")
    with open_store(place) as store:
        with pytest.raises(StoreMoved):
            moved_within(store, place, away)
        away.rename(place)
        assert store.registry.count(ME) == 1


def test_a_server_answers_503_instead_of_taking_readings(town: Town) -> None:
    place = Path(town.platform.store.place)
    record = {"usage_point": "UP-1", "start": "2026-11-01T00:00:00Z", "kwh": 1.0, "interval_s": 900}
    place.rename(place.with_name("away.db"))
    answer = town.ask("POST", "/v1/readings", json=[record])
    assert (answer.status_code, answer.json()["type"]) == (503, "/docs/errors#StoreMoved")
    assert "start it again" in answer.json()["remedy"]
    assert str(place) not in answer.text
    place.with_name("away.db").rename(place)
    assert town.ask("POST", "/v1/readings", json=[record]).json()["accepted"] == 1


@pytest.mark.parametrize("names", [("os.link",), ("pathlib.Path.replace",)])
def test_killed_at_any_step_there_is_a_database(
    place: Path, tmp_path: Path, vault: Vault, monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...]
) -> None:
    """The file that was there keeps its name until the restored one has it."""
    backup = tmp_path / "a.gwb"
    back_up(ME, str(place), backup, vault=vault, now=NOW)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    for name in names:
        with monkeypatch.context() as patch:
            patch.setattr(name, killed)
            with pytest.raises(KeyboardInterrupt):
                restore(backup, str(place), vault, force=True)
        with open_store(place, create=False) as store:
            assert store.registry.count(ME) == 1


def test_no_empty_database_is_made_beside_one_that_was_put_aside(place: Path) -> None:
    kept = place.with_name("gridwright.db.replaced-0a1b2c3d")
    place.rename(kept)
    with pytest.raises(NotFound, match=kept.name) as caught:
        open_store(place)
    assert "rename that back" in caught.value.remedy
    assert not place.exists()
    kept.rename(place)
    with open_store(place) as store:
        assert store.registry.count(ME) == 1
