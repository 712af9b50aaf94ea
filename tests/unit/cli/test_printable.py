"""What comes from files and people reaches a terminal as text, never as its commands."""

from __future__ import annotations

import json

import pytest
import structlog

from gridwright.cli.output import print_error, print_json, print_table, say, tell
from gridwright.domain.errors import InputError
from gridwright.domain.printable import printable
from gridwright.telemetry import configure_log

BELL = "B\x1b[31mell\x07\u202e\x9b\ud800"
SHOWN = r"B\u001b[31mell\u0007\u202e\u009b\ud800"


def test_a_name_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    tell(BELL)
    say(BELL)
    print_error(InputError(BELL, where=BELL, remedy=BELL), as_json=False)
    out, told = capsys.readouterr()
    assert out == SHOWN + "\n"
    assert told == f"{SHOWN}\nError: {SHOWN}: {SHOWN}\n  What helps: {SHOWN}\n"


def test_a_cell_stays_one_cell(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("usage point", "zone"), [("a\tb\nc", BELL)])
    assert capsys.readouterr().out == f"usage point\tzone\na\\u0009b\\u000ac\t{SHOWN}\n"


def test_a_terminal_shows_what_looks_like_markup(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    print_table(("usage point",), [("[red]H-1[/red]",), (BELL,)])
    out = capsys.readouterr().out
    assert "[red]H-1[/red]" in out
    assert "ell\x07" not in out


def test_json_stays_json_and_means_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"id": BELL, "text": "Zähler\n\t9"})
    out = capsys.readouterr().out
    assert printable(out.rstrip("\n")) == out.rstrip("\n")
    assert json.loads(out) == {"id": BELL, "text": "Zähler\n\t9"}


@pytest.mark.parametrize("json_lines", [False, True])
def test_a_log_line_does_not_steer_it_either(capsys: pytest.CaptureFixture[str], json_lines: bool) -> None:
    """A topic of MQTT, which a stranger chose."""
    configure_log("warning", json_lines=json_lines)
    structlog.get_logger().warning("mqtt verdict", topic="reva/\u202e\x1b[31m/x", line=1)
    told = capsys.readouterr().err
    assert "\u202e" not in told
    assert "\x1b" not in told
    assert "\\u202e" in told
