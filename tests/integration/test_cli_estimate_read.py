"""Registers that nobody read on a date, estimated on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.integration.command_line import commands

READS = "meter,at,register kWh\nM-1,2025-02-01T00:00:00Z,1000\nM-1,2025-02-11T00:00:00Z,1100\n"


def test_a_missed_read_is_estimated_until_it_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = commands(monkeypatch, capsys)
    (tmp_path / "hour.csv").write_text("usage_point,start,kWh\nA,2025-02-01T00:00:00Z,1\nA,2025-02-01T01:00:00Z,1\n")
    (tmp_path / "reads.csv").write_text(READS)
    assert command("reading", "import", "hour.csv")[0] == 0
    assert command("usage-point", "exchange", "A", "--serial", "M-1", "--at", "2025-01-01T00:00:00Z")[0] == 0
    assert command("reading", "import", "reads.csv", "--kind", "cumulative")[0] == 0
    ask = ("usage-point", "estimate-read", "--on", "2025-02-21")
    code, _, err = command(*ask)
    assert (code, "name usage points, or give --all-missing" in err) == (2, True)
    code, _, err = command("usage-point", "estimate-read", "A", "--on", "soon")
    assert (code, "--on: 'soon' is no date" in err) == (2, True)
    dry = json.loads(command(*ask, "--all-missing", "--dry-run", "--json")[1])
    assert [(one["usage_point"], one["kwh"], one["new"]) for one in dry["registers"]] == [("A", 1200.0, True)]
    code, *told = command(*ask, "--all-missing")
    out = "".join(told)
    assert (code, "1,200.000 kWh, an estimate (E09)." in out, "1 estimated, 0 as before, 0 not." in out) == (
        0,
        True,
        True,
    )
    assert "0 estimated, 1 as before, 0 not." in "".join(command(*ask, "A")[1:])
    assert ",S62,0,estimated:scalar," in command("reading", "export", "A", "--format", "nem13")[1]
    (tmp_path / "late.csv").write_text(
        "meter,at,register kWh\nM-1,2025-02-21T00:00:00Z,1190\nM-1,2025-02-22T00:00:00Z,1200\n"
    )
    assert command("reading", "import", "late.csv", "--kind", "cumulative")[0] == 0
    assert "S62" not in command("reading", "export", "A", "--format", "nem13")[1]
    assert "it was read on that day" in "".join(command(*ask, "A")[1:])
