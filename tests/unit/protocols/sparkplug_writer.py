"""Writes Sparkplug B payloads for tests, by the numbers of its `.proto` file."""

from __future__ import annotations

import struct


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def field(number: int, value: int | bytes, *, wire: int | None = None) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if wire is not None:
        return varint(number << 3 | wire) + value
    return varint(number << 3 | 2) + varint(len(value)) + value


def metric(
    name: str = "",
    *,
    alias: int | None = None,
    datatype: int = 0,
    at_ms: int | None = None,
    double: float | None = None,
    whole: int | None = None,
    text: str | None = None,
    historical: bool = False,
    other: dict[int, bytes] | None = None,
) -> bytes:
    parts = [field(1, name.encode())] if name else []
    parts += [field(2, alias)] if alias is not None else []
    parts += [field(3, at_ms)] if at_ms is not None else []
    parts += [field(4, datatype)] if datatype else []
    parts += [field(13, struct.pack("<d", double), wire=1)] if double is not None else []
    parts += [field(10, whole)] if whole is not None else []
    parts += [field(15, text.encode())] if text is not None else []
    parts += [field(5, 1)] if historical else []
    parts += [field(number, body) for number, body in (other or {}).items()]
    return b"".join(parts)


def template(*members: bytes, definition: bool = False) -> dict[int, bytes]:
    """Return what `other` of a metric is for an instance of a template."""
    body = b"".join(field(2, one) for one in members) + field(4, b"Meter") + (field(5, 1) if definition else b"")
    return {18: body}


def payload(at_ms: int, seq: int, metrics: list[bytes]) -> bytes:
    return field(1, at_ms) + b"".join(field(2, one) for one in metrics) + field(3, seq)
