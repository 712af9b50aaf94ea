"""From a stream of bytes, cut anywhere, to whole messages; bounded, strict about what it takes for a message."""

from __future__ import annotations

import re

from gridwright.protocols.iec62056_21.errors import ChecksumMismatch, MalformedTelegram, TelegramTooLong
from gridwright.protocols.iec62056_21.frames import (
    ACK,
    EOT,
    ETX,
    NAK,
    SOH,
    STX,
    Block,
    Command,
    Frame,
    Identification,
    OptionSelect,
    Request,
    Signal,
    checksum,
)

FRAME_LIMIT = 256 * 1024
SEVEN_BITS = 0x7F
LINE_LIMIT = 96  # an identification or sign-on is shorter than 40 characters by the standard
IDLE = b"\x00\r\n"  # wake-up bytes, and line ends that some meters send before an answer
NOT_TEXT = re.compile(rb"[^\x20-\x7e\r\n]")
REQUEST = re.compile(r"/\?([^!/?\r\n]*)!")
IDENTIFICATION = re.compile(r"/([A-Za-z]{3})([0-9A-Z])((?:\\[^\\\r\n])*)([^\r\n]*)")
OPTION = re.compile(r"([0-9])([0-9A-Z])([0-9A-Z])")
COMMAND = re.compile(rb"([PWREB])([0-9])(?:\x02(.*))?", re.DOTALL)


class Framer:
    """Gathers bytes and yields messages; `options` tells that an ACK begins an option select (the meter's side)."""

    def __init__(self, limit: int = FRAME_LIMIT) -> None:
        self.options = False
        self._limit = limit
        self._buffer = bytearray()
        self._passed = 0
        self._scanned = 0

    @property
    def waiting(self) -> int:
        """Bytes of a message that has not ended yet."""
        return len(self._buffer)

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        self._buffer += data

    def next_frame(self) -> Frame | None:
        """Return the next whole message, None when there is none yet; a broken one is an error and is dropped."""
        self._skip_idle()
        if not self._buffer:
            return None
        first = self._buffer[0]
        if first == NAK or (first == ACK and not self.options):
            self._take(1)
            return Signal.REPEAT if first == NAK else Signal.ACKNOWLEDGE
        if first in (SOH, STX):
            return self._block(first)
        if first in (ACK, ord("/")):
            return self._line(first)
        raise self._malformed("no message begins so", 0)

    def clear(self) -> None:
        """Forget what has not become a message."""
        self._take(len(self._buffer))

    def _skip_idle(self) -> None:
        idle = len(self._buffer) - len(self._buffer.lstrip(IDLE))
        if idle:
            self._take(idle)

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        self._passed += count
        self._scanned = 0
        return taken

    def _malformed(self, message: str, at: int) -> MalformedTelegram:
        byte = self._buffer[at]
        hint = "; is the gateway set to 8 data bits instead of 7 with even parity?" if byte > SEVEN_BITS else ""
        error = MalformedTelegram(message + hint, offset=self._passed + at, byte=byte)
        self.clear()
        return error

    def _too_long(self, limit: int) -> TelegramTooLong:
        error = TelegramTooLong(limit, offset=self._passed)
        self.clear()
        return error

    def _block(self, first: int) -> Block | Command | None:
        end = self._end_of_block(first)
        if end is None or end + 1 >= len(self._buffer):
            if len(self._buffer) > self._limit:
                raise self._too_long(self._limit)
            return None
        if end > self._limit:
            raise self._too_long(self._limit)
        at = self._passed
        whole = self._take(end + 2)
        expected, received = checksum(whole[1:-1]), whole[-1]
        if expected != received:
            raise ChecksumMismatch(expected=expected, received=received, offset=at + end + 1)
        last = whole[-2] == ETX
        if first == STX:
            return Block(whole[1:-2].decode("ascii"), last)
        return _command(whole[1:-2], last=last, offset=at)

    def _end_of_block(self, first: int) -> int | None:
        """Find ETX or EOT, and refuse what is no text on the way to it."""
        at = max(self._scanned, 1)
        while found := NOT_TEXT.search(self._buffer, at):
            at = found.start()
            byte = self._buffer[at]
            if byte in (ETX, EOT):
                self._scanned = at
                return at
            if not (first == SOH and byte == STX and at == 3):  # noqa: PLR2004 - SOH, C and D stand before it
                raise self._malformed("no text in a block", at)
            at += 1
        self._scanned = len(self._buffer)
        return None

    def _line(self, first: int) -> Request | Identification | OptionSelect | None:
        end = self._buffer.find(b"\n")
        if end < 0:
            self._check_text(len(self._buffer))
            if len(self._buffer) > LINE_LIMIT:
                raise self._too_long(LINE_LIMIT)
            return None
        if end > LINE_LIMIT:
            raise self._too_long(LINE_LIMIT)
        self._check_text(end)
        at = self._passed
        text = self._take(end + 1).decode("ascii").rstrip("\r\n")
        return _option(text[1:], at) if first == ACK else _signed(text, at)

    def _check_text(self, until: int) -> None:
        found = NOT_TEXT.search(self._buffer, 1, until)
        if found:
            raise self._malformed("no text in a line", found.start())


def _signed(text: str, offset: int) -> Request | Identification:
    if request := REQUEST.fullmatch(text.rstrip()):
        return Request(request[1].strip())
    if found := IDENTIFICATION.fullmatch(text):
        return Identification(found[1], found[2], found[4], found[3].replace("\\", ""))
    raise MalformedTelegram(f"{text!r} is neither sign-on nor identification", offset=offset)


def _option(text: str, offset: int) -> OptionSelect:
    if found := OPTION.fullmatch(text):
        return OptionSelect(found[2], found[3], found[1])
    raise MalformedTelegram(f"ACK {text!r} selects no option", offset=offset)


def _command(body: bytes, *, last: bool, offset: int) -> Command:
    found = COMMAND.fullmatch(body)
    if found is None:
        raise MalformedTelegram(f"{body[:8]!r} begins no command", offset=offset)
    return Command(found[1].decode(), found[2].decode(), (found[3] or b"").decode("ascii"), last)
