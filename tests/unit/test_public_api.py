"""The public face: what `gridwright` exports exists, is documented, and costs nothing before it is used."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import gridwright

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "reference" / "python.md"
HEAVY = (
    "alembic",
    "highspy",
    "holidays",
    "jinja2",
    "pyarrow",
    "pydantic",
    "pysqlite3",
    "rich",
    "sqlalchemy",
    "structlog",
    "typer",
    "typst",
)


def test_there_is_a_public_face() -> None:
    assert {"open", "Panel", "UsagePoint", "Finding", "GridwrightError"} <= set(gridwright.__all__)


def test_names_are_sorted_and_said_once() -> None:
    names = list(gridwright.__all__)
    assert names == sorted(set(names))


@pytest.mark.parametrize("name", gridwright.__all__)
def test_each_name_can_be_imported(name: str) -> None:
    assert getattr(gridwright, name) is not None
    assert name in dir(gridwright)


@pytest.mark.parametrize("name", gridwright.__all__)
def test_each_name_is_documented(name: str) -> None:
    assert re.search(rf"^#+ .*`{re.escape(name)}\b", PAGE.read_text(encoding="utf-8"), re.MULTILINE), (
        f"docs/reference/python.md needs a heading that holds `{name}`"
    )


def members_of(name: str) -> set[str]:
    """List the fields, properties, methods and enum members that a public class adds."""
    value = getattr(gridwright, name)
    if not inspect.isclass(value):
        return set()
    slots = set(getattr(value, "__annotations__", ())) | set(vars(value))
    return {member for member in slots if not member.startswith("_")}


@pytest.mark.parametrize("name", gridwright.__all__)
def test_each_member_is_documented(name: str) -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = re.split(rf"^#+ .*`{re.escape(name)}\b.*$", text, maxsplit=1, flags=re.MULTILINE)[-1]
    section = re.split(r"^#", section, maxsplit=1, flags=re.MULTILINE)[0]
    assert [one for one in sorted(members_of(name)) if not re.search(rf"`{one}\b", section)] == []


def imported_names() -> set[str]:
    """List the public names that `__init__.py` imports, for type checkers or for good."""
    tree = ast.parse((ROOT / "src" / "gridwright" / "__init__.py").read_text(encoding="utf-8"))
    ours = [
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gridwright")
        for alias in node.names
    ]
    return {name for name in ours if not name.startswith("_")}


def test_nothing_public_is_left_out() -> None:
    assert imported_names() - set(gridwright.__all__) == set()


def test_a_wrong_name_is_an_attribute_error() -> None:
    assert not hasattr(gridwright, "no_such_name")


def test_import_loads_nothing_heavy() -> None:
    code = f"import sys, gridwright; print(*sorted(set(sys.modules) & {set(HEAVY)}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
