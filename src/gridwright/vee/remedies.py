"""What helps against a doubt, by the code of the rule that has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from gridwright.domain.errors import InputError
from gridwright.vee.strict import advice


def what_to_do(code: str) -> str:
    """Say what to do about a finding; empty for a code of which nothing is told."""
    return _told().get(code, "")


def check_code(code: str) -> None:
    """Refuse a code that no rule has as an InputError: misspelt, it would be answered as if nothing were in doubt."""
    if code not in _told():
        raise InputError(f"no finding has the code {code!r}", remedy=advice(code, _told()))


@cache
def _told() -> Mapping[str, str]:
    return tomllib.loads(files("gridwright.vee").joinpath("remedies.toml").read_text(encoding="utf-8"))
