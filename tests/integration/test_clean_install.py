"""The core works with its own dependencies alone: no extras, no development tools."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

if TYPE_CHECKING:
    from pathlib import Path

# A finder that comes first and refuses what a clean installation would not have.
HIDE = """
import sys
hidden = set({hidden!r})
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Refuse())
sys.argv = {argv!r}
from gridwright.cli import main
main()
"""


def needs(distribution: str, extra: str = "") -> set[tuple[str, str]]:
    """List what a distribution needs on this machine, as (name, extra)."""
    try:
        stated = [Requirement(text) for text in requires(distribution) or []]
    except PackageNotFoundError:
        return set()
    wanted = [item for item in stated if item.marker is None or item.marker.evaluate({"extra": extra})]
    return {(canonicalize_name(item.name), name) for item in wanted for name in ("", *item.extras)}


def core() -> set[str]:
    """List the distributions that `pip install gridwright` brings."""
    found, fresh = set(), {("gridwright", "")}
    while fresh:
        found |= fresh
        fresh = set().union(*(needs(*item) for item in fresh)) - found
    return {name for name, _ in found}


def hidden_modules() -> list[str]:
    """List the modules that only extras and development tools bring."""
    present = core()
    return sorted(
        module
        for module, owners in packages_distributions().items()
        if not any(canonicalize_name(owner) in present for owner in owners)
    )


def clean(*argv: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as in a clean installation."""
    code = HIDE.format(hidden=hidden_modules(), argv=["gridwright", *argv])
    return subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)


def test_extras_and_tools_are_hidden() -> None:
    hidden = hidden_modules()
    assert {"psycopg", "pymysql", "pytest", "uv"} <= set(hidden)
    assert not {"numpy", "sqlalchemy", "typer", "gridwright"} & set(hidden)


@pytest.mark.parametrize("argv", [["--help"], ["doctor", "--json"]])
def test_the_command_line_runs(argv: list[str], tmp_path: Path) -> None:
    done = clean(*argv, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


def test_the_main_job_runs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gridwright.simulate.demo_file", str(tmp_path)]
    subprocess.run(command, check=True, capture_output=True)
    done = clean("report", "town.csv", "--out", "out", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "out").glob("*.html"))
