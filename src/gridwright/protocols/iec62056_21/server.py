"""The meter's side of a session, without input or output: what the virtual meter speaks with."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gridwright.protocols.iec62056_21.errors import ChecksumMismatch, MalformedTelegram, OutOfTurn
from gridwright.protocols.iec62056_21.framer import Framer
from gridwright.protocols.iec62056_21.frames import (
    Block,
    Command,
    Frame,
    Identification,
    Kind,
    Mode,
    OptionSelect,
    Request,
    Signal,
    encode,
)

COMMAND_LIMIT = 4096


class Phase(StrEnum):
    """Where the conversation stands, seen from the meter."""

    IDLE = "idle"
    IDENTIFIED = "identified"
    READING_OUT = "reading out"
    PROGRAMMING = "in programming mode"


@dataclass(frozen=True, slots=True)
class Called:
    """Somebody signed on; only the meter of that address may answer."""

    address: str


@dataclass(frozen=True, slots=True)
class Selected:
    """The reader chose a mode."""

    option: OptionSelect


@dataclass(frozen=True, slots=True)
class Commanded:
    """A command arrived whole."""

    command: Command


@dataclass(frozen=True, slots=True)
class HungUp:
    """The reader signed off."""


ServerEvent = Called | Selected | Commanded | HungUp


class ServerSession:
    """Makes events of a reader's bytes; `identify`, `challenge`, `answer`, `acknowledge` and `refuse` fill `to_send`.

    Damaged commands are answered by NAK, a reader's NAK by the last message again, blocks of an answer leave one by
    one as the reader acknowledges them.
    """

    def __init__(self) -> None:
        self.phase = Phase.IDLE
        self._framer = Framer(COMMAND_LIMIT)
        self._outgoing = bytearray()
        self._last: Frame = Signal.REPEAT
        self._blocks: deque[Block] = deque()

    def to_send(self) -> bytes:
        """Return, and forget, the bytes to be sent."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> list[ServerEvent]:
        """Take bytes as they arrive; what is no message is dropped, as a meter on a noisy line does."""
        self._framer.feed(data)
        events: list[ServerEvent] = []
        while True:
            try:
                frame = self._framer.next_frame()
            except ChecksumMismatch:
                self._send(Signal.REPEAT)
                continue
            if frame is None:
                return events
            event = self._take(frame)
            if event is not None:
                events.append(event)

    def identify(self, identification: Identification) -> None:
        """Answer a sign-on."""
        self.phase = Phase.IDENTIFIED
        self._framer.options = True
        self._say(identification)

    def challenge(self, operand: str = "") -> None:
        """Announce programming mode."""
        self.phase = Phase.PROGRAMMING
        self._say(Command(Kind.PASSWORD, "0", f"({operand})"))

    def answer(self, text: str | Iterable[str]) -> None:
        """Send data, in one block or in several."""
        parts = [text] if isinstance(text, str) else list(text)
        if not parts:
            raise OutOfTurn("an answer has at least one block")
        self._blocks = deque(Block(part, last=at == len(parts)) for at, part in enumerate(parts, 1))
        self._say(self._blocks.popleft())

    def acknowledge(self) -> None:
        """Take a command that has no answer."""
        self._say(Signal.ACKNOWLEDGE)

    def refuse(self, text: str) -> None:
        """Say no, in the meter's own words."""
        self._say(Block(f"({text})"))

    def _send(self, frame: Frame) -> None:
        self._outgoing += encode(frame)

    def _say(self, frame: Frame) -> None:
        self._last = frame
        self._send(frame)

    def _take(self, frame: Frame) -> ServerEvent | None:
        match frame:
            case Request(address):
                self.phase = Phase.IDLE
                self._framer.options = False
                self._blocks.clear()
                return Called(address)
            case OptionSelect() if self.phase is Phase.IDENTIFIED:
                self._framer.options = False
                self.phase = Phase.READING_OUT if frame.mode == Mode.READOUT else self.phase
                return Selected(frame)
            case Command(kind=Kind.BREAK):
                self.phase = Phase.IDLE
                return HungUp()
            case Command() if self.phase is Phase.PROGRAMMING:
                return Commanded(frame)
            case Signal.REPEAT:
                self._send(self._last)
                return None
            case Signal.ACKNOWLEDGE:
                if self._blocks:
                    self._say(self._blocks.popleft())
                return None
        raise MalformedTelegram(f"{type(frame).__name__} while {self.phase}", offset=0)
