"""Say of a field that holds another kind of thing than it should what stands there, and what to write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

import msgspec

from gridwright.api.ingest.instants import HOW
from gridwright.api.ingest.verdicts import Fault

NUMBER = ("a number", "write a number with a decimal point and without quotes, such as 1.5")
REGISTER = ("one number", NUMBER[1])
TEXT = ("text", "write it in quotes")
TIME = ("a time", HOW)
RECORD = ("an object", 'send one JSON object a reading, such as {"usage_point": …, "start": …, "kwh": …}')
WANTED = {
    "": RECORD,
    "kwh": NUMBER,
    "value": NUMBER,
    "register_kwh": REGISTER,
    "reading": REGISTER,
    "interval_s": ("a whole number", "give it in seconds, such as 900"),
    **dict.fromkeys(("start", "at", "timestamp", "time", "end"), TIME),
}
FOUND = {'"': "text", "t": "true or false", "f": "true or false", "n": "null", "{": "an object", "[": "a list"}
TOO_LARGE = ("the number is too large", "check the unit, and what the meter shows")
AT = re.compile(r"`\$\.?([A-Za-z_]*)(?:\[([0-9]+)\])?")
_PARTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def unfit(error: msgspec.ValidationError, piece: bytes, max_fields: int) -> tuple[Fault, str]:
    """Return what is wrong with the field at which a record is refused, and what is written there."""
    found = AT.search(str(error))
    field, number = found.groups() if found else ("", None)
    written, which = _parts(piece, max_fields).get(field, piece) if field else piece, "it"
    if number is not None:
        with suppress(msgspec.DecodeError, IndexError):
            written, which = bytes(_LIST.decode(written)[int(number)]), f"value {int(number) + 1} of the list"
    what, (wanted, remedy) = FOUND.get(_opening(written), "a number"), WANTED.get(field, TEXT)
    if what == "a number" and wanted in {NUMBER[0], REGISTER[0]}:
        return Fault(field, TOO_LARGE[0] if which == "it" else f"{which} is too large", TOO_LARGE[1]), _shown(written)
    return Fault(field or "record", f"{which} is {what}, not {wanted}", remedy), _shown(written)


def _parts(piece: bytes, max_fields: int) -> Mapping[str, bytes]:
    """Return the fields of a record as they are written; none where it has too many of them."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if piece.count(b":") <= max_fields:
            return {name: bytes(part) for name, part in _PARTS.decode(piece).items()}
    return {}


def _opening(written: bytes) -> str:
    return written.lstrip()[:1].decode(errors="replace")


def _shown(written: bytes) -> str:
    """Return what is written, without the quotes of a text."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        if _opening(written) == '"':
            return _TEXT.decode(written)
    return written.decode(errors="replace")
