"""What is done to a sound input: each attack yields changed ones, few by default, many with GRIDWRIGHT_TEST_LONG."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import random
import zipfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache

from tests.fuzz.samples import Sample

LONG = bool(os.environ.get("GRIDWRIGHT_TEST_LONG"))
TRIES = 4_000 if LONG else 12
MOST = 16  # of one attack on one entrance
GIANT = 100 << 20 if LONG else 100_000
DEEP = 2_000_000 if LONG else 30_000
MARKS = (
    *(bytes([mark]) for mark in b",;:|\t\n\r \"'<>&{}[]()+?=*!/\\#-.9\0\xff\xfc\x80"),
    b"null", b"NaN", b"1e999", b"<!--", b"]]>", b"<![CDATA[", b"\xef\xbb\xbf", b"9" * 30, b"\r\n\r\n",
)  # fmt: skip
NO_NUMBERS = (
    "NaN", "nan", "inf", "-inf", "Infinity", "1e308", "1e400", "-1e400", "5e-324", "-0", "-0.0", "0x10", "1_000",
    "\uff11\uff12", "", "null", "true", "1,5", "1.5.5", "--1", "9" * 400, "0." + "1" * 400, "+7", "1e", "七",
)  # fmt: skip
NO_INSTANTS = (
    "0001-01-01T00:00:00Z", "1600-01-01 00:00", "1969-12-31T23:59:59Z", "2025-02-30T00:00:00Z", "2025-03-01T24:00:00Z",
    "2025-03-01T25:00:00Z", "2399-12-31T23:30:00Z", "9999-12-31T23:59:59Z", "99999-01-01", "-1", "0", "1e18",
    "9" * 19, "9" * 400, "", "null", "2025-13-01", "31/12/2025", "000000000000", "999999999999",
    "\u0662\u0660\u0662\u0665-03-01", "2025-03-01T03:30:00+99:99", "2025-03-01T03:30:60Z", "now",
)  # fmt: skip
HOSTILE_NAMES = (
    "", " ", "\0", "a\0b", "../../etc/passwd", "=HYPERLINK(1)", "\u202e", "💡", "'; DROP TABLE usage_point; --", "%s%n",
    "\r\nX", "#", "+", "$SYS", "a/b", "x" * 5_000, "\ud7ff", "NaN", "null", "{usage_point}", "<b>", "&lt;", "&xxe;",
)  # fmt: skip


def seeded(seed: int) -> random.Random:
    """Return chance that is the same every time."""
    return random.Random(seed)  # noqa: S311 - no secret


def one_byte(sample: Sample) -> Iterator[bytes]:
    """Change one byte: every place when long, else some."""
    data, chance = sample.data, seeded(1)
    places = range(len(data)) if LONG else chance.sample(range(len(data)), min(TRIES, len(data)))
    for at in places:
        for byte in (chance.randrange(256), chance.choice(MARKS)[0], data[at] ^ 1):
            yield data[:at] + bytes([byte]) + data[at + 1 :]


def cut_off(sample: Sample) -> Iterator[bytes]:
    """Cut the end off: at every byte when long."""
    size = len(sample.data)
    for end in range(size) if LONG else sorted(seeded(2).sample(range(size), min(2 * TRIES, size))):
        yield sample.data[:end]


def pieces(sample: Sample) -> Iterator[bytes]:
    """Put in, take out, and repeat pieces, several at a time."""
    chance = seeded(3)
    for _ in range(3 * TRIES):
        data = bytearray(sample.data)
        for _ in range(chance.randrange(1, 4)):
            at, other = chance.randrange(len(data) + 1), chance.randrange(len(data) + 1)
            told = chance.randrange(3)
            if told == 0:
                data[at:at] = chance.choice(MARKS) * chance.choice((1, 1, 3))
            elif told == 1:
                del data[at : at + chance.choice((1, 2, 5, 40))]
            else:
                data[at:at] = data[min(at, other) : max(at, other)]
            data = data or bytearray(b" ")
        yield bytes(data)


def replaced(word: Callable[[Sample], bytes], texts: Iterable[str]) -> Callable[[Sample], Iterator[bytes]]:
    """Return the attack that writes other texts in place of a word, once and everywhere."""

    def attack(sample: Sample) -> Iterator[bytes]:
        if not word(sample):
            return
        for text in texts:
            for count in (1, -1):
                yield sample.data.replace(word(sample), text.encode("utf-8", "surrogatepass"), count)

    return attack


def giant(sample: Sample) -> Iterator[bytes]:
    """Put a field of a hundred megabytes (long) in place of each word."""
    words = [word for word in (sample.value, sample.stamp, sample.name) if word] or [sample.data[20:24]]
    for word in words if not LONG else words[:1]:
        for mark in (b"9", b"x", b"'") if not LONG else (b"9", b"x", b",", b"\xc3\xa9"):
            yield sample.data.replace(word, mark * (GIANT // len(mark)), 1)


def nested(sample: Sample) -> Iterator[bytes]:
    """Open more than anybody closes, before and inside the input."""
    for mark in (b"[", b"{", b'{"a":', b"(", b"<a>", b"<a ", b'"', b"<!--", b"\x91", b"\xdf\xff\xff\xff\xff"):
        yield mark * DEEP
        yield sample.data[:40] + mark * DEEP + sample.data[40:]


def encodings(sample: Sample) -> Iterator[bytes]:
    """Write the same text in other encodings, with marks, umlauts and zeros."""
    text = sample.data.decode("latin-1")
    for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig"):
        yield text.encode(name)
    yield sample.data.replace(sample.name or b"~", "Zähler".encode("latin-1"))
    yield sample.data.replace(sample.name or b"~", "户".encode("gb18030"))
    yield codecs.BOM_UTF16_LE + sample.data
    yield sample.data.replace(b"\n", b"\0\n")
    yield b"\0".join(bytes([byte]) for byte in sample.data)
    yield sample.data.replace(b"\n", b"\r")


def twice(sample: Sample) -> Iterator[bytes]:
    """Say the same again, and say it with another value."""
    yield sample.data * 2
    yield sample.data + b"\n" + sample.data
    for record in sample.records[:3]:
        yield sample.data.replace(record, record + record)
        yield sample.data.replace(record, record + record.replace(b"7", b"8"))


def drifting(sample: Sample) -> Iterator[bytes]:
    """Reorder, repeat, rename and leave out columns or lines half-way."""
    lines = sample.data.splitlines(keepends=True)
    for seed in range(4):
        shuffled = lines[1:]
        seeded(seed).shuffle(shuffled)
        yield b"".join([*lines[:1], *shuffled])
    middle = len(lines) // 2
    yield b"".join([*lines[:middle], *lines[:1], *lines[middle:]])
    for mark in (b",", b";", b"+", b":", b" "):
        reversed_ = [mark.join(reversed(line.rstrip(b"\r\n").split(mark))) + b"\n" for line in lines[middle:]]
        fewer = [mark.join(line.rstrip(b"\r\n").split(mark)[:-1]) + b"\n" for line in lines[middle:]]
        more = [line.rstrip(b"\r\n") + mark + b"1\n" for line in lines[middle:]]
        for changed in (reversed_, fewer, more):
            yield b"".join(lines[:middle] + changed)
    yield sample.data.replace(b"\n", b"\n\n")
    yield b"".join(reversed(lines))


def bombs(sample: Sample) -> Iterator[bytes]:
    """Send what unpacks to a thousand times its size."""
    del sample
    yield from packed_zeros()


@cache
def packed_zeros() -> tuple[bytes, ...]:
    """Pack zeros, and zips of zips, as tightly as zlib can."""
    zeros = b"0" * (32 << 20)
    found = [gzip.compress(zeros)]
    inner = zeros
    for _ in range(3):
        sink = io.BytesIO()
        with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("../../inner.zip", inner)
        inner = sink.getvalue()
        found += [inner, gzip.compress(inner)]
    return tuple(found)


LAUGHS = b"".join(b'<!ENTITY l%d "%s">' % (at, b"&l%d;" % (at - 1) * 10) for at in range(1, 10))
DOCTYPES = (
    b'<!DOCTYPE r [<!ENTITY l0 "ha">' + LAUGHS + b"]>",
    b'<!DOCTYPE r [<!ENTITY xxe SYSTEM "file:///etc/passwd">]>',
    b'<!DOCTYPE r SYSTEM "http://127.0.0.1:9/x.dtd">',
    b'<!DOCTYPE r [<!ENTITY % p SYSTEM "file:///dev/random">%p;]>',
)


def markup(sample: Sample) -> Iterator[bytes]:
    """Declare document types and entities, hide records in comments and CDATA, nest deeply, give huge attributes."""
    data = sample.data
    root = data.index(b"<", data.find(b"?>") + 1) if b"?>" in data else 0
    word = sample.value or b"7"
    for doctype in DOCTYPES:
        yield data[:root] + doctype + data[root:]
        yield (data[:root] + doctype + data[root:]).replace(word, b"&xxe;", 1).replace(sample.name, b"&l9;")
    yield data.replace(word, b"<![CDATA[" + word + b"]]>", 1)
    yield data.replace(word, b"&#55;" + word[1:], 1)
    for record in sample.records[:2]:
        yield data.replace(record, b"<!--" + record + b"-->")
        yield data.replace(record, b"<![CDATA[" + record + b"]]>")
        yield data.replace(record, record.replace(b">", b" a='" + b"x" * GIANT + b"'>", 1))
        yield data.replace(record, b"<d>" * DEEP + record + b"</d>" * DEEP)
        yield data.replace(record, b"<!--" * DEEP + record)
        yield data.replace(record, b"<?x " * DEEP + record)


def noise(sample: Sample) -> Iterator[bytes]:
    """Send nothing, blanks, zeros and chance."""
    del sample
    yield from (b"", b"\n", b" " * 1000, b"\0" * 1000, b"\xff" * 1000, b"\xef\xbb\xbf", b"\xff\xfe", b"PK\x03\x04")
    chance = seeded(4)
    for _ in range(TRIES):
        yield chance.randbytes(chance.randrange(1, 400))


ATTACKS: dict[str, Callable[[Sample], Iterator[bytes]]] = {
    "one byte": one_byte,
    "cut off": cut_off,
    "pieces": pieces,
    "no number": replaced(lambda sample: sample.value, NO_NUMBERS),
    "no instant": replaced(lambda sample: sample.stamp, NO_INSTANTS),
    "hostile name": replaced(lambda sample: sample.name, HOSTILE_NAMES),
    "giant field": giant,
    "nesting": nested,
    "encodings": encodings,
    "twice": twice,
    "drift": drifting,
    "bombs": bombs,
    "noise": noise,
}
MARKUP = {"markup": markup}


def inputs(attack: Callable[[Sample], Iterator[bytes]], sample: Sample) -> Iterator[bytes]:
    """Yield the changed inputs of an attack; by default some of them, evenly from the first to the last."""
    if LONG:
        yield from attack(sample)
        return
    changed = list(attack(sample))
    yield from changed[:: -(-len(changed) // MOST) or 1]
