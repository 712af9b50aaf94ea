"""Messages: bytes of real meters' manuals, streams cut anywhere, and what is refused with its offset."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridwright.protocols.iec62056_21 import (
    Block,
    ChecksumMismatch,
    Command,
    Frame,
    Framer,
    Identification,
    MalformedTelegram,
    OptionSelect,
    Request,
    Signal,
    TelegramTooLong,
    encode,
    with_parity,
    without_parity,
)

# LEM EM4TII+ manual of 5 November 2020, page 27: examples of read-outs with their block check characters.
LEM = [
    (Request(), b"/?!\r\n"),
    (Identification("EMH", "5", "D4EM4TIIW001--", "@"), b"/EMH5\\@D4EM4TIIW001--\r\n"),
    (OptionSelect("5", "0"), b"\x06050\r\n"),
    (OptionSelect("5", "1"), b"\x06051\r\n"),
    (Command("P", "0", "()"), b"\x01P0\x02()\x03`"),
    (Command("P", "1", "(00000000)"), b"\x01P1\x02(00000000)\x03a"),
    (Command("R", "5", "0.9.2()"), b"\x01R5\x020.9.2()\x03\\"),
    (Command("R", "5", "0.9.1()"), b"\x01R5\x020.9.1()\x03_"),
    (Block("0.9.2(130103)"), b"\x020.9.2(130103)\x039"),
    (Block("0.9.1(101415)"), b"\x020.9.1(101415)\x03:"),
    (Command("W", "5", "1-0:0.9.129*255(1301031605000002)(00000000)"),
     b"\x01W5\x021-0:0.9.129*255(1301031605000002)(00000000)\x03^"),
    (Command("B", "0"), b"\x01B0\x03q"),
]  # fmt: skip

TEXT = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=40)
FRAMES: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Request, st.text("0123456789ABCxyz-", max_size=32)),
    st.builds(
        Identification,
        st.text("ABCabc", min_size=3, max_size=3),
        st.sampled_from("0123456"),
        st.text("ABC123-", max_size=16),
        st.sampled_from(["", "2", "@2"]),
    ),
    st.builds(Command, st.sampled_from("PWREB"), st.sampled_from("0123456"), TEXT, st.booleans()),
    st.builds(Block, TEXT, st.booleans()),
    st.just(Signal.REPEAT),
)


def framed(*chunks: bytes, options: bool = False, limit: int = 4096) -> list[Frame]:
    framer = Framer(limit)
    framer.options = options
    found: list[Frame] = []
    for chunk in chunks:
        framer.feed(chunk)
        while (frame := framer.next_frame()) is not None:
            found.append(frame)
    return found


@pytest.mark.parametrize(("frame", "data"), LEM, ids=[repr(data) for _, data in LEM])
def test_a_real_meters_bytes(frame: Frame, data: bytes) -> None:
    assert encode(frame) == data
    assert framed(data, options=isinstance(frame, OptionSelect)) == [frame]


@given(st.lists(FRAMES, max_size=6), st.data())
def test_messages_survive_any_cut_of_the_stream(frames: list[Frame], data: st.DataObject) -> None:
    stream = b"".join(map(encode, frames))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert framed(*chunks) == frames


def test_idle_bytes_between_messages_are_let_through() -> None:
    assert framed(b"\x00\x00\r\n" + encode(Block("1(2)")) + b"\r\n\x00" + encode(Block("3(4)"))) == [
        Block("1(2)"),
        Block("3(4)"),
    ]


@pytest.mark.parametrize(
    ("data", "offset", "byte"),
    [
        (b"\x00\x00#", 2, 0x23),
        (b"\x021.8.0(\xb0", 7, 0xB0),
        (b"\x02ab\x02", 3, 0x02),
        (b"\x01R5\x02x\x02", 5, 0x02),
        (b"\x01R\x025", 2, 0x02),
        (b"/ABC5\x07\r\n", 5, 0x07),
    ],
)
def test_a_byte_that_cannot_be_is_named(data: bytes, offset: int, byte: int) -> None:
    with pytest.raises(MalformedTelegram) as caught:
        framed(data)
    assert (caught.value.offset, caught.value.byte) == (offset, byte)
    assert f"0x{byte:02X}" in str(caught.value)


@pytest.mark.parametrize("data", [b"/AB\r\n", b"/ABCx\r\n", b"/?a?b!\r\n", b"\x01X5\x02()\x03" + bytes([0x76])])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises((MalformedTelegram, ChecksumMismatch)):
        framed(data)


def test_an_option_select_is_refused_when_it_selects_nothing() -> None:
    with pytest.raises(MalformedTelegram, match="selects no option"):
        framed(b"\x06zz\r\n", options=True)


def test_the_eighth_bit_gets_a_hint() -> None:
    with pytest.raises(MalformedTelegram, match="7 with even parity"):
        framed(b"\xaf")


def test_a_wrong_checksum_tells_both_and_the_stream_goes_on() -> None:
    framer = Framer()
    framer.feed(b"\x021(2)\x03\x00" + encode(Block("3(4)")))
    with pytest.raises(ChecksumMismatch) as caught:
        framer.next_frame()
    assert (caught.value.received, caught.value.offset) == (0, 6)
    assert framer.next_frame() == Block("3(4)")


@pytest.mark.parametrize("start", [b"\x02", b"\x01R5\x02"])
def test_a_block_without_end_is_cut_off(start: bytes) -> None:
    with pytest.raises(TelegramTooLong, match="100"):
        framed(start, *[b"(0.1)" * 10] * 3, limit=100)


def test_a_line_without_end_is_cut_off() -> None:
    with pytest.raises(TelegramTooLong):
        framed(b"/" + b"A" * 200)


@given(st.binary().map(lambda data: bytes(byte & 0x7F for byte in data)))
def test_parity_is_even_and_comes_off_again(data: bytes) -> None:
    line = with_parity(data)
    assert without_parity(line) == data
    assert not any(byte.bit_count() % 2 for byte in line)
