"""`gridwright listen`: a folder named before its commands counts, and what cannot count there is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from gridwright.cli import context
from tests.integration.command_line import Run, commands

KEPT = (
    '{"at":"2026-11-30T15:56:09+00:00","topic":"a/b","bytes":3,"rejected":1,"ignored":0,"verdicts":[],"payload":"NTAx"}'
)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(context, "_named", {"config": None, "data": None})
    there = tmp_path / "town" / "listen" / "gridwright"
    there.mkdir(parents=True)
    (there / "rejected.jsonl").write_text(KEPT + "\n")
    return commands(monkeypatch, capsys)


@pytest.mark.parametrize(
    "words", [("listen", "--data", "town", "rejected"), ("listen", "rejected", "--data", "town")], ids=" ".join
)
def test_the_folder_counts_wherever_it_is_named(command: Run, words: tuple[str, ...]) -> None:
    code, out, _ = command(*words, "--json")
    assert code == 0
    assert '"payload": "501"' in out


def test_the_folder_of_the_group_is_that_of_its_status(command: Run) -> None:
    assert command("listen", "--data", "town", "status")[0] == 0
    assert context.named_options()[0] == "--data"


def test_json_before_a_command_is_refused(command: Run) -> None:
    code, out, err = command("listen", "--json", "status")
    assert code != 0
    assert "gridwright listen status --json" in out + err
