"""A folder named before the command must hold a database: a slip of the pen makes no empty one."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from gridwright.cli import main
from gridwright.cli.context import platform, remember
from gridwright.domain.errors import NotFound
from gridwright.store import open_store

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    remember()


def test_a_folder_without_a_database_is_refused_and_not_made(tmp_path: Path) -> None:
    remember(data=tmp_path / "typo")
    with pytest.raises(NotFound, match="no database in this folder"):
        platform()
    assert not (tmp_path / "typo").exists()


def test_what_brings_something_in_makes_the_database_and_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    remember(data=tmp_path / "new" / "town")
    wired = platform(makes=True)
    assert wired.usage_points() == ()
    wired.close()
    assert (tmp_path / "new" / "town" / "gridwright.db").is_file()
    assert "it is made" in capsys.readouterr().err


def test_a_file_is_imported_into_a_folder_without_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "day.csv").write_text("meter,start,kWh\nA,2025-03-01T00:00:00Z,1\nA,2025-03-01T00:15:00Z,2\n")
    for words in (["reading", "import", "day.csv"], ["usage-point", "show", "A"]):
        monkeypatch.setattr("sys.argv", ["gridwright", "--data", "town", *words])
        with suppress(SystemExit):
            main()
    remember(data=tmp_path / "town")
    assert [each.id for each in platform().usage_points()] == ["A"]


def test_settings_of_the_folder_are_pointed_to(tmp_path: Path) -> None:
    (tmp_path / "gridwright.toml").write_text('[store]\nurl = "other.db"\n')
    remember(data=tmp_path)
    with pytest.raises(NotFound) as refused:
        platform()
    assert "gridwright.toml may name another" in refused.value.remedy


def test_in_the_folder_itself_its_settings_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gridwright.toml").write_text('[store]\nurl = "other.db"\n')
    monkeypatch.chdir(tmp_path)
    remember(data=Path())
    wired = platform()
    assert wired.usage_points() == ()
    wired.close()
    assert (tmp_path / "other.db").is_file()
    assert capsys.readouterr().err == ""


def test_a_folder_with_a_database_is_opened(tmp_path: Path) -> None:
    open_store(f"{tmp_path}/").close()
    remember(data=tmp_path)
    wired = platform()
    assert wired.usage_points() == ()
    wired.close()


def test_a_database_that_is_named_itself_wins_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", str(tmp_path / "own.db"))
    remember(data=tmp_path / "elsewhere")
    wired = platform()
    assert wired.usage_points() == ()
    wired.close()
    assert (tmp_path / "own.db").is_file()
    assert f"GRIDWRIGHT_STORE__URL names the database {tmp_path / 'own.db'}" in capsys.readouterr().err


# --- without --data ---------------------------------------------------------------------------------------------------


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[[str], tuple[object, str]]:
    """Run a command in a folder; returns its exit code and what it said."""
    monkeypatch.chdir(tmp_path)

    def called(words: str) -> tuple[object, str]:
        monkeypatch.setattr("sys.argv", ["gridwright", *words.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        remember()
        return ended.value.code, capsys.readouterr().err

    return called


Run = Callable[[str], tuple[object, str]]


@pytest.mark.parametrize(
    "words", ["key create ann", "user add ann --role viewer", "user list", "reading import x.csv", "serve"]
)
def test_no_second_database_is_made_beside_one(tmp_path: Path, run: Run, words: str) -> None:
    (tmp_path / "town").mkdir()
    open_store(tmp_path / "town" / "gridwright.db").close()
    code, err = run(words)
    assert code == 1
    assert "there is no database here, but in town" in err
    assert "gridwright --data town before the command" in err
    assert not (tmp_path / "gridwright.db").exists()


def test_a_database_here_is_taken_as_ever_and_one_beside_is_told(tmp_path: Path, run: Run) -> None:
    code, err = run("user list")
    assert code == 0
    assert "./gridwright.db is made" in err
    assert "database" not in run("user list")[1]
    (tmp_path / "town").mkdir()
    open_store(tmp_path / "town" / "gridwright.db").close()
    code, err = run("user list")
    assert code == 0
    assert "this is ./gridwright.db; town too holds a database" in err
    assert "database" not in run("--data . user list")[1]


def test_what_opens_no_database_asks_for_none(tmp_path: Path, run: Run) -> None:
    (tmp_path / "town").mkdir()
    open_store(tmp_path / "town" / "gridwright.db").close()
    (tmp_path / "day.csv").write_text("meter,start,kWh\nA,2025-03-01T00:00:00Z,1\nA,2025-03-01T00:15:00Z,2\n")
    code, err = run("validate day.csv")
    assert code in {0, 1}
    assert "database" not in err
    assert not (tmp_path / "gridwright.db").exists()


def test_one_that_is_wanted_here_is_made_beside_another(tmp_path: Path, run: Run) -> None:
    (tmp_path / "town").mkdir()
    open_store(tmp_path / "town" / "gridwright.db").close()
    code, err = run("--data . user add ann --role viewer")
    assert (code, "gridwright --data . key create ann" in err) == (0, True)
    assert (tmp_path / "gridwright.db").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("key create ann --data town", "gridwright --data … key create ann"),
        ("user list --config=x.toml", "gridwright --config … user list"),
    ],
)
def test_an_option_behind_the_command_is_told_its_place(run: Run, words: str, told: str) -> None:
    code, err = run(words)
    assert code == 2
    assert f"it stands before the command: {told}" in " ".join(err.split())


# --- a dry run --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", ["", "--data new ", "--data old "])
def test_a_dry_run_leaves_nothing_and_does_not_say_that_it_makes_a_database(
    tmp_path: Path, run: Run, data: str
) -> None:
    (tmp_path / "old").mkdir()
    (tmp_path / "day.csv").write_text("meter,start,kWh\nA,2025-03-01T00:00:00Z,1\nA,2025-03-01T00:15:00Z,2\n")
    code, err = run(f"{data}reading import day.csv --dry-run")
    assert (code, "a dry run makes none" in err, "made" in err) == (0, True, False)
    assert "Would be stored" in err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["day.csv", "old"]
    code, err = run(f"{data}reading import day.csv --dry-run --validate")
    assert (code, "database" in err) == (2, False)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["day.csv", "old"]


def test_a_dry_run_takes_the_database_that_is_there_and_asks_for_one_beside(tmp_path: Path, run: Run) -> None:
    (tmp_path / "day.csv").write_text("meter,start,kWh\nA,2025-03-01T00:00:00Z,1\nA,2025-03-01T00:15:00Z,2\n")
    assert run("--data town reading import day.csv")[0] == 0
    code, err = run("--data town reading import day.csv --dry-run")
    assert (code, "imported before" in err, "makes none" in err) == (0, True, False)
    code, err = run("reading import day.csv --dry-run")
    assert (code, "there is no database here, but in town" in err) == (1, True)
    assert not (tmp_path / "gridwright.db").exists()
