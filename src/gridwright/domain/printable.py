"""Texts of strangers as they may reach a terminal."""

from __future__ import annotations

import re

# What steers a terminal instead of showing: control characters, halves of a character, changes of writing direction.
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Return a text as it may reach a terminal: names and values come from files, and may hold its commands.

    They are written as JSON writes them, so that a JSON document stays one.
    """
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
