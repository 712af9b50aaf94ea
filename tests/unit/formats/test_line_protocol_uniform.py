"""Line protocol of a fleet: bodies of lines alike are cut at once, and say what the careful way reads in them."""

from __future__ import annotations

import os

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gridwright.formats.line_protocol.columns import PRECISIONS, FieldValues
from gridwright.formats.line_protocol.known import Known, Vocabulary
from gridwright.formats.line_protocol.line import number_of, whole_of
from gridwright.formats.line_protocol.numbers import read_numbers
from gridwright.formats.line_protocol.read import read_any, read_line_protocol, read_uniform
from gridwright.formats.line_protocol.words import LONGEST, Words

NOW_US = 1_764_000_000_000_000
KNOWN = Vocabulary().known()
EXAMPLES = 5_000 if os.environ.get("GRIDWRIGHT_TEST_LONG") else 120


def said(values: FieldValues) -> list[tuple[object, ...]]:
    """Return the columns as rows; values by their bytes, for 0 is not -0."""
    origins = [values.origins[at] for at in values.origin.tolist()]
    names = [values.fields[at] for at in values.field.tolist()]
    value = [one.tobytes() for one in values.value]
    return list(zip(origins, names, value, values.at_us.tolist(), values.line.tolist(), strict=True))


def both(body: bytes, precision: str = "ns") -> FieldValues | None:
    """Read a body both ways; what is read at once must be the same."""
    quick = read_uniform(body, KNOWN, NOW_US, PRECISIONS[precision])
    careful = read_any(body, KNOWN, NOW_US, PRECISIONS[precision])
    if quick is not None:
        assert not careful.faults
        assert said(quick) == said(careful)
        assert (quick.lines, quick.value.size) == (careful.lines, careful.value.size)
    return quick


USUAL = [
    b"energy,usage_point=UP-1 energy_kwh=0.25 1764000000000000000\nenergy,usage_point=UP-2 energy_kwh=12 17640009\n",
    b"m f=1 1764000000\nm f=-1.5 -5",
    b"power,meter=1 w=15i 1\npower,meter=1 w=-7i 2\n",
    b"state,meter=1 on=true 1\nstate,meter=1 on=F 2\n",
    b"energy,meter=1 kwh=1\nenergy,meter=2 kwh=2\n",
    b"energy,meter=1 kwh=1 5\nenergy,meter=1 voltage=230.1 5\n",
    b"cpu,host=a user=1.5,system=2i,on=t 5\ncpu,host=b user=0.25,system=3i,on=f 5\n",
    b"a,b=c,d=e f=1,g=2 5\nmem g=1,f=2 5\n",
    b"z\xc3\xa4hler,t=\xc3\xb6 f\xc3\xbc=1 5\n",
    b"m f=1e3 5\nm f=1.7976931348623157e308 5\nm f=+1 5\nm f=0.30000000000000004 5\nm f=-0.0 5\n",
    b"m f=9007199254740993 5\nm f=9007199254740993i 5\nm f=123456789.1234567 5\nm f=.5 5\nm f=5. 5\n",
    b"m f=1 9223372036854775\nm f=1 0000000000000000005\n",
]


@pytest.mark.parametrize("body", USUAL)
def test_usual_bodies_are_cut_at_once(body: bytes) -> None:
    assert both(body) is not None


# Each looks alike at first, and is not; or is what another reader of columns would take for a number.
UNUSUAL = [
    *(f"m f=1 5\nm f={text} 5\n".encode() for text in ("0x10", "0x10i", "1_000", "nan", "inf", "NA", "", "null")),
    *(
        f"m f=1 5\nm f={text} 5\n".encode()
        for text in ("1.2.3", ".", "-", "1-", "--1", "1e999", "i", "1.5i", "1,g", "=1")
    ),
    *(f"m f=1 5\nm f=1 {text}\n".encode() for text in ("1.5", "0x5", "5\t", "5 5", "99999999999999999999", "", "1_0")),
    *(f"m f=1 5\n{line}\n".encode() for line in ("", "# f=1 5", "#m f=1 5", " f=1 5", "m  5", "m f=1", "m,t f=1 5")),
    b'm f=1 5\nm f="a" 5\n',
    b"m f=1 5\nm\\ n f=1 5\n",
    b"m f=1 5\r\nm f=1 5\r\n",
    b"\xef\xbb\xbfm f=1 5\nm f=1\x00 5\n",
    b"m,t=\xff f=1 5\nm f=1 5\n",
    b"m f\xff=1 5\nm f\xff=1 5\n",
    b"m f=1,g=2 5\nm f=1 5\n",
    b"m f=1,g=2 5\nm f=1 5\nm f=1,g=2,h=3 5\n",
    b"",
    b"\n",
    b"m",
]


@pytest.mark.parametrize("body", UNUSUAL)
def test_what_is_not_as_usual_is_left_to_the_careful_way(body: bytes) -> None:
    assert both(body) is None
    assert said(read_line_protocol(body, precision="ns", received_us=NOW_US)) == said(
        read_any(body, KNOWN, NOW_US, PRECISIONS["ns"])
    )


