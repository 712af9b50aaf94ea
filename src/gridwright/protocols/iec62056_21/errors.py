"""What can be wrong with a telegram; offsets count the bytes of the connection from its beginning."""

from __future__ import annotations


class ProtocolError(Exception):
    """The other side does not speak IEC 62056-21, or the session was used in the wrong order."""


class MalformedTelegram(ProtocolError):
    """A byte stands where the standard allows none of its kind."""

    def __init__(self, message: str, *, offset: int, byte: int | None = None) -> None:
        shown = "" if byte is None else f" (byte 0x{byte:02X})"
        super().__init__(f"{message}{shown} at offset {offset}")
        self.offset = offset
        self.byte = byte


class ChecksumMismatch(ProtocolError):
    """The block check character does not fit its block."""

    def __init__(self, *, expected: int, received: int, offset: int) -> None:
        super().__init__(f"block check character 0x{received:02X} instead of 0x{expected:02X} at offset {offset}")
        self.expected = expected
        self.received = received
        self.offset = offset


class TelegramTooLong(ProtocolError):
    """A telegram, or an answer of many blocks, does not end within its limit."""

    def __init__(self, limit: int, *, offset: int) -> None:
        super().__init__(f"no end within {limit:,} bytes at offset {offset}")
        self.limit = limit
        self.offset = offset


class OutOfTurn(ProtocolError):
    """The session was asked for something its state does not allow."""
