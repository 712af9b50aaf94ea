"""Numbers as people write them, on the command line or in a field of a page."""

from __future__ import annotations

import re
from decimal import Decimal

from gridwright.domain.errors import InputError

WRITTEN = re.compile(r"[+-]?(?:[0-9]{1,12}(?:[.,][0-9]{0,12})?|[.,][0-9]{1,12})")
SHOWN = 60


def is_plain(text: str) -> bool:
    """Tell whether a text has nothing that only Python takes in a number: `1_000`, or digits of other scripts."""
    return text.isascii() and "_" not in text


def read_number(text: str, where: str, *, unit: str = "kWh", signed: bool = False) -> Decimal | None:
    """Return a number with a decimal point or comma, None for no text; what is none, or too long, is InputError.

    `signed`: it may be below zero.
    """
    plain = text.strip()
    if not plain:
        return None
    if WRITTEN.fullmatch(plain) is None or (plain.startswith("-") and not signed):
        shown = plain if len(plain) <= SHOWN else f"{plain[:SHOWN]}…"
        what = f"{shown!r} is no number of {unit}" if unit else f"{shown!r} is no number"
        raise InputError(what, where=where, remedy="write it like 12345.678")
    return Decimal(plain.replace(",", "."))