key = st.sampled_from(
    ["m", "energy,usage_point=UP-1", "energy,usage_point=UP-000002", "ä,b=ö,c=" + "d" * 300, "a,b=c,d=e"]
)
number = st.one_of(
    st.decimals(-(10**6), 10**6, places=3).map(str),
    st.floats(allow_nan=False).map(repr),
    st.integers(-(10**18), 10**18).map(lambda n: f"{n}i"),
    st.integers(0, 10**9).map(str),
    st.sampled_from(["true", "F", "-0", "1e5"]),
)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Write lines of a kind, and damage a few bytes of some."""
    names = draw(st.lists(st.sampled_from(["f", "energy_kwh", "w", "ü"]), min_size=1, max_size=3, unique=True))
    stamped, lines = draw(st.booleans()), []
    for _ in range(draw(st.integers(1, 6))):
        fields = ",".join(f"{name}={draw(number)}" for name in names)
        stamp = f" {draw(st.integers(-5, 1 << 61))}" if stamped else ""
        lines.append(f"{draw(key)} {fields}{stamp}")
    body = bytearray("\n".join(lines).encode() + draw(st.sampled_from([b"\n", b""])))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(body) - 1))
        body[at] = draw(st.sampled_from(b'\x00\t\n\r "#+,-.019=\\eix_\x80\xff') | st.integers(0, 255))
    return bytes(body)


@settings(max_examples=EXAMPLES)
@given(bodies(), st.sampled_from(["ns", "us", "ms", "s"]))
@example(b"m f=00000000.5 5\n", "ns")
@example(b"a b=1 5\na =1 5\n", "ns")
@example(b"energy,usage_point=UP-000002 f=0 5\ni-ergy,usage_point=UP-000002 f=0 5\n", "ns")
@example(b"m f=0 5\nenergy,usage_point=UP-000002,another=tag f=0 1764000000000000000\n", "ns")
def test_both_ways_read_the_same(body: bytes, precision: str) -> None:
    both(body, precision)


written = st.one_of(
    st.text("0123456789", min_size=1, max_size=20),
    st.text("0123456789.-", min_size=1, max_size=18),
    st.text("0123456789.-+eEix/:", min_size=1, max_size=8),
    st.floats().map(repr),
)


@given(st.lists(written, min_size=1, max_size=20))
def test_numbers_are_read_as_they_are_written(pieces: list[str]) -> None:
    body = " ".join(pieces).encode()
    size = np.array([len(piece) for piece in pieces])
    end = np.cumsum(size + 1) - 1
    value, bad = read_numbers(np.frombuffer(body, np.uint8), Words(body), end - size, end)
    for piece, read, wrong in zip(pieces, value, bad.tolist(), strict=True):
        one = whole_of(piece[:-1]) if piece[-1] in "iu" else number_of(piece)
        assert wrong is (one is None or not np.isfinite(one) if piece[-1] not in "eE" else True)
        assert wrong or np.float64(float(one or 0)).tobytes() == (read.tobytes() if one else abs(read).tobytes())


def test_many_long_numbers_are_read_in_a_column_and_a_strange_one_costs_no_other() -> None:
    texts = [f"{n / 7!r}" for n in range(1, 200)]
    for strange in ("", "0x1p3", "1e0001"):
        pieces = [*texts, strange] if strange else texts
        body = " ".join(pieces).encode()
        size = np.array([len(piece) for piece in pieces])
        end = np.cumsum(size + 1) - 1
        value, bad = read_numbers(np.frombuffer(body, np.uint8), Words(body), end - size, end)
        assert value[: len(texts)].tolist() == [float(text) for text in texts]
        assert bad.tolist() == [False] * len(texts) + ([strange == "0x1p3"] if strange else [])


def test_a_piece_has_one_number_however_many_there_are() -> None:
    known: Known[bytes] = Known(lambda piece: piece)
    for first in range(0, 6_000, 500):
        pieces = [b"%d" % (at % 4_000) * (1 + at % 3) for at in range(first, first + 1_000)]
        pieces += [b"x" * (LONGEST + 1), b"\0a", b"a", b""]
        body = b" ".join(pieces)
        size = np.array([len(piece) for piece in pieces])
        end = np.cumsum(size + 1) - 1
        number = known.numbers(body, Words(body), end - size, end)
        assert [known.found[at] for at in number.tolist()] == pieces
        assert known.sound[number].all()
    assert len(known.found) == len(set(known.found))


def test_pieces_that_collide_are_told_apart() -> None:
    known: Known[bytes] = Known(lambda piece: piece)
    known._odd = [np.uint64(0)] * len(known._odd)  # as if all hashes were bad luck
    pieces = [b"%03d" % at for at in range(100)] * 2
    body = b"".join(pieces)
    end = 3 * np.arange(1, 201)
    for _ in range(2):
        number = known.numbers(body, Words(body), end - 3, end)
        assert [known.found[at] for at in number.tolist()] == pieces
