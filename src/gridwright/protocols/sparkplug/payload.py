"""The protobuf of a Sparkplug B payload, as much of it as carries readings; unknown fields are passed over.

Source: Eclipse Sparkplug 3.0, section 6.4.1, `sparkplug_b.proto`: Payload 1 timestamp, 2 metrics, 3 seq; Metric 1 name,
2 alias, 3 timestamp, 4 datatype, 5 is_historical, 7 is_null, 9 properties, 10 int, 11 long, 12 float, 13 double,
14 boolean, 15 string, 16 bytes, 17 data set, 18 template, 19 extension; Template 2 metrics, 5 is_definition;
PropertySet 1 keys, 2 values; PropertyValue 3 int, 4 long, 8 string.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
LONGEST_VARINT = 10
MAX_METRICS = 100_000  # of a payload, with those in its templates
DEEPEST = 8  # templates within templates
LONGEST_NAME = 1_000  # characters of `template/…/member`
TEMPLATE = 18
PROPERTIES, QUALITY = 9, "quality"
UNITS = ("engunit", "engunits", "unit", "units")  # as gateways call the unit of a metric
BAD, GOOD, STALE = 0, 192, 500  # section 6.4.7, the quality codes
UNREAD = {16: "bytes", 17: "a data set", 19: "an extension"}
TOO_DEEP = f"a template nested more than {DEEPEST} deep"
# Datatypes 1 to 4 are signed; their numbers travel in two's complement of 32 bits, Int64 of 64.
SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
BOOLEAN, TEXTS = 11, (12, 14)


class SparkplugError(Exception):
    """A payload or topic that is none of Sparkplug B; tells what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: its name or only its alias, epoch milliseconds, datatype (0 where it is not told), and its value.

    `historical`: it is not of now. `members`: of an instance of a template. `unread`: what it holds where that is
    neither number nor text, and empty where it holds nothing on purpose (`is_null`). `quality`: its property, GOOD
    where it has none; `unit`: what its properties call its unit.
    """

    name: str = ""
    alias: int | None = None
    at_ms: int | None = None
    datatype: int = 0
    value: float | str | None = None
    historical: bool = False
    members: tuple[Metric, ...] | None = None
    unread: str = ""
    quality: int = GOOD
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Payload:
    """A payload: epoch milliseconds, sequence number 0 to 255, metrics."""

    at_ms: int | None
    seq: int | None
    metrics: tuple[Metric, ...]


def read_payload(body: bytes) -> Payload:
    """Read a payload; SparkplugError where it is damaged."""
    at_ms, seq = None, None
    metrics: list[Metric] = []
    reader = _Reader()
    for number, value in _fields(body):
        if number == 1 and isinstance(value, int):
            at_ms = value
        elif number == 3 and isinstance(value, int):  # noqa: PLR2004 - see the list above
            seq = value
        elif number == 2 and isinstance(value, bytes):  # noqa: PLR2004
            metrics.append(reader.metric(value))
    return Payload(at_ms, seq, tuple(metrics))


def members_of(metric: Metric) -> Iterator[Metric]:
    """Yield the members of a template as `template/member`; what they do not tell of their time is the template's."""
    for one in metric.members or ():
        name = f"{metric.name}/{one.name}" if one.name else ""
        if len(name) > LONGEST_NAME:
            raise SparkplugError(f"the name {name[:60]!r}… has more than {LONGEST_NAME} characters")
        at_ms = metric.at_ms if one.at_ms is None else one.at_ms
        quality = one.quality if metric.quality == GOOD else metric.quality
        past = one.historical or metric.historical
        yield replace(one, name=name, at_ms=at_ms, historical=past, quality=quality)


