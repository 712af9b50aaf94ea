"""A usage point with daily register reads alone: what there is, why it is not billed, and what helps is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.integration.command_line import Run, commands

START = datetime(2026, 9, 1, tzinfo=UTC)
BILL = ("bill", "run", "--tariff", "residential-flat", "--period", "2026-09", "--usage-point", "C2")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Ten kWh a day, read at 60 midnights."""
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)
    rows = [f"C2,{START + timedelta(days=day):%Y-%m-%dT%H:%M}Z,{1000 + 10 * day}.0" for day in range(60)]
    (tmp_path / "daily.csv").write_text("\n".join(["meter,time,register_kwh", *rows, ""]))
    assert command("reading", "import", "daily.csv")[0] == 0
    return command


def test_a_billing_run_says_which_reads_there_are_and_what_helps(run: Run) -> None:
    code, _, told = run(*BILL)
    assert code == 1
    assert "no intervals, but 60 reads of its delivered register" in told
    assert "from 2026-09-01T00:00:00+00:00 to 2026-10-30T00:00:00+00:00" in told
    assert "reads at most an hour apart" in told
    assert "gridwright reading import" in told
    assert "--tariff" not in told


def test_the_usage_point_shows_its_registers(run: Run) -> None:
    assert "reads at most an hour apart" in run("usage-point", "show", "C2")[2]
    facts = json.loads(run("usage-point", "show", "C2", "--json")[1])
    assert facts["series"] == []
    (register,) = facts["registers"]
    assert register["reads"] == 60
    assert (register["from"], register["to"]) == ("2026-09-01T00:00:00+00:00", "2026-10-30T00:00:00+00:00")


def test_hourly_reads_are_billed(run: Run, tmp_path: Path) -> None:
    """240 reads, 239 hours of half a kWh between them: 119.5 kWh."""
    rows = [f"C2,{START + timedelta(hours=hour):%Y-%m-%dT%H:%M}Z,{1000 + hour / 2}" for hour in range(1, 241)]
    hourly = tmp_path / "hourly.csv"
    hourly.write_text("\n".join(["meter,time,register_kwh", *(row.replace("C2", "C3") for row in rows), ""]))
    assert run("reading", "import", "hourly.csv")[0] == 0
    code, out, told = run(*BILL[:-1], "C3", "--json")
    assert code == 0, told
    (bill,) = json.loads(out)["bills"]
    assert float(next(line for line in bill["lines"] if line["unit"] == "kWh")["quantity"]) == 119.5
    assert "register reads alone" not in run("usage-point", "show", "C3")[2]
