"""One reading of one meter, as a form, as multipart or as a JSON object: `meter_id`, `reading` and perhaps `at`."""

from __future__ import annotations

import math
import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from urllib.parse import parse_qsl

import msgspec

from gridwright.api.answer import Refused, refuse
from gridwright.api.ingest.few import Row, check_few
from gridwright.api.ingest.instants import instant_us, told_us
from gridwright.api.ingest.keys_twice import pairs_of
from gridwright.api.ingest.meaning import Said, Wrong
from gridwright.api.ingest.table import Decoded
from gridwright.api.ingest.twice import two_names, two_times, two_values
from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.written_number import is_plain

METER, READING = ("meter_id", "meter", "usage_point"), ("reading", "register_kwh", "value")
AT = ("at", "timestamp", "start", "time")
USUAL_WORDS = ("kWh", "", "")  # unit, flow and quality
USUAL = Said("kWh", register=True)
# An offset sent as it is, not as %2B: in a form a plus sign means a space.
MAX_FIELDS = 50
LOST_PLUS = re.compile(r"(T[\d:.]+) (\d\d:?\d\d)\Z")
BOUNDARY = re.compile(r"\bboundary=\"?([^\";,\s]{1,70})", re.IGNORECASE)
BLANK_LINE = re.compile(rb"\r?\n\r?\n")
FIELD_NAME = re.compile(rb"\bname=\"?([^\";\r\n]{1,200})", re.IGNORECASE)
# What meters send, mostly; nothing in it needs unescaping, and its number and instant have one reading alone.
PLAIN = re.compile(
    rb"meter_id=([\w.:-]+)&reading=(\d{1,15}(?:\.\d{1,15})?)(?:&at=(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ))?",
    re.ASCII,
)
TAKEN = ("application/x-www-form-urlencoded", "multipart/form-data", "application/json")


def decode_form(body: bytes, content_type: str, now: datetime) -> Decoded:
    """Decode one register reading, stamped `now` unless it has an `at`; Refused with the field that is wrong."""
    decoded = Decoded(records=1)
    row = _plain(body, now) if content_type == TAKEN[0] else None
    check_few([row or _row(_fields(body, content_type), now)], decoded, now)
    return decoded


def _plain(body: bytes, now: datetime) -> Row | None:
    """Return the reading of a form as most meters send it; None where it needs a closer look."""
    plain = PLAIN.fullmatch(body)
    if plain is None:
        return None
    name, reading, told = plain.groups()
    at_us = epoch_s(now) * MICRO if told is None else told_us(told.decode())
    return None if at_us is None else (name.decode(), at_us, float(reading), USUAL, 0)


def _row(fields: dict[str, str], now: datetime) -> Row:
    """Return the reading that the fields tell."""
    field, name = _one_of(fields, METER)
    for other in METER:
        if fields.get(other, "") not in {"", name}:
            raise _twice(two_names(field, other), fields[other])
    field, number = _one_of(fields, READING)
    for other in (*READING, "kwh"):
        if other != field and fields.get(other):
            raise _twice(two_values(field, other), fields[other])
    value, at_us = _number(number), _instant(fields, now)
    words = (fields.get("unit") or "kWh", fields.get("flow", ""), fields.get("quality", ""))
    said = USUAL if words == USUAL_WORDS else Said(*words[:2], quality=words[2], register=True)
    return name, at_us, value, said, 0


def _fields(body: bytes, content_type: str) -> dict[str, str]:
    """Return the fields by name; one that is there twice must say the same."""
    media = content_type.partition(";")[0].strip().lower()
    try:
        if media == TAKEN[0]:
            pairs = _pairs(body)
        elif media == TAKEN[1]:
            pairs = _parts(body, content_type)
        elif media == TAKEN[2]:
            msgspec.json.decode(body, type=dict[str, object])  # stricter than what keeps a name that is there twice
            pairs = [(name, _text(value)) for name, value in pairs_of(body)]
        else:
            raise refuse(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"the content type {media!r} is not taken here" if media else "there is no content type",
                remedy=f"send {', '.join(TAKEN)}",
                headers={"Accept": ", ".join(TAKEN)},
            )
    except (ValueError, RecursionError, msgspec.DecodeError) as error:
        raise refuse(400, f"the body is no sound {media}", remedy="send meter_id=M-1&reading=1234.567") from error
    found: dict[str, str] = {}
    for name, value in pairs:
        if found.setdefault(name, value.strip()) != value.strip():
            raise _wrong(name[:40], "it is there twice, with different values", "send each field once", value)
    return found


def _pairs(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form; one without escapes, as most meters send it, is merely cut."""
    text = body.decode()
    if body and "%" not in text and "+" not in text and text.count("&") < MAX_FIELDS:
        cut = [part.partition("=") for part in text.split("&")]
        if all(equals for _, equals, _ in cut):
            return [(name, LOST_PLUS.sub(r"\1+\2", value) if " " in value else value) for name, _, value in cut]
    pairs = parse_qsl(
        text, keep_blank_values=True, strict_parsing=bool(body), max_num_fields=MAX_FIELDS, errors="strict"
    )
    return [(name, LOST_PLUS.sub(r"\1+\2", value)) for name, value in pairs]


def _parts(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """Cut the parts of a multipart body apart; email's parser takes time that grows with the square of a header."""
    boundary = BOUNDARY.search(content_type)
    parts = (b"\n" + body).split(b"\n--" + boundary[1].encode()) if boundary else []
    if not 1 < len(parts) <= MAX_FIELDS:
        raise ValueError(content_type)
    pairs = []
    for part in parts[1:]:
        head, *content = BLANK_LINE.split(part, 1)
        name = FIELD_NAME.search(head)
        if part.startswith(b"--"):
            break
        if content and name is not None:
            pairs.append((name[1].decode(), content[0].decode()))
    return pairs


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "" if value is None else f"{value}"
    return value if isinstance(value, str) else repr(value)


def _one_of(fields: dict[str, str], names: tuple[str, ...]) -> tuple[str, str]:
    """Return name and text of the first of the fields that is there."""
    found = next((name for name in names if fields.get(name)), "")
    if not found:
        raise refuse(400, f"{names[0]} is missing", remedy="send meter_id=M-1&reading=1234.567", field=names[0])
    return found, fields[found]


def _instant(fields: dict[str, str], now: datetime) -> int:
    """Return the instant that is told, else that of the receipt."""
    there = [(name, fields[name]) for name in AT if fields.get(name)]
    found = [(name, told, _read(name, told)) for name, told in there]
    for name, told, at_us in found[1:]:
        if at_us != found[0][2]:
            raise _twice(two_times(found[0][0], name), told)
    return found[0][2] if found else epoch_s(now) * MICRO


def _read(name: str, told: str) -> int:
    try:
        return instant_us(told, name)
    except Wrong as wrong:
        raise _wrong(name, wrong.fault.reason, wrong.fault.remedy, told) from wrong


def _twice(fault: Fault, value: str) -> Refused:
    return _wrong(fault.field, fault.reason, fault.remedy, value)


def _number(text: str) -> float:
    try:
        value = float(Decimal(text)) if is_plain(text) else math.nan
    except (InvalidOperation, OverflowError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise _wrong("reading", "this is no number", "send kilowatt-hours with a decimal point, such as 1234.567", text)
    return value


def _wrong(field: str, reason: str, remedy: str, value: str) -> Refused:
    return refuse(HTTPStatus.UNPROCESSABLE_ENTITY, f"{field}: {reason}", remedy=remedy, field=field, value=value[:120])
