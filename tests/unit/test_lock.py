"""The lock: every declared dependency pinned, with hashes, and no word of where it came from."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# A pin, an optional marker, and the lines of hashes that follow.
PIN = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>\S+)(?P<rest>.*(?:\n    --hash=.*)*)", re.MULTILINE)


def declared() -> list[Requirement]:
    """List what pyproject.toml asks for, extras and development tools included."""
    project = PROJECT["project"]
    extras = [text for group in project["optional-dependencies"].values() for text in group]
    stated = [*project["dependencies"], *extras, *PROJECT["dependency-groups"]["dev"]]
    return [item for item in map(Requirement, stated) if item.name != "gridwright"]


def pinned(name: str) -> list[str]:
    """List the versions pinned for a distribution, one for each range of Python that needs its own."""
    return [pin["version"] for pin in PIN.finditer(LOCK) if canonicalize_name(pin["name"]) == canonicalize_name(name)]


@pytest.mark.parametrize("wanted", declared(), ids=lambda wanted: wanted.name)
def test_each_dependency_is_pinned_as_declared(wanted: Requirement) -> None:
    versions = pinned(wanted.name)
    assert versions
    assert [version for version in versions if version not in wanted.specifier] == []


def test_each_pin_has_a_hash() -> None:
    pins = list(PIN.finditer(LOCK))
    assert len(pins) > len(declared())
    assert [pin["name"] for pin in pins if "--hash=sha256:" not in pin["rest"]] == []


def test_no_registry_is_named() -> None:
    assert not re.search(r"://|--(extra-)?index|--find-links|\bfile:", LOCK)


def test_the_lgpl_stays_optional() -> None:
    core = {Requirement(text).name for text in PROJECT["project"]["dependencies"]}
    assert "psycopg" not in core