class _Reader:
    """Reads the metrics of one payload, and of its templates."""

    def __init__(self) -> None:
        self._left = MAX_METRICS

    def metric(self, body: bytes, depth: int = 0) -> Metric:
        """Read one metric; SparkplugError where it is damaged, or one too many."""
        self._left -= 1
        if self._left < 0:
            raise SparkplugError(f"there are more than {MAX_METRICS} metrics")
        told = dict(_fields(body))
        name, alias, at_ms, kind = told.get(1, b""), told.get(2), told.get(3), told.get(4, 0)
        null, template = bool(told.get(7)), told.get(TEMPLATE)
        value = None if null else _value(told)
        members = None
        if value is None and not null and isinstance(template, bytes) and depth < DEEPEST:
            members = self._members(template, depth + 1)
        return Metric(
            _text(name) if isinstance(name, bytes) else "",
            alias if isinstance(alias, int) else None,
            at_ms if isinstance(at_ms, int) else None,
            kind if isinstance(kind, int) else 0,
            value,
            bool(told.get(5)),
            members,
            "" if null or value is not None or members is not None else _unread(told),
            *_quality_and_unit(told.get(PROPERTIES)),
        )

    def _members(self, body: bytes, depth: int) -> tuple[Metric, ...]:
        """Return what an instance of a template holds; a definition holds defaults, which nobody has measured."""
        fields = tuple(_fields(body))
        if any(number == 5 and value for number, value in fields):  # noqa: PLR2004 - see the list above
            return ()
        return tuple(
            self.metric(value, depth)
            for number, value in fields
            if number == 2 and isinstance(value, bytes)  # noqa: PLR2004
        )


def _quality_and_unit(properties: int | bytes | None) -> tuple[int, str]:
    """Return the property `Quality` of a metric, GOOD without one, and its unit; keys and values stand in one order."""
    quality, unit = GOOD, ""
    if not isinstance(properties, bytes):
        return quality, unit
    fields = tuple(_fields(properties))
    keys, values = ([value for number, value in fields if number == kind] for kind in (1, 2))
    for key, value in zip(keys, values, strict=False):
        name = key.decode(errors="replace").lower() if isinstance(key, bytes) else ""
        if (name == QUALITY or name in UNITS) and isinstance(value, bytes):
            told = dict(_fields(value))
            number, text = told.get(3, told.get(4)), told.get(8)
            quality = number if name == QUALITY and isinstance(number, int) else quality
            unit = text.decode(errors="replace").strip() if name in UNITS and isinstance(text, bytes) else unit
    return quality, unit


def _unread(told: dict[int, int | bytes]) -> str:
    """Return what a metric holds whose value is none that is read."""
    if TEMPLATE in told:
        return TOO_DEEP
    return next((what for number, what in UNREAD.items() if number in told), "empty")


def _value(told: dict[int, int | bytes]) -> float | str | None:
    """Return the number as its bits are, or the text; its sign follows from the datatype, which may be known later."""
    for number in (10, 11):
        whole = told.get(number)
        if isinstance(whole, int):
            return whole
    for number, form in ((12, "<f"), (13, "<d")):
        raw = told.get(number)
        if isinstance(raw, bytes) and len(raw) == struct.calcsize(form):
            return float(struct.unpack(form, raw)[0])
    truth, text = told.get(14), told.get(15)
    if isinstance(truth, int):
        return float(bool(truth))
    return _text(text) if isinstance(text, bytes) else None


def signed(value: float | str | None, datatype: int) -> float | str | None:
    """Return a number with the sign that its datatype gives it."""
    bits = SIGNED.get(datatype)
    if bits is None or value is None or isinstance(value, str):
        return value
    whole = int(value) & ((1 << bits) - 1)
    return whole - (1 << bits) if whole >> (bits - 1) else whole


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise SparkplugError("a text is not UTF-8") from error


def _fields(body: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field: a varint as int, all else as bytes."""
    at = 0
    while at < len(body):
        tag, at = _varint(body, at)
        wire = tag & 7
        if wire == VARINT:
            value: int | bytes
            value, at = _varint(body, at)
        elif wire in {FIXED64, FIXED32, BYTES}:
            size, at = (8 if wire == FIXED64 else 4, at) if wire != BYTES else _varint(body, at)
            if at + size > len(body):
                raise SparkplugError("it ends too early")
            value, at = body[at : at + size], at + size
        else:
            raise SparkplugError(f"wire type {wire} is none of protobuf 3")
        yield tag >> 3, value


def _varint(body: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place in range(LONGEST_VARINT):
        if at + place >= len(body):
            raise SparkplugError("it ends too early")
        byte = body[at + place]
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the last byte of a varint
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + place + 1
    raise SparkplugError("a number is longer than ten bytes")
