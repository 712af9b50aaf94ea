"""A JSON list with something broken in it, cut into its records so that none costs its neighbours.

A parser stops at the first fault, and after it nothing tells what is inside of a string. But records are objects, so a
brace behind a comma begins the next one; what looks like that inside of a record, in a string or a nested list, is
put together again where only together it can be read.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from gridwright.api.answer import Refused, refuse
from gridwright.api.ingest.listed import lists_more
from gridwright.api.ingest.verdicts import Fault

OPENS = re.compile(rb"(?:\A|(?<=,))\s*(?=\{)")
SPACE = re.compile(r"\s*")
JOINED = 4  # chunks that one record may look like
VAIN = 8  # times the text may be read in vain
DEEP = 10_000  # characters for what is nested too deep, or is a number of too many digits
ENDS = 8  # brackets that are tried as the end of a list in an object
MAX_BROKEN = 50_000
SHOWN = 200  # bytes of a list without an end that are told
# Between values the comma may be missing before a record; and a list may end before its end, where another begins.
SEPARATES = re.compile(r"\s*(?:\]\s*,?|,|(?=\{)|\Z)\s*")
NO_END = Fault("record", "the list has no end", "send it whole, with its ]; what could be read of it was taken")
_SOUND = msgspec.json.Decoder(msgspec.Raw)
_PREFIX = json.JSONDecoder(strict=False)


def too_many_broken() -> Refused:
    """Return the refusal of a body that is more damage than readings: to look into each would take minutes."""
    return refuse(
        400,
        f"over {MAX_BROKEN:,} records of the body cannot be read",
        remedy="send a few of them, and mend what their verdicts name",
    )


@dataclass(frozen=True, slots=True)
class Cut:
    """Records as they are written, and what is wrong with the end of their list; `left` stands behind it."""

    pieces: list[bytes]
    fault: Fault | None = None
    left: bytes = b""


def broken_list(text: bytes, before: bytes = b"") -> Cut:
    """Return the records of a list, from behind its opening bracket; what is none is a piece of its own.

    `before`: what stands before the bracket, where the list is a field of an object.
    """
    within, ended = _ended(text, before)
    pieces = list(_pieces(within))
    if ended or (pieces and not _is_sound(pieces[-1])):
        return Cut(pieces)
    return Cut(pieces, NO_END, within[-SHOWN:])


def _pieces(within: bytes) -> Iterator[bytes]:
    text = _Text(within, "latin-1")  # one character a byte, so that places agree
    starts = [*(found.end() for found in OPENS.finditer(within)), len(text)]
    if any(lists_more(within[one:two]) for one, two in pairwise([0, *starts])):  # whoever takes the pieces refuses it
        yield within
        return
    values, at, broken = _Values(text), _behind(text, 0), 0
    while at < len(text):
        end, behind = values.at(at) or (0, 0)
        if not end:
            after = bisect_right(starts, at)
            ahead = starts[after : after + JOINED]
            chunks = [within[one:two] for one, two in pairwise([at, *ahead])]
            taken = _together(chunks)
            end = behind = ahead[max(taken, 1) - 1]
            broken += not taken
            if broken > MAX_BROKEN:
                raise too_many_broken()
        yield _bare(within[at:end])
        at = _behind(text, behind)


class _Text(str):
    """A text whose lines nobody needs: each JSONDecodeError counts those before it, which takes time by the square."""

    __slots__ = ()

    def count(self, *_: object) -> int:
        """Return that there is no line before."""
        return 0

    def rfind(self, *_: object) -> int:
        """Return that there is no line before."""
        return -1


@dataclass(slots=True)
class _Values:
    """Reads sound values where they begin; what was read in vain is counted, so that damage costs no square of time."""

    text: str
    spent: int = 0

    def at(self, place: int) -> tuple[int, int] | None:
        """Return where a value ends and what separates it from the next one, None where none is there."""
        if self.spent > VAIN * len(self.text):
            return None
        try:
            _, end = _PREFIX.raw_decode(self.text, place)
        except json.JSONDecodeError as error:
            self.spent += error.pos - place
            return None
        except (ValueError, RecursionError):
            self.spent += DEEP
            return None
        separates = SEPARATES.match(self.text, end)
        if separates is None:
            self.spent += end - place
            return None
        return end, separates.end()


def _ended(text: bytes, before: bytes) -> tuple[bytes, bool]:
    """Return a list without its end and what stands behind it, and whether it has an end."""
    text = text.rstrip()
    if not before.strip():
        return (text[:-1], True) if text.endswith(b"]") else (text, False)
    at = len(text)
    for _ in range(ENDS):  # what stands behind it may hold lists, too
        at = text.rfind(b"]", 0, at)
        if at < 0:
            break
        if _is_sound(b'{"":[' + text[at:]):
            return text[:at], True
    return text, False


def _together(chunks: Sequence[bytes]) -> int:
    """Return how many of the chunks are one sound record, 0 where none of them are."""
    for count in range(1, len(chunks) + 1):
        if count > 1 and _is_sound(_bare(chunks[count - 1])):
            return 0  # a record of its own: it is no part of the one before
        if _is_sound(_bare(b"".join(chunks[:count]))):
            return count
    return 0


def _behind(text: str, at: int) -> int:
    """Return where something stands, at a place or behind the space there."""
    found = SPACE.match(text, at)
    return found.end() if found else at


def _bare(chunk: bytes) -> bytes:
    """Return a chunk without the one comma behind it."""
    return chunk.strip().removesuffix(b",").rstrip()


def _is_sound(text: bytes) -> bool:
    try:
        _SOUND.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
