"""A JSON list with something broken in it, cut into its records so that none costs its neighbours.

A parser stops at the first fault, and after it nothing tells what is inside of a string. But records are objects, so a
brace behind a comma begins the next one; what looks like that inside of a record, in a string or a nested list, is
put together again where only together it can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence

import msgspec

from gridwright.api.ingest.listed import lists_more

OPENS = re.compile(rb"(?:\A|(?<=,))\s*(?=\{)")
SPACE = re.compile(r"\s*")
JOINED = 4  # chunks that one record may look like
_SOUND = msgspec.json.Decoder(msgspec.Raw)
_PREFIX = json.JSONDecoder(strict=False)


def broken_list(text: bytes) -> list[bytes]:
    """Return the records of a list, from behind its opening bracket; what is none is a piece of its own."""
    starts = [found.end() for found in OPENS.finditer(text)]
    ends = [*starts[1:], len(text)] if starts else []
    chunks = [text[start:end] for start, end in zip(starts, ends, strict=True)]
    head = text[: starts[0]] if starts else _closed(text)
    pieces = list(_apart(head, last=False)) if head.strip() else []
    at = 0
    while at < len(chunks):
        taken = _together(chunks[at : at + JOINED])
        if taken:
            pieces.append(_bare(b"".join(chunks[at : at + taken])))
            at += taken
        else:
            pieces += _apart(chunks[at], last=at == len(chunks) - 1)
            at += 1
    return pieces


def _together(chunks: Sequence[bytes]) -> int:
    """Return how many of the chunks are one sound record, 0 where none of them are."""
    for count in range(1, len(chunks) + 1):
        if count > 1 and _is_sound(_bare(chunks[count - 1])):
            return 0  # a record of its own: it is no part of the one before
        if _is_sound(_bare(b"".join(chunks[:count]))):
            return count
    return 0


def _apart(chunk: bytes, *, last: bool) -> Iterator[bytes]:
    """Yield the sound values a chunk begins with, if there are any, and what stands behind them."""
    if lists_more(chunk):  # whoever takes the pieces refuses it
        yield chunk
        return
    text = chunk.decode("latin-1")  # one character a byte, so that places agree
    at = len(text) - len(text.lstrip())
    while True:
        try:
            _, end = _PREFIX.raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        behind = SPACE.match(text, end)
        follows = behind.end() if behind else end
        sign = text[follows : follows + 1]
        if sign == "{":  # only the comma is missing
            yield chunk[at:end]
            at = follows
            continue
        if sign == "," or (sign == "]" and last):
            yield chunk[at:end]
            rest = chunk[follows + 1 :].strip() if sign == "," else b""
            if not rest or (last and not _closed(rest)):
                return
            space = SPACE.match(text, follows + 1)
            at = space.end() if space else follows + 1
            continue  # what is no object may follow: a number, a list, nothing
        break
    yield _closed(chunk[at:]) if last else _bare(chunk[at:])


def _bare(chunk: bytes) -> bytes:
    """Return a chunk without the one comma behind it."""
    return chunk.strip().removesuffix(b",").rstrip()


def _closed(text: bytes) -> bytes:
    """Return the end of a list without what closes it."""
    text = text.strip()
    if text.endswith(b"}") and text[:-1].rstrip().endswith(b"]"):
        text = text[:-1].rstrip()
    return text.removesuffix(b"]").strip().removesuffix(b",").rstrip()


def _is_sound(text: bytes) -> bool:
    try:
        _SOUND.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True
