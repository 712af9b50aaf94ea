"""The reader's side of a session, without input or output."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gridwright.protocols.iec62056_21.data import Line, parse_lines, refusal
from gridwright.protocols.iec62056_21.errors import (
    ChecksumMismatch,
    MalformedTelegram,
    OutOfTurn,
    ProtocolError,
    TelegramTooLong,
)
from gridwright.protocols.iec62056_21.framer import FRAME_LIMIT, Framer
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

ANSWER_LIMIT = 1024 * 1024  # of text and framing, so that empty blocks come to an end too
FRAMING = 3
MAX_REPEATS = 3


class State(StrEnum):
    """Where the conversation stands."""

    NEW = "new"
    SIGNING_ON = "signing on"
    IDENTIFIED = "identified"
    READING_OUT = "reading out"
    ENTERING = "entering programming mode"
    PROGRAMMING = "in programming mode"
    AWAITING = "awaiting an answer"
    ENDED = "ended"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Identified:
    """The meter answered the sign-on."""

    identification: Identification


@dataclass(frozen=True, slots=True)
class Challenged:
    """The meter is in programming mode; `operand` is what its password algorithm asks, often empty."""

    operand: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Data arrived, whole and checked."""

    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The meter took a command that has no data to answer."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The meter said no, in its own words."""

    text: str


@dataclass(frozen=True, slots=True)
class SignedOff:
    """The meter ended the session."""


Event = Identified | Challenged | Answered | Acknowledged | Refused | SignedOff

ENTERS = {  # what may be done in which state, and the state it leads to
    "sign_on": (State.NEW, State.SIGNING_ON),
    "read_out": (State.IDENTIFIED, State.READING_OUT),
    "enter_programming": (State.IDENTIFIED, State.ENTERING),
    "command": (State.PROGRAMMING, State.AWAITING),
}
TAKES: dict[State, tuple[type, ...]] = {  # what a meter may say in which state
    State.SIGNING_ON: (Identification,),
    State.READING_OUT: (Block,),
    State.ENTERING: (Command, Block, Signal),
    State.AWAITING: (Block, Signal, Command),
}


class ClientSession:
    """Says what to send and makes events of what arrives; `to_send` holds its own replies (ACK, NAK, repeats).

    A block that arrives damaged is asked for again, three times at most. A command is sent again when the meter asks
    for it, but only a read: a write or an execution might have been carried out already.
    """

    def __init__(self, *, frame_limit: int = FRAME_LIMIT, answer_limit: int = ANSWER_LIMIT) -> None:
        self.state = State.NEW
        self.identification: Identification | None = None
        self._framer = Framer(frame_limit)
        self._answer_limit = answer_limit
        self._outgoing = bytearray()
        self._command: Command | None = None
        self._parts: list[str] = []
        self._received = 0
        self._repeats = 0

    @property
    def midway(self) -> bool:
        """Tell whether part of a message or of an answer has arrived."""
        return bool(self._parts) or self._framer.waiting > 0

    def sign_on(self, address: str = "") -> None:
        """Call the meter."""
        self._step("sign_on")
        self._send(Request(address))

    def read_out(self) -> None:
        """Ask for everything the meter shows without a password."""
        self._step("read_out")
        self._send(OptionSelect(self._baud, Mode.READOUT))

    def enter_programming(self) -> None:
        """Ask for programming mode."""
        self._step("enter_programming")
        self._send(OptionSelect(self._baud, Mode.PROGRAMMING))

    def command(self, command: Command) -> None:
        """Send one command."""
        self._step("command")
        self._command = command
        self._send(command)

    def sign_off(self) -> None:
        """End the session; allowed at any time."""
        self.state = State.ENDED
        self._send(Command(Kind.BREAK, "0"))

    def to_send(self) -> bytes:
        """Return, and forget, the bytes to be sent."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def receive(self, data: bytes) -> list[Event]:
        """Take bytes as they arrive; after a ProtocolError the session is broken."""
        if self.state in (State.ENDED, State.BROKEN):
            raise OutOfTurn(f"the session is {self.state}")
        try:
            self._framer.feed(data)
            return self._events()
        except ProtocolError:
            self.state = State.BROKEN
            raise

    @property
    def _baud(self) -> str:
        return self.identification.baud if self.identification else "0"

    def _step(self, act: str) -> None:
        before, after = ENTERS[act]
        if self.state is not before:
            raise OutOfTurn(f"{act} needs a session that is {before}, it is {self.state}")
        self.state = after
        self._repeats = 0
        self._received = 0
        self._parts.clear()

    def _send(self, frame: Frame) -> None:
        self._outgoing += encode(frame)

    def _events(self) -> list[Event]:
        events: list[Event] = []
        while True:
            try:
                frame = self._framer.next_frame()
            except ChecksumMismatch:
                self._repeats += 1
                if self._repeats > MAX_REPEATS:
                    raise
                self._send(Signal.REPEAT)
                continue
            if frame is None:
                return events
            if not isinstance(frame, TAKES.get(self.state, ())):
                raise MalformedTelegram(f"{type(frame).__name__} while {self.state}", offset=0)
            if (event := self._take(frame)) is not None:
                events.append(event)

    def _take(self, frame: Frame) -> Event | None:
        match frame:
            case Identification():
                self.state = State.IDENTIFIED
                self.identification = frame
                return Identified(frame)
            case Block():
                return self._take_block(frame)
            case Command(kind=Kind.PASSWORD, data=operand) if self.state is State.ENTERING:
                self.state = State.PROGRAMMING
                return Challenged(operand.strip().removeprefix("(").removesuffix(")"))
            case Command(kind=Kind.BREAK):
                self.state = State.ENDED
                return SignedOff()
            case Signal.ACKNOWLEDGE:
                self.state = State.PROGRAMMING
                return Acknowledged()
            case Signal.REPEAT:
                return self._repeat()
        raise MalformedTelegram(f"{type(frame).__name__} while {self.state}", offset=0)

    def _repeat(self) -> Event | None:
        readable = self._command is not None and self._command.kind == Kind.READ
        self._repeats += 1
        if self.state is State.AWAITING and self._command and readable and self._repeats <= MAX_REPEATS:
            self._send(self._command)
            return None
        self.state = State.PROGRAMMING
        return Refused("NAK")

    def _take_block(self, block: Block) -> Event | None:
        self._repeats = 0
        self._parts.append(block.data)
        self._received += len(block.data) + FRAMING
        if self._received > self._answer_limit:
            raise TelegramTooLong(self._answer_limit, offset=0)
        if not block.last:
            self._send(Signal.ACKNOWLEDGE)
            return None
        text = "".join(self._parts)
        self._parts.clear()
        self.state = State.ENDED if self.state is State.READING_OUT else State.PROGRAMMING
        said = refusal(text)
        return Answered(parse_lines(text)) if said is None else Refused(said)
