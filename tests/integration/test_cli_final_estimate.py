"""A meter that nobody could read goes: its final read is estimated, exported as such, and superseded by the read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.command_line import commands

READS = "meter,at,register kWh\nM-1,2025-02-01T00:00:00Z,1000\nM-1,2025-02-11T00:00:00Z,1100\n"
EXCHANGE = ("usage-point", "exchange", "A", "--serial", "M-2", "--at", "2025-02-11T12:00:00Z", "--opening", "0")


def test_the_final_read_is_estimated_until_it_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)
    (tmp_path / "hour.csv").write_text("usage_point,start,kWh\nA,2025-02-01T00:00:00Z,1\nA,2025-02-01T01:00:00Z,1\n")
    (tmp_path / "reads.csv").write_text(READS)
    assert command("reading", "import", "hour.csv")[0] == 0
    code, _, err = command(*EXCHANGE, "--final", "estimate")
    assert (code, "no meter hangs at A to have a final read" in err) == (1, True)
    assert command("usage-point", "exchange", "A", "--serial", "M-1", "--at", "2025-01-01T00:00:00Z")[0] == 0
    assert command("reading", "import", "reads.csv", "--kind", "cumulative")[0] == 0
    code, _, err = command(*EXCHANGE, "--final", "guess")
    assert (code, "--final: 'guess' is no number of kWh" in err) == (1, True)
    code, _, err = command(*EXCHANGE, "--final", "estimate")
    assert (code, "an estimate from its average daily use, 1,105.000 kWh" in err) == (0, True)
    told = command("reading", "export", "A", "--format", "nem13")[1]
    assert ",1105.000,20250211220000,S62,0,estimated:scalar,5.000,kWh" in told
    assert command(*EXCHANGE, "--final", "1106")[0] == 0
    told = command("reading", "export", "A", "--format", "nem13")[1]
    assert ",1106.000,20250211220000,A,0,raw,6.000,kWh" in told
