"""A program that is forked is one of its own in all that a test relies on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.quick_processes import LONG, Process, run

TELLS = "import os, sys; print(os.getcwd(), os.environ.get('TOLD'), sys.argv, __name__, os.getppid())"
forked = pytest.mark.skipif(sys.platform != "linux" or LONG, reason="every program starts from nothing")


def test_it_is_a_child_of_the_test_with_its_own_folder_environment_and_words(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", TELLS, "a", "b c"], cwd=tmp_path, env=os.environ | {"TOLD": "yes"})
    assert done.stdout == f"{tmp_path} yes ['-c', 'a', 'b c'] __main__ {os.getpid()}\n"
    assert (done.returncode, done.stderr) == (0, "")
    assert "TOLD" not in os.environ


@pytest.mark.parametrize(
    ("program", "code", "said"),
    [
        ("raise SystemExit(7)", 7, ""),
        ("raise SystemExit('it says why')", 1, "it says why\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero\n"),
        ("import os; os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
        ("import os, signal; os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT, "KeyboardInterrupt\n"),
        ("import atexit, sys; atexit.register(lambda: sys.stderr.write('at the end'))", 0, "at the end"),
    ],
)
def test_it_ends_as_any_program(program: str, code: int, said: str) -> None:
    done = run([sys.executable, "-c", program])
    assert done.returncode == code
    assert done.stderr.endswith(said)


def test_it_has_its_pipes_and_nothing_else_of_ours() -> None:
    program = "import os, sys; print(sorted(map(int, os.listdir('/proc/self/fd')))[:4], sys.stdin.read())"
    with Process([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.communicate("told")[0] == "[0, 1, 2, 3] told\n"


@forked
def test_it_has_all_of_gridwright_unless_its_interpreter_is_asked_something_unusual() -> None:
    look = [
        sys.executable,
        "-c",
        "import sys; print('gridwright.api.app' in sys.modules, len(sys.argv))",
    ]
    assert run(look).stdout == "True 1\n"
    assert run(look, env=os.environ | {"PYTHONHASHSEED": "0"}).stdout == "False 1\n"


def test_a_module_runs_as_a_program() -> None:
    assert run([sys.executable, "-m", "gridwright", "--version"]).stdout.startswith("gridwright ")
