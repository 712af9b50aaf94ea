"""The dials of a meter, told on the command line: a register that fell goes on, and what cannot be is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.command_line import commands


def test_the_remedy_that_a_finding_names_lets_the_register_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)
    rows = [("2025-03-01", 99_990), ("2025-03-02", 20), ("2025-03-03", 40)]
    (tmp_path / "reads.csv").write_text(
        "meter_id,time,meter_reading_kwh\n" + "".join(f"A,{day}T00:00:00Z,{value}\n" for day, value in rows)
    )
    assert command("reading", "import", "reads.csv", "--kind", "cumulative")[0] == 0
    code, out, err = command("usage-point", "dials", "A", "--dials", "5", "--lsb-wh", "1000")
    assert (code, "no meter hangs at A" in out + err) == (1, True)
    exchange = ("usage-point", "exchange", "A", "--serial", "M-1", "--at", "2025-02-01T00:00:00Z")
    code, _, err = command(*exchange)
    assert code == 0, err
    assert command("bill", "correct")[0] == 0
    _, out, _ = command("finding", "list", "--json")
    (told,) = (one["message"] for one in json.loads(out)["findings"] if one["code"] == "V32_register")
    assert told.endswith("gridwright usage-point dials A --dials 5 --lsb-wh 1000")
    code, out, err = command("usage-point", "dials", "A", "--dials", "5")
    assert (code, "5 dials of 1 Wh turn over after 100 kWh" in out + err) == (1, True)
    remedy = told.partition("gridwright ")[2].split()
    code, out, err = command(*remedy, "--serial", "M-1")
    assert (code, "It turned over before 2025-03-02T00:00:00+00:00" in out + err) == (0, True)
    code, out, _ = command(*remedy, "--json")
    assert json.loads(out) == {"meter": "M-1", "dials": 5, "lsb_wh": 1000, "turned_over": [], "reset": []}


def test_a_rollover_in_the_first_file_is_one_and_follows_what_is_told_of_the_meter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same reads give the same energy where the usage point is new, is known, and gets its meter on record."""
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)
    stamps = [f"2025-03-{1 + hour // 24:02}T{hour % 24:02}:00:00Z" for hour in range(97)]
    rows = [f"A,{at},{(99_950 + hour * 0.803) % 100_000:.3f}" for hour, at in enumerate(stamps)]
    (tmp_path / "reads.csv").write_text("\n".join(["meter_id,time,meter_reading_kwh", *rows, ""]))

    def judged() -> tuple[float, list[str]]:
        assert command("bill", "correct")[0] == 0
        days = json.loads(command("usage-point", "totals", "A", "--json")[1])
        told = json.loads(command("finding", "list", "--json")[1])["findings"]
        found = [one["message"] for one in told if one["code"] == "V32_register"]
        return round(sum(day["kwh"] for day in days), 3), found

    alone = json.loads(command("validate", "reads.csv", "--kind", "cumulative", "--json")[1])
    assert [one["message"][:38] for one in alone if one["code"] == "V32_register"] == [
        "register rolled over after 8 digits; 0"
    ]
    assert "V10_missing" not in {one["code"] for one in alone}
    assert command("reading", "import", "reads.csv", "--kind", "cumulative")[0] == 0
    kwh, (message,) = judged()
    assert (kwh, message.startswith("register rolled over after 8 digits; 0.803 kWh counted; nobody")) == (
        77.088,
        True,
    ), message
    assert command("usage-point", "exchange", "A", "--serial", "M-1", "--at", "2025-03-01T00:00:00Z")[0] == 0
    assert judged() == (77.088, [message])
    dials = ("usage-point", "dials", "A", "--lsb-wh", "1000", "--dials")
    code, _, err = command(*dials, "7")
    assert (code, "which turn over after 10,000,000 kWh" in err) == (0, True)
    assert "It did not turn over before 2025-03-03T15:00:00+00:00; its register begins anew there." in err
    assert any("began anew" in text for text in judged()[1])
    assert command("reading", "export", "A", "-o", "apart.csv")[0] == 0
    assert ",2025-03-03T14:00:00+00:00,2025-03-03T15:00:00" not in (tmp_path / "apart.csv").read_text()
    assert "It turned over before 2025-03-03T15:00:00+00:00" in command(*dials, "5")[2]
    kwh, (message,) = judged()
    assert (kwh, message) == (77.088, "register rolled over after 5 digits; 0.803 kWh counted")
    assert command("verify")[0] == 0


def test_reads_by_usage_point_alone_are_the_new_meters_once_its_exchange_is_booked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exchange that is booked late has what came since counted by the new meter, to the watt-hour."""
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)

    def kwh() -> float:
        assert command("bill", "correct")[0] == 0
        return round(sum(day["kwh"] or 0 for day in json.loads(command("usage-point", "totals", "A", "--json")[1])), 3)

    for name, first, begin in (("old", 0, 400.0), ("new", 24, 7.0)):
        hours = range(first, first + 25)
        rows = [f"A,2025-03-0{1 + at // 24}T{at % 24:02}:00:00Z,{begin + (at - first) * 0.807:.3f}" for at in hours]
        (tmp_path / f"{name}.csv").write_text("\n".join(["usage_point,time,register_kwh", *rows, ""]))
    assert command("reading", "import", "old.csv")[0] == 0
    exchange = ("usage-point", "exchange", "A", "--serial")
    assert command(*exchange, "M-1", "--at", "2025-03-01T00:00:00Z")[0] == 0
    lines = (tmp_path / "new.csv").read_text().splitlines()
    (tmp_path / "late.csv").write_text("\n".join([lines[0], *lines[2:], ""]))
    assert command("reading", "import", "late.csv")[0] == 0
    reads = ("--at", "2025-03-02T00:00:00Z", "--final", "419.368", "--opening", "7")
    code, _, err = command(*exchange, "M-2", *reads)
    assert (code, "24 reads that named the usage point alone are of meter M-2 now" in err) == (0, True), err
    assert kwh() == 38.736
    assert "Stored: 0 new, 0 changed, 24 as before" in command("reading", "import", "late.csv")[2]
    assert kwh() == 38.736
