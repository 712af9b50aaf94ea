"""The doctor's checks: what is healthy, what is not, and that no password is shown."""

from pathlib import Path

import pytest

from gridwright.jobs.check_health import check_audit, check_database, check_disk, check_health, shown
from gridwright.store import open_store


def test_nothing_there_is_no_fault_and_is_not_made(tmp_path: Path) -> None:
    url = str(tmp_path / "none.db")
    assert all(check.ok for check in check_health(url))
    assert not (tmp_path / "none.db").exists()


def test_a_healthy_database_is_counted(tmp_path: Path) -> None:
    url = str(tmp_path / "grid.db")
    open_store(url).close()
    assert check_database(url).found.endswith("0 usage points")
    assert check_audit(url).ok


def test_a_broken_database_is_told_with_its_remedy(tmp_path: Path) -> None:
    path = tmp_path / "grid.db"
    path.write_bytes(b"this is no database at all" * 100)
    check = check_database(str(path))
    assert not check.ok
    assert check.remedy


def test_an_unreachable_server_is_told() -> None:
    check = check_database("postgresql+psycopg://ann:secret@127.0.0.1:1/grid")
    assert not check.ok
    assert "secret" not in check.found + check.remedy


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("postgresql+psycopg://ann:secret@db/grid", "postgresql+psycopg://ann@db/grid"),
        ("gridwright.db", "gridwright.db"),
        ("sqlite:///a.db", "sqlite:///a.db"),
    ],
)
def test_passwords_are_not_shown(url: str, text: str) -> None:
    assert shown(url) == text


def test_the_disk_of_the_database_is_looked_at(tmp_path: Path) -> None:
    assert "GB free" in check_disk(f"sqlite:///{tmp_path}/deep/grid.db").found
