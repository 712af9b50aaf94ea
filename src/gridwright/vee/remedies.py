"""What helps against a doubt, by the code of the rule that has it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files


def what_to_do(code: str) -> str:
    """Say what to do about a finding; empty for a code of which nothing is told."""
    return _told().get(code, "")


@cache
def _told() -> Mapping[str, str]:
    return tomllib.loads(files("gridwright.vee").joinpath("remedies.toml").read_text(encoding="utf-8"))
