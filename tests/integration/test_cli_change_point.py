"""What is known of usage points is changed on the command line, and chooses the rules that judge them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.command_line import Run, commands

CHANGE = ("usage-point", "change")
# Half an hour of ten, and nine hours of nothing on one day: a spike and zeros for a shop, neither for a home.
SHOP = [[1.0] * 48 for _ in range(10)]
SHOP[7][20], SHOP[8][10:28] = 10.0, [0.0] * 18
ROWS = [
    f"{name},2025-03-{3 + day:02d}T{slot // 2:02d}:{slot % 2 * 30:02d}:00Z,{kwh + slot % 7 / 100 if kwh else 0}"
    for name in ("A", "B")
    for day, several in enumerate(SHOP)
    for slot, kwh in enumerate(several)
]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)
    (tmp_path / "shop.csv").write_text("\n".join(["usage_point,start,kWh", *ROWS]))
    assert command("reading", "import", "shop.csv", "--validate")[0] == 0
    return command


def doubts(run: Run, point: str) -> dict[str, str]:
    found = json.loads(run("finding", "list", "--usage-point", point, "--json")[1])["findings"]
    return {each["code"]: each["severity"] for each in found}


def test_the_class_chooses_the_rules(run: Run) -> None:
    assert "V18_spike" not in doubts(run, "A")
    code, _, err = run(*CHANGE, "A", "--class", "commercial", "--dry-run")
    assert (code, "A: customer_class residential -> commercial." in err, "nothing was recorded" in err) == (
        0,
        True,
        True,
    )
    run("bill", "correct")
    assert "V18_spike" not in doubts(run, "A")
    assert run(*CHANGE, "A", "--class", "commercial")[0] == 0
    run("bill", "correct")
    assert {"V18_spike": "fail", "V16_zero_run": "warn"}.items() <= doubts(run, "A").items()
    assert "V18_spike" not in doubts(run, "B")


def test_what_rules_read_is_told_and_taken_away(run: Run) -> None:
    said = ("--attribute", "base_load_kw=0.1", "--attribute", "feeder=F1", "--capacity-kw", "12.5", "--exports")
    told = json.loads(run(*CHANGE, "A", "B", *said, "--json")[1])
    assert [each["usage_point"] for each in told["usage_points"]] == ["A", "B"]
    assert told["usage_points"][0]["capacity_kw"] == {"before": None, "after": 12.5}
    run("bill", "correct")
    assert doubts(run, "A")["V13_low_limit"] == "warn"
    assert run(*CHANGE, "A", "--attribute", "base_load_kw=", "--capacity-kw", "unknown", "--no-exports")[0] == 0
    run("bill", "correct")
    assert "V13_low_limit" not in doubts(run, "A")
    shown = json.loads(run("usage-point", "show", "A", "--json")[1])
    assert (shown["attributes"], shown["capacity_kw"], shown["exports"]) == ({"feeder": "F1"}, None, False)
    code, _, err = run(*CHANGE, "A", "--no-exports")
    assert (code, "A: as before." in err) == (0, True)


def test_a_voltage_is_held_against_its_nominal_one(run: Run, tmp_path: Path) -> None:
    rows = [f"S,2025-03-03T{slot // 4:02d}:{slot % 4 * 15:02d}:00Z,{230 + slot % 7 / 10}" for slot in range(96)]
    rows[50] = "S,2025-03-03T12:30:00Z,2300"
    (tmp_path / "volts.csv").write_text("\n".join(["usage_point,start,voltage_V", *rows]))
    assert run("reading", "import", "volts.csv", "--validate")[0] == 0
    assert "V13_limit" not in doubts(run, "S")
    assert run(*CHANGE, "S", "--attribute", "nominal_v=230")[0] == 0
    run("bill", "correct")
    assert doubts(run, "S")["V13_limit"] == "fail"


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        (("--class", "comercial"), 1, "'comercial' is no customer class"),
        (("--zone", "Europe/Berln"), 1, "unknown time zone 'Europe/Berln'"),
        (("--holidays", "XX-YY"), 1, "holidays 'XX-YY' is no known set"),
        (("--capacity-kw", "0"), 2, "'0' is no rating"),
        (("--capacity-kw", "-3"), 1, "'-3' is no number of kW"),
        (("--attribute", "base_load_kw"), 2, "'base_load_kw' is no NAME=VALUE"),
        (("--attribute", "=0.2"), 2, "'=0.2' is no NAME=VALUE"),
        (("--attribute", f"note={'x' * 2001}"), 2, "is no NAME=VALUE"),
        ((), 2, "nothing is to change"),
    ],
)
def test_what_cannot_be_is_refused(run: Run, said: tuple[str, ...], code: int, words: str) -> None:
    ended, _, err = run(*CHANGE, "A", *said)
    assert (ended, words in err) == (code, True), err


def test_one_unknown_usage_point_costs_all(run: Run) -> None:
    code, _, err = run(*CHANGE, "A", "C", "--class", "commercial")
    assert (code, "usage point 'C' is not registered" in err) == (1, True)
    assert json.loads(run("usage-point", "show", "A", "--json")[1])["customer_class"] == "residential"
