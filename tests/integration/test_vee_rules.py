"""Groups of rules from a file: shown resolved, named at `validate`, and in the settings."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gridwright.app.platform import open_platform
from gridwright.domain.errors import ConfigError
from gridwright.vee import packaged
from tests.integration.command_line import Run, commands

SOFT = """version = "3"
[[group]]
name = "residential"
extends = "residential"
[group.rules]
V10_missing = { severity = "info" }
"""


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    lines = [
        "start,kWh",
        *(f"2025-01-0{1 + slot // 48}T{slot % 48 // 2:02d}:{slot % 2 * 30:02d}Z,{v}" for slot, v in day()),
    ]
    (tmp_path / "meter.csv").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "vee.toml").write_text(SOFT, encoding="utf-8")

    return commands(monkeypatch, capsys)


def day() -> list[tuple[int, float]]:
    """Two days of half-hours, two of which are missing."""
    return [(slot, 0.2 + slot % 7 / 10) for slot in range(96) if slot not in {20, 21}]


def severities(out: str) -> list[str]:
    return [found["severity"] for found in json.loads(out) if found["code"] == "V10_missing"]


def test_the_packaged_groups_are_shown(run: Run) -> None:
    code, out, _ = run("vee", "rules", "--json")
    shown = json.loads(out)
    assert code == 0
    assert shown["digest"] == packaged().digest
    assert [group["name"] for group in shown["groups"]][:4] == ["edits", "estimates", "residential", "commercial"]
    assert shown["groups"][3]["rules"]["V33_high_low"]["form"] == "ratio"
    code, out, _ = run("vee", "rules")
    assert "ratio 1.8" in out


def test_a_file_goes_before_them(run: Run) -> None:
    shown = json.loads(run("vee", "rules", "vee.toml", "--json")[1])
    assert shown["version"] == "3"
    assert shown["groups"][0]["rules"]["V10_missing"]["severity"] == "info"
    point = ("meter.csv", "--point", "P", "--json")
    assert severities(run("validate", *point)[1]) == ["fail"]
    assert severities(run("validate", *point, "--rules", "vee.toml")[1]) == ["info"]


def test_the_settings_name_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "gridwright.toml").write_text('[vee]\nrules = "vee.toml"\n', encoding="utf-8")
    assert severities(run("validate", "meter.csv", "--point", "P", "--json")[1]) == ["info"]
    platform = open_platform(tmp_path / "gridwright.toml")
    assert platform.site.rules is not None
    assert platform.site.rules.version == "3"
    (tmp_path / "vee.toml").unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        platform.rule_book()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (SOFT.replace("V10_missing", "V10_missin"), "did you mean V10_missing?"),
        (SOFT.replace('"info"', '"inform"'), "did you mean info?"),
        (SOFT + "\xff", "TOML"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(run: Run, tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "vee.toml").write_text(text, encoding="utf-8")
    code, _, err = run("vee", "rules", "vee.toml")
    assert (code, words in err, "vee.toml" in err) == (2, True, True)
    (tmp_path / "vee.toml").write_bytes(b"version = \xff")
    assert "UTF-8" in run("vee", "rules", "vee.toml")[2]


def test_the_rules_that_were_in_force_are_shown(run: Run, tmp_path: Path) -> None:
    """Packaged, a file, the file changed under its old version, packaged again: nothing of it is lost."""
    assert run("usage-point", "list")[0] == 0
    assert "No rules were in force yet" in run("vee", "history")[2]
    settings, file = tmp_path / "gridwright.toml", tmp_path / "vee.toml"
    notes = []
    for rules in ("", SOFT, SOFT.replace("info", "warn"), ""):
        settings.write_text('[vee]\nrules = "vee.toml"\n' if rules else "", encoding="utf-8")
        file.write_text(rules or SOFT, encoding="utf-8")
        notes.append(json.loads(run("bill", "correct", "--json")[1])["notes"])
    assert [len(each) for each in notes] == [0, 0, 1, 0]
    assert 'version "3"' in notes[2][0]
    assert "give the changed file a new version" in notes[2][0]
    told = json.loads(run("vee", "history", "--json")[1])["rule_sets"]
    assert {each["by"] for each in told} == {"local"}
    assert (told[0]["changes"], bool(told[-1]["changes"])) == (None, True)
    packaged_, soft, changed, again = told
    assert packaged_["digest"] == again["digest"] == packaged().digest
    assert [each["version"] for each in told] == [packaged().version, "3", "3", packaged().version]
    assert [each["source"] for each in told] == ["", str(file), str(file), ""]
    assert [each["to"] for each in told] == [*(each["from"] for each in told[1:]), None]
    assert [bool(each["note"]) for each in told] == [False, True, True, False]
    code, out, err = run("vee", "history")
    assert (code, out.count(packaged().digest), str(file) in out, "note: " in err) == (0, 2, True, True)
    then = json.loads(run("vee", "history", "--at", soft["from"], "--json")[1])
    assert then["digest"] == soft["digest"]
    assert then["groups"][0]["rules"]["V10_missing"]["severity"] == "info"
    assert changed["digest"] != soft["digest"]
    code, _, err = run("vee", "history", "--at", "2001-01-01")
    assert (code, "no rules were in force" in err, "gridwright vee history" in err) == (1, True, True)


def test_who_judges_in_an_import_leaves_on_record_by_which_rules(run: Run, tmp_path: Path) -> None:
    """Otherwise nothing would tell by which attributes a group was chosen."""
    (tmp_path / "gridwright.toml").write_text('[vee]\nrules = "vee.toml"\n', encoding="utf-8")
    assert run("reading", "import", "meter.csv")[0] == 0
    assert json.loads(run("vee", "history", "--json")[1])["rule_sets"] == []
    assert run("reading", "import", "meter.csv", "--validate")[0] == 0
    (period,) = json.loads(run("vee", "history", "--json")[1])["rule_sets"]
    assert (period["version"], period["source"]) == ("3", str(tmp_path / "vee.toml"))
