"""What the command line says it did is what it did: cut ids, drafts that are kept, bills looked at again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gridwright.app import Platform
from gridwright.domain.access import LOCAL_OWNER
from gridwright.domain.usage_point import UsagePoint
from gridwright.settings import load_settings
from tests.integration.command_line import Run, commands

CARD = """
[tariff]
id = "flat"
version = 1
currency = "EUR"

[[charges]]
id = "energy"
price = { rate = 0.30 }
"""
START = datetime(2025, 3, 1, tzinfo=UTC)


def days(home: str, kwh: float, count: int = 31) -> list[str]:
    hours = (START + timedelta(hours=hour) for hour in range(24 * count))
    return [f"{home},{at:%Y-%m-%dT%H:%M:%SZ},{kwh + at.hour / 100:.2f}" for at in hours]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)

    command = commands(monkeypatch, capsys)

    lines = ["meter,start,kWh", *days("H-1", 0.5), *days("H-2", 0.7)]
    (tmp_path / "march.csv").write_text("\n".join(lines) + "\n")
    assert command("reading", "import", "march.csv", "--validate")[0] == 0
    return command


def test_the_beginning_of_an_edit_s_id_is_enough(run: Run) -> None:
    made = []
    for day in (3, 4):
        words = ("--period", f"2025-03-0{day}", "--total", "60", "--reason", "read on site", "--json")
        code, out, err = run("edit", "propose", "H-1", *words)
        assert code == 0, err
        made.append(json.loads(out)["id"])
    assert json.loads(run("edit", "show", made[0], "--json")[1])["id"] == made[0]
    length = next(at for at in range(3, 30) if made[0][:at] != made[1][:at])
    assert json.loads(run("edit", "show", made[1][:length], "--json")[1])["id"] == made[1]
    code, _, err = run("edit", "show", made[0][: length - 1])
    assert code == 1
    assert all(each in err for each in made)
    code, _, err = run("edit", "withdraw", made[0][:-1] + "z", "--reason", "never mind")
    assert code == 1
    assert "does not exist" in err
    assert made[0] in err
    assert json.loads(run("edit", "withdraw", made[0][:length], "--reason", "misread", "--json")[1])["id"] == made[0]


def test_who_made_approved_and_withdrew_an_edit_is_told_with_the_time(run: Run) -> None:
    words = ("edit", "propose", "H-1", "--period", "2025-03-03", "--reason", "read on site", "--total", "16", "--json")
    made = json.loads(run(*words)[1])
    assert (made["approved_by"], made["withdrawn_by"]) == (made["author"], None)
    run("edit", "withdraw", made["id"], "--reason", "misread")
    (told,) = json.loads(run("edit", "list", "--json")[1])["edits"]
    assert (told["approved_by"], told["approved"]) == (made["author"], made["approved"])
    assert (told["withdrawn_by"], told["withdrawn"]) == (made["author"], told["decided"])
    for shown in (run("edit", "list")[1], run("edit", "show", made["id"])[2]):
        assert shown.count(f"{made['author']}, 20") == 3


def test_a_dry_run_of_an_edit_says_so_and_whether_it_would_count(run: Run) -> None:
    words = ("edit", "propose", "H-1", "--period", "2025-03-03", "--reason", "read on site", "--dry-run")
    for total, said in (("16", "It would count at once."), ("60", "It would wait for a second person: it moves more")):
        code, out, err = run(*words, "--total", total)
        assert code == 0, err
        assert said in out + err
        assert "Dry run: nothing was recorded." in out + err
        assert "It is proposed" not in out + err
        told = json.loads(run(*words, "--total", total, "--json")[1])
        assert (told["dry_run"], told["counts_at_once"]) == (True, total == "16")
    assert json.loads(run("edit", "list", "--json")[1])["edits"] == []


def test_civil_time_that_comes_twice_or_never_is_not_edited_unasked(run: Run) -> None:
    platform = Platform(load_settings(None).settings)
    platform.store.registry.save_points(LOCAL_OWNER, [UsagePoint("H-1", "Europe/Berlin")])
    platform.close()
    words = ("edit", "propose", "H-1", "--total", "1", "--reason", "read on site", "--dry-run", "--period")
    for period, said in (
        ("2025-03-30T02:30/2025-03-30T03:30", "2025-03-30T02:30 comes never in Europe/Berlin"),
        ("2025-03-29T02:20/2025-03-29T03:00", "2025-03-29T02:20:00+01:00/2025-03-29T03:00:00+01:00 does not begin"),
    ):
        code, out, err = run(*words, period)
        assert code != 0
        assert said in out + err


def test_drafts_of_the_example_rate_are_not_told_as_kept(run: Run) -> None:
    _, _, err = run("bill", "run", "--period", "2025-03")
    assert "none is kept" in err
    assert "Drafts kept" not in err


def test_bills_that_stay_are_told_apart_from_those_made_anew(run: Run, tmp_path: Path) -> None:
    (tmp_path / "rate_cards").mkdir()
    (tmp_path / "rate_cards" / "flat.toml").write_text(CARD)
    code, _, err = run("bill", "run", "--period", "2025-03", "--tariff", "flat")
    assert code == 0, err
    assert "Drafts kept: 2 new, 0 as before." in err
    # Other readings of H-2; those of H-1 come once more, and say the same: its bill is left alone.
    lines = ["meter,start,kWh", *days("H-1", 0.5, 2), *days("H-2", 0.9, 1)]
    (tmp_path / "again.csv").write_text("\n".join(lines) + "\n")
    assert run("reading", "import", "again.csv")[0] == 0
    _, _, err = run("bill", "correct")
    assert "1 bills looked at again: 1 drafts made anew, 0 corrections new, 0 as before." in err
