"""Both state machines against each other: whole conversations, repeats, and what is never sent twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.protocols.iec62056_21 import (
    Acknowledged,
    Answered,
    Block,
    Called,
    Challenged,
    ChecksumMismatch,
    ClientSession,
    Command,
    Commanded,
    DataSet,
    Event,
    HungUp,
    Identification,
    Identified,
    MalformedTelegram,
    OutOfTurn,
    Phase,
    ProtocolError,
    Refused,
    Selected,
    ServerSession,
    Signal,
    SignedOff,
    State,
    TelegramTooLong,
    encode,
)

IDENTITY = Identification("GWR", "5", "VM1")
PASSWORD = Command("P", "1", "(00000000)")
LINES = [(DataSet("1.8.0", "000123.456", "kWh"),)]
PLAIN = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="()*!"), min_size=1, max_size=8
)


class Pair:
    """A reader and a meter with a line between them that a test may spoil."""

    def __init__(self, answer: Callable[[ServerSession, Command], None] | None = None) -> None:
        self.client, self.server = ClientSession(), ServerSession()
        self.commands: list[Command] = []
        self.answer = answer or (lambda server, _: server.answer("1.8.0(000123.456*kWh)"))
        self.to_meter: Callable[[bytes], bytes] = lambda data: data
        self.to_reader: Callable[[bytes], bytes] = lambda data: data

    def run(self) -> list[Event]:
        events: list[Event] = []
        while data := self.client.to_send():
            for event in self.server.receive(self.to_meter(data)):
                self.serve(event)
            if reply := self.server.to_send():
                events += self.client.receive(self.to_reader(reply))
        return events

    def serve(self, event: object) -> None:
        match event:
            case Called():
                self.server.identify(IDENTITY)
            case Selected(option):
                if option.mode == "0":
                    self.server.answer("1.8.0(000123.456*kWh)\r\n!\r\n")
                else:
                    self.server.challenge("1234")
            case Commanded(command) if command.kind == "P":
                self.server.acknowledge()
            case Commanded(command):
                self.commands.append(command)
                self.answer(self.server, command)

    def programming(self) -> Pair:
        self.client.sign_on("M-1")
        self.run()
        self.client.enter_programming()
        self.run()
        return self


def test_a_readout_from_end_to_end() -> None:
    pair = Pair()
    pair.client.sign_on("M-1")
    assert pair.run() == [Identified(IDENTITY)]
    pair.client.read_out()
    assert pair.run() == [Answered(tuple(LINES))]
    assert pair.client.state is State.ENDED


def test_programming_mode_from_end_to_end() -> None:
    pair = Pair()
    pair.client.sign_on()
    pair.run()
    pair.client.enter_programming()
    assert pair.run() == [Challenged("1234")]
    pair.client.command(PASSWORD)
    assert pair.run() == [Acknowledged()]
    pair.client.command(Command("R", "5", "1.8.0()"))
    assert pair.run() == [Answered(tuple(LINES))]
    pair.client.sign_off()
    assert pair.server.receive(pair.client.to_send()) == [HungUp()]
    assert pair.server.phase is Phase.IDLE


@given(st.lists(st.lists(st.builds(DataSet, PLAIN, PLAIN), min_size=1, max_size=3), min_size=1, max_size=9), st.data())
def test_an_answer_in_blocks_is_one_answer(lines: list[list[DataSet]], data: st.DataObject) -> None:
    text = "".join("".join(map(str, line)) + "\r\n" for line in lines)
    cuts = sorted(data.draw(st.lists(st.integers(1, len(text)), max_size=4)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    pair = Pair(lambda server, _: server.answer(parts)).programming()
    pair.client.command(Command("R", "6", "P.01(;)"))
    assert pair.run() == [Answered(tuple(map(tuple, lines)))]


def spoil_once(data: bytes) -> Callable[[bytes], bytes]:
    """Change the block check of the first message that begins like `data`."""
    done: list[bool] = []

    def line(sent: bytes) -> bytes:
        if sent.startswith(data) and not done:
            done.append(True)
            return sent[:-1] + bytes([sent[-1] ^ 1])
        return sent

    return line


def test_a_damaged_answer_is_asked_for_again() -> None:
    pair = Pair().programming()
    pair.to_reader = spoil_once(b"\x02")
    pair.client.command(Command("R", "5", "1.8.0()"))
    assert pair.run() == [Answered(tuple(LINES))]
    assert len(pair.commands) == 1


def test_a_damaged_read_is_sent_again_when_the_meter_asks() -> None:
    pair = Pair().programming()
    pair.to_meter = spoil_once(b"\x01R5")
    pair.client.command(Command("R", "5", "1.8.0()"))
    assert pair.run() == [Answered(tuple(LINES))]


@pytest.mark.parametrize("code", ["W5", "E2", "W1", "P1"])
def test_a_damaged_write_or_execution_is_never_sent_again(code: str) -> None:
    pair = Pair().programming()
    pair.to_meter = spoil_once(b"\x01" + code.encode())
    pair.client.command(Command(code[0], code[1], "96.3.10(0)"))
    assert pair.run() == [Refused("NAK")]
    assert pair.commands == []
    assert pair.client.state is State.PROGRAMMING


def test_a_damaged_refusal_of_a_write_is_repeated_but_the_write_is_not() -> None:
    pair = Pair(lambda server, _: server.refuse("ER07")).programming()
    pair.to_reader = spoil_once(b"\x02")
    pair.client.command(Command("W", "5", "96.3.10(0)"))
    assert pair.run() == [Refused("ER07")]
    assert len(pair.commands) == 1


def test_a_line_that_damages_everything_ends_the_session() -> None:
    pair = Pair().programming()
    pair.to_reader = lambda data: data[:-1] + bytes([data[-1] ^ 1])
    pair.client.command(Command("R", "5", "1.8.0()"))
    with pytest.raises(ChecksumMismatch):
        pair.run()
    assert pair.client.state is State.BROKEN
    with pytest.raises(OutOfTurn):
        pair.client.receive(b"\x06")


def test_a_meter_that_keeps_asking_is_given_up() -> None:
    pair = Pair().programming()
    pair.client.command(Command("R", "5", "1.8.0()"))
    asked = 0
    events: list[Event] = []
    while not events:
        pair.client.to_send()
        asked += 1
        events = pair.client.receive(encode(Signal.REPEAT))
    assert (events, asked) == ([Refused("NAK")], 4)


@pytest.mark.parametrize("text", ["(0.123)" * 10, ""])
def test_an_answer_of_endless_blocks_is_cut_off(text: str) -> None:
    client = ClientSession(answer_limit=1000)
    client.sign_on()
    client.receive(encode(IDENTITY))
    client.enter_programming()
    client.receive(encode(Command("P", "0", "()")))
    client.command(Command("R", "6", "P.01(;)"))
    block = encode(Block(text, last=False))
    with pytest.raises(TelegramTooLong):
        client.receive(block * 1000)


@pytest.mark.parametrize(
    "act",
    [
        lambda session: session.read_out(),
        lambda session: session.enter_programming(),
        lambda session: session.command(PASSWORD),
    ],
)
def test_nothing_comes_before_the_sign_on(act: Callable[[ClientSession], None]) -> None:
    with pytest.raises(OutOfTurn, match="needs a session"):
        act(ClientSession())


@pytest.mark.parametrize("frame", [Block("1(2)"), Signal.ACKNOWLEDGE, Command("P", "0", "()")])
def test_an_answer_nobody_waits_for_is_refused(frame: Block) -> None:
    client = ClientSession()
    client.sign_on()
    with pytest.raises(MalformedTelegram):
        client.receive(encode(frame))


def test_a_meter_may_end_the_session_instead_of_answering() -> None:
    pair = Pair().programming()
    pair.client.command(PASSWORD)
    assert pair.client.receive(encode(Command("B", "0"))) == [SignedOff()]
    assert pair.client.state is State.ENDED


def test_a_meter_may_refuse_programming_mode() -> None:
    client = ClientSession()
    client.sign_on()
    client.receive(encode(IDENTITY))
    client.enter_programming()
    assert client.receive(encode(Block("(ER09)"))) == [Refused("ER09")]


def test_midway_tells_an_answer_that_began() -> None:
    pair = Pair().programming()
    pair.client.command(Command("R", "5", "1.8.0()"))
    assert not pair.client.midway
    pair.client.receive(b"\x021.8.0(")
    assert pair.client.midway


SIGNED_ON = encode(IDENTITY), encode(Command("P", "0", "()"))
TELEGRAMS = b"".join(
    [
        *SIGNED_ON,
        encode(Block("1.8.0(000123.456*kWh)")),
        encode(Block("P.01(02611251200)(00)(15)(1)(1.29.0)(kWh)\r\n(0.100)\r\n")),
        encode(Signal.ACKNOWLEDGE),
    ]
)


def listen(data: bytes) -> None:
    """Take arbitrary bytes in every waiting state; only a ProtocolError may come of it."""
    for steps in range(4):
        client = ClientSession(frame_limit=2000, answer_limit=4000)
        client.sign_on()
        if steps > 0:
            client.receive(SIGNED_ON[0])
            client.enter_programming()
        if steps > 1:
            client.receive(SIGNED_ON[1])
            client.command(Command("R" if steps == 2 else "W", "5", "1.8.0()"))
        try:
            client.receive(data)
        except ProtocolError:
            assert client.state is State.BROKEN
        assert len(client.to_send()) < 10_000


@given(st.binary(max_size=300))
def test_random_bytes_break_no_reader(data: bytes) -> None:
    listen(data)


@given(st.integers(0, len(TELEGRAMS) - 1), st.integers(0, 255), st.integers(0, len(TELEGRAMS)))
def test_a_changed_byte_or_a_cut_breaks_no_reader(at: int, byte: int, end: int) -> None:
    listen((TELEGRAMS[:at] + bytes([byte]) + TELEGRAMS[at + 1 :])[:end])


@given(st.binary(max_size=300), st.booleans())
def test_random_bytes_break_no_meter(data: bytes, identified: bool) -> None:
    server = ServerSession()
    if identified:
        server.receive(b"/?!\r\n")
        server.identify(IDENTITY)
    with suppress(ProtocolError):
        for event in server.receive(data):
            if isinstance(event, Commanded):
                server.acknowledge()
    assert len(server.to_send()) < 10_000


@given(st.integers(1, len(encode(Block("1.8.0(000123.456*kWh)"))) - 1), st.integers(0, 127))
def test_no_single_changed_byte_passes_for_a_reading(at: int, byte: int) -> None:
    good = encode(Block("1.8.0(000123.456*kWh)"))
    bad = good[:at] + bytes([byte]) + good[at + 1 :]
    pair = Pair().programming()
    pair.client.command(Command("R", "5", "1.8.0()"))
    try:
        events = pair.client.receive(bad)
    except ProtocolError:
        return
    assert bad == good or events == []
