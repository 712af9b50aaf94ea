"""The command line in the test's own process: words in, and code, stdout and stderr out."""

from __future__ import annotations

import sys
from collections.abc import Callable

import pytest

from gridwright.cli import main

Run = Callable[..., tuple[int, str, str]]


def commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command."""

    def command(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["gridwright", *map(str, words)])
        code: int | str | None = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        out, err = capsys.readouterr()
        return int(code or 0), out, err

    return command
