"""What starting costs: a call brings what it needs, and of the commands those alone that were typed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.command_line import commands

CALL = "import sys; sys.argv = {argv!r}; from gridwright.cli import main; main()"
KEEP = "import gridwright.store, gridwright.api.server"
HEAVY = {"numpy", "sqlalchemy", "pyarrow", "fastapi", "pydantic_settings", "rich"}


def brought(program: str, heavy: set[str]) -> set[str]:
    """Return which of some modules a program brings in."""
    told = f"import atexit, sys\natexit.register(lambda: print(*({heavy!r} & sys.modules.keys()), file=sys.stderr))\n"
    done = subprocess.run([sys.executable, "-c", told + program], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["serve", "--help"]])
def test_words_alone_bring_neither_arrays_nor_a_database(words: list[str]) -> None:
    assert brought(CALL.format(argv=["gridwright", *words]), HEAVY) == set()


def test_a_server_with_a_file_brings_no_dialect_of_another_server() -> None:
    dialects = {"sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql"}
    assert brought(KEEP, dialects) == {"sqlalchemy.dialects.sqlite"}


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--help", "serve"], 0, "usage-point"),
        (["reading", "--help"], 0, "import"),
        (["serve", "reading"], 2, "unexpected extra argument"),
        (["reding"], 2, "Did you mean"),
        (["reding", "serve"], 2, "No such command"),
        (["--data", "serve", "reading", "nothing"], 2, "No such command"),
    ],
)
def test_the_commands_typed_are_there_and_help_shows_all(
    words: list[str], code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ended, out, err = commands(monkeypatch, capsys)(*words)
    assert ended == code
    assert told in out + err


def test_what_is_imported_is_hardly_searched_for_garbage() -> None:
    searched = (
        "import atexit, gc, sys; atexit.register(lambda: print(gc.get_stats()[2]['collections'], file=sys.stderr))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{searched}import gridwright.cli\n{KEEP}"], capture_output=True, check=True
    )
    assert int(done.stderr) <= 1


STARTED = """
import gc, importlib, os, sys
from gridwright.cli import main
command = importlib.import_module("gridwright.cli." + sys.argv[1])
def searched():
    return sum(each["collections"] for each in gc.get_stats())
def finish():
    print(gc.isenabled(), searched() - before, flush=True)
    os._exit(0)
command.finish = finish
before = searched()
main()
"""


@pytest.mark.parametrize(
    "words",
    [
        ["serve", "--data", "data", "--port", "0", "--no-worker", "--json"],
        ["edge", "run", "--to", "http://127.0.0.1:9", "--key", "k", "--listen", "127.0.0.1:0", "--json"],
    ],
)
def test_a_server_hardly_searches_for_garbage_until_it_runs(words: list[str], tmp_path: Path) -> None:
    command = [sys.executable, "-c", STARTED, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    enabled, searched = done.stdout.splitlines()[-1].split()
    assert enabled == "True"
    assert int(searched) <= 3  # the tree of commands is made before the command begins
