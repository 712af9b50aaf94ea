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
    assert json.loads(out) == {"meter": "M-1", "dials": 5, "lsb_wh": 1000, "turned_over": []}
