"""The messages of IEC 62056-21 (clause 6.3) and their bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from operator import xor

SOH, STX, ETX, EOT, ACK, NAK = 0x01, 0x02, 0x03, 0x04, 0x06, 0x15
CRLF = b"\r\n"


class Mode(StrEnum):
    """What the acknowledgement asks for (mode control character Y)."""

    READOUT = "0"
    PROGRAMMING = "1"


class Kind(StrEnum):
    """What a programming command does (command identifier C)."""

    PASSWORD = "P"  # noqa: S105 - the standard's letter for the password command
    WRITE = "W"
    READ = "R"
    EXECUTE = "E"
    BREAK = "B"


class Signal(StrEnum):
    """A message of one byte."""

    ACKNOWLEDGE = "ACK"
    REPEAT = "NAK"


@dataclass(frozen=True, slots=True)
class Request:
    """Sign-on `/?address!`: an empty address speaks to whoever hears it."""

    address: str = ""


@dataclass(frozen=True, slots=True)
class Identification:
    """Who answers a sign-on: `/` three letters of the manufacturer, baud rate character, identification.

    `enhanced`: the characters that followed a backslash, such as `2` where the meter also speaks HDLC (mode E).
    """

    manufacturer: str
    baud: str
    identification: str
    enhanced: str = ""


@dataclass(frozen=True, slots=True)
class OptionSelect:
    """ACK V Z Y: protocol control, baud rate and mode chosen by the reader."""

    baud: str
    mode: str
    protocol: str = "0"


@dataclass(frozen=True, slots=True)
class Command:
    """A programming command such as `R5` with its data; `last` is false where more blocks of it follow (EOT)."""

    kind: str
    type: str
    data: str = ""
    last: bool = True


@dataclass(frozen=True, slots=True)
class Block:
    """A data message; `last` is false where the meter sends another block after an acknowledgement (EOT)."""

    data: str
    last: bool = True


Frame = Request | Identification | OptionSelect | Command | Block | Signal


def checksum(covered: bytes | bytearray) -> int:
    """Return the block check character: exclusive or of all bytes after the start, the end character included."""
    return reduce(xor, covered, 0) & 0x7F


def encode(frame: Frame) -> bytes:
    """Return a message's bytes."""
    if isinstance(frame, Signal):
        return bytes([ACK if frame is Signal.ACKNOWLEDGE else NAK])
    match frame:
        case Request(address):
            return b"/?" + address.encode("ascii") + b"!" + CRLF
        case Identification(manufacturer, baud, identification, enhanced):
            escaped = "".join(f"\\{character}" for character in enhanced)
            return f"/{manufacturer}{baud}{escaped}{identification}".encode("ascii") + CRLF
        case OptionSelect(baud, mode, protocol):
            return bytes([ACK]) + f"{protocol}{baud}{mode}".encode("ascii") + CRLF
        case Command(kind, kind_type, data, last):
            body = f"{kind}{kind_type}".encode("ascii")
            operand = bytes([STX]) + data.encode("ascii") if data else b""
            return _closed(SOH, body + operand, last=last)
        case Block(data, last):
            return _closed(STX, data.encode("ascii"), last=last)


EVEN = bytes(byte | 0x80 * (byte.bit_count() % 2) for byte in range(128)) * 2
SEVEN = bytes(byte & 0x7F for byte in range(256))


def with_parity(data: bytes) -> bytes:
    """Return seven-bit characters with their even parity bit, for a line whose gateway passes eight bits."""
    return data.translate(EVEN)


def without_parity(data: bytes) -> bytes:
    """Return the characters without parity bit; a wrong one shows in the block check."""
    return data.translate(SEVEN)


def _closed(start: int, body: bytes, *, last: bool) -> bytes:
    covered = body + bytes([ETX if last else EOT])
    return bytes([start]) + covered + bytes([checksum(covered)])
