"""Keys of lines that say the same but for a name: a fleet's keys are cast in few moulds, and need not each be read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

NAME = re.compile(rb"[0-9A-Za-z_.:/-]+")  # a name that means itself wherever in a key it stands


class Mould(NamedTuple):
    """What stands before and after the name in keys that say the same, and the number of their words."""

    before: bytes
    after: bytes
    word: int

    def name(self, key: bytes) -> str | None:
        """Return whose a key of this mould is; None where it is of another, or has to be read."""
        if not (key.startswith(self.before) and key.endswith(self.after)):
            return None
        name = key[len(self.before) : len(key) - len(self.after)]
        return name.decode() if NAME.fullmatch(name) else None

    def keys(self, names: Iterable[str]) -> dict[bytes, str]:
        """Return the keys of this mould with their names, as far as these mean themselves."""
        written = ((name.encode(), name) for name in names)
        return {self.before + raw + self.after: name for raw, name in written if NAME.fullmatch(raw)}


def mould_of(key: bytes, name: str, word: int, point_tags: Sequence[str]) -> Mould | None:
    """Return the mould of a key that was read; None where another name there might mean more than itself."""
    signs = (b",%b=" % tag.encode() for tag in point_tags)
    sign = next((sign for sign in signs if sign in key), b"")
    before, _, rest = key.partition(sign) if sign else (b"", b"", b"")
    value = rest.partition(b",")[0]
    if value != name.encode() or not NAME.fullmatch(value) or sign in rest:
        return None
    return Mould(before + sign, rest[len(value) :], word)
