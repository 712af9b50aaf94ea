"""What stands around a list of readings in JSON: none of it that would mean something to them is lost unsaid."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gridwright.api.answer import Refused, refuse
from gridwright.api.ingest.keys_twice import pairs_of
from gridwright.api.ingest.record import WORDS, Record
from gridwright.api.ingest.twice import VALUES
from gridwright.api.ingest.verdicts import shown

NAME = b'"readings"'
OPENING = re.compile(rb'\A\s*(?:\{[^\[\]]*?"readings"\s*:\s*)?\[\s*')
LOOKED_INTO = 1 << 20  # bytes of a body of which the list is not the first one
# Where they stand around the list they would hold for nobody, so each is named; names and times cost no reading.
SPOKEN = (*WORDS, *VALUES)
NOTHING = {b"", b"null"}


def _around(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a type
    spoken = ((name, msgspec.Raw, msgspec.field(default_factory=msgspec.Raw)) for name in SPOKEN)
    return msgspec.json.Decoder(msgspec.defstruct("Around", [("readings", kind, None), *spoken], frozen=True))


_RECORDS, _PIECES = _around(list[Record] | None), _around(list[msgspec.Raw] | None)
_LIST = msgspec.json.Decoder(msgspec.defstruct("Last", [("readings", msgspec.Raw)]))


def list_within(body: bytes) -> list[Record] | None:
    """Return the records of the list `readings` of an object, None where there is none; Refused where it has two."""
    found: list[Record] | None = _looked_at(body, _RECORDS.decode(body))
    return found


def pieces_within(body: bytes) -> list[bytes] | None:
    """Return the same as they are written, not looked into yet."""
    found = _looked_at(body, _PIECES.decode(body))
    return None if found is None else [bytes(piece) for piece in found]


def opened(body: bytes) -> tuple[bytes, bytes] | None:
    """Return what stands behind the opening of the first list, and before it, where it is the body or in `readings`."""
    found = OPENING.match(body)
    if found is None:
        return None
    return body[found.end() :], body[: found.end()].rstrip()[:-1]


def _looked_at(body: bytes, around: Any) -> Any:  # noqa: ANN401 - of a type made here
    if around.readings is not None:
        if (body.count(NAME) > 1 or b"\\" in body) and _is_twice(body):
            raise refuse(400, "the list 'readings' is there twice", remedy="send all readings in one list")
        require_silence(around)
    return around.readings


def require_silence(around: Any) -> None:  # noqa: ANN401 - of a type made here
    """Raise Refused where a field of readings stands outside of their list."""
    for name in SPOKEN:
        said = bytes(getattr(around, name))
        if said not in NOTHING:
            raise _outside(name, said)


def _outside(name: str, said: bytes) -> Refused:
    value = shown(said.decode(errors="replace"))
    where = "in each record, or in the query" if name in WORDS else "with its usage point and time in the list"
    return refuse(
        400,
        f"{name!r} stands beside the list 'readings', where it holds for none of them",
        remedy=f"say it {where}",
        field=name,
        value=value,
    )


def _is_twice(body: bytes) -> bool:
    """Tell whether an object has two lists: the last one, which counts, is not the first."""
    first = OPENING.match(body)
    if first is not None:
        last = bytes(_LIST.decode(body).readings)  # type: ignore[attr-defined] # a type made here
        return not body.startswith(last, first.group().rindex(b"["))
    return len(body) <= LOOKED_INTO and [name for name, _ in pairs_of(body)].count("readings") > 1
