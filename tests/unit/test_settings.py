"""Settings: file, environment, origins, and errors that help."""

from pathlib import Path

import pytest

from gridwright.domain.errors import ConfigError
from gridwright.settings import load_settings


def a_file(folder: Path, text: str) -> Path:
    path = folder / "gridwright.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_need_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    loaded = load_settings()
    assert loaded.settings.store.url == "gridwright.db"
    assert {row.origin for row in loaded.rows()} == {"default"}


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = a_file(tmp_path, '[site]\nzone = "Europe/Berlin"\nholidays = "DE-BE"\n')
    monkeypatch.setenv("GRIDWRIGHT_SITE__ZONE", "Australia/Sydney")
    loaded = load_settings(path)
    assert (loaded.settings.site.zone, loaded.settings.site.holidays) == ("Australia/Sydney", "DE-BE")
    origins = {row.name: row.origin for row in loaded.rows()}
    assert origins["site.zone"] == "GRIDWRIGHT_SITE__ZONE"
    assert origins["site.holidays"] == str(path)
    assert origins["store.url"] == "default"


def test_the_file_here_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_file(tmp_path, '[log]\nlevel = "info"\n')
    monkeypatch.chdir(tmp_path)
    assert load_settings().settings.log.level == "info"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[site]\nzonee = "UTC"\n', r"unknown setting 'site.zonee' \(did you mean site.zone\?\)"),
        ("[sight]\nx = 1\n", "unknown setting 'sight.x'"),
        ('[site]\nzone = "Mars"\n', "unknown time zone 'Mars'"),
        ("[site]\ncapacity_kw = -1\n", r"site.capacity_kw = -1"),
        ("site = 3\n", "unknown setting 'site'"),
        ("[site\n", "not a TOML file"),
    ],
)
def test_a_bad_file_names_key_value_and_remedy(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_settings(a_file(tmp_path, text))


def test_an_unknown_variable_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_STORE__URLL", "x")
    with pytest.raises(ConfigError, match=r"GRIDWRIGHT_STORE__URLL.*did you mean GRIDWRIGHT_STORE__URL"):
        load_settings()


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="does not exist"):
        load_settings(tmp_path / "no.toml")


def test_a_password_in_the_address_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRIDWRIGHT_STORE__URL", "postgresql+psycopg://ann:secret@db/grid")
    settings = load_settings().settings
    assert settings.store.url.endswith("ann:secret@db/grid")
    assert "secret" not in repr(settings)


def test_a_bad_address_is_not_echoed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store.url = …") as told:
        load_settings(a_file(tmp_path, '[store]\nurl = ["postgresql://ann:secret@db/grid"]\n'))
    assert "secret" not in str(told.value)
