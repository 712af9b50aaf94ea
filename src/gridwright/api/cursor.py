"""Opaque cursors: where a list goes on, bound to the list it belongs to."""

from __future__ import annotations

import base64
import binascii
import json

from gridwright.api.problems import bad_parameter

Place = tuple[str | int, ...]


def to_cursor(listed: str, place: Place) -> str:
    """Return the cursor of a place in the list named `listed`."""
    text = json.dumps([listed, *place], ensure_ascii=False, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def from_cursor(listed: str, text: str, like: Place) -> Place | None:
    """Return the place of a cursor, None for the beginning; one of another list, or none at all, is a problem.

    `like`: a place of the same shape.
    """
    if not text:
        return None
    try:
        # What was cut off is put back: base64 comes in fours.
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError, RecursionError) as error:
        raise strange() from error
    if (
        not isinstance(found, list)
        or found[:1] != [listed]
        or [type(part) for part in found[1:]] != list(map(type, like))
    ):
        raise strange()
    place = tuple(found[1:])
    if any(_is_impossible(part) for part in place):
        raise strange()
    return place


def _is_impossible(part: str | int) -> bool:
    if isinstance(part, int):
        return not 0 <= part < 1 << 62
    return not part.isprintable()


def strange() -> Exception:
    """Return the problem of a cursor that is not ours."""
    return bad_parameter("query", "cursor", "it is no cursor of this list; take `next` of the page before")
