"""Text as it comes: its encoding, the separator of its columns, and the words for no value."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from gridwright.domain.errors import UnreadableFile, UsageError
from gridwright.domain.verdict import Evidence
from gridwright.formats.catalogue import titles

SEPARATORS = ("\t", ";", "|", ",")
BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))
# Words that stand for "no value".
NO_VALUE = ("", "null", "na", "n/a", "nan", "none", "nil", "-", "--", "#n/a", "missing", "?")
CONTROLS = bytes(set(range(32)) - {9, 10, 12, 13, 27})
MOST_CONTROLS = 0.02
GBK_SHARE = 0.8
UTF8_SHARE = 0.5
HIGH_LINE = re.compile(rb"[^\n]*[\x80-\xff][^\n]*")
ASCII = bytes(range(128))
# The letters of Windows-1252 beyond ASCII, of which two may follow each other, and rarely three.
ACCENTED = bytes({*range(0xC0, 0x100), 0x8A, 0x8C, 0x8E, 0x9A, 0x9C, 0x9E, 0x9F} - {0xD7, 0xF7})
LONGEST_ACCENTED = 3
LATIN = "letters that are no UTF-8 were read as Latin-1; where a name is wrong, save the file as UTF-8"


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes become text: a Python codec and the length of the byte order mark before the text.

    `mixed`: some lines are UTF-8 in spite of the codec; what they name is not guessed.
    """

    name: str
    mark: int = 0
    mixed: bool = False

    @property
    def unit(self) -> str:
        """The numpy type of one code unit, in which a newline is the number 10."""
        return {"utf-16-le": "<u2", "utf-16-be": ">u2"}.get(self.name, "u1")

    @property
    def width(self) -> int:
        """Bytes of one code unit."""
        return 2 if self.name.startswith("utf-16") else 1

    def to_utf8(self, data: bytes) -> bytes:
        """Return bytes of the file as valid UTF-8; bytes that are no text become U+FFFD."""
        if self.mixed:
            return HIGH_LINE.sub(lambda line: self._line(line[0]), data)
        return data.decode(self.name, "replace").encode("utf-8", "replace")

    def _line(self, line: bytes) -> bytes:
        """Return a line as UTF-8, without its letters beyond ASCII where it was UTF-8 in a file of another encoding."""
        if _is_utf8(line):
            return re.sub("[^\x00-\x7f]", "\ufffd", line.decode()).encode()
        return line.decode(self.name, "replace").encode()

    @property
    def is_bytewise(self) -> bool:
        """Whether the bytes are UTF-8 already."""
        return self.name == "utf-8"


def text_of(data: bytes) -> str:
    """Return a text whose format names no encoding: UTF-8 where it is that, else Latin-1, of which every byte is."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def encoding_notes(data: bytes) -> tuple[str, ...]:
    """Tell where some of a text of such a format is no UTF-8."""
    return () if data.isascii() or _is_utf8(data) else (LATIN,)


def encoding_of(sample: bytes, wanted: str = "") -> tuple[Encoding, Evidence]:
    """Detect the encoding of a sample; binary content is UnreadableFile."""
    mark, marked = next(((len(bom), name) for bom, name in BOMS if sample.startswith(bom)), (0, ""))
    if wanted:
        return _wanted(sample, wanted, mark)
    if marked:
        return Encoding(marked, mark), _told(marked, "the file starts with its byte order mark")
    if guessed := _utf16(sample):
        return Encoding(guessed), _told(guessed, "every second byte is zero")
    body = sample
    if len(body.translate(None, CONTROLS)) < len(body) * (1 - MOST_CONTROLS):
        controls = len(body) - len(body.translate(None, CONTROLS))
        raise UnreadableFile(
            f"this is no text: {controls} control characters in {len(body)} bytes",
            remedy=f"export the readings as {titles()}; unpack archives first",
        )
    return _bytewise(body)


def _wanted(sample: bytes, wanted: str, mark: int) -> tuple[Encoding, Evidence]:
    try:
        name = codecs.lookup(wanted).name
    except LookupError as error:
        raise UsageError(f"unknown encoding {wanted!r}", remedy="use utf-8, utf-16, cp1252, gb18030 ...") from error
    if name in {"utf-8-sig", "ascii"}:
        name = "utf-8"
    if name == "utf-16":
        name = "utf-16-be" if sample.startswith(codecs.BOM_UTF16_BE) else "utf-16-le"
    return Encoding(name, mark), Evidence("encoding", name, "given", "--encoding")


def _told(name: str, because: str) -> Evidence:
    return Evidence("encoding", name, because, "--encoding")


def utf16_of(sample: bytes) -> str:
    """Return utf-16-le or utf-16-be where the beginning of a text is in it, with or without its mark; else nothing."""
    marked = next((name for bom, name in BOMS if sample.startswith(bom)), "")
    return (marked if marked.startswith("utf-16") else "") or _utf16(sample)


def _utf16(sample: bytes) -> str:
    """Tell UTF-16 without a mark by its zero bytes."""
    if len(sample) < 16:  # noqa: PLR2004 - too short to tell
        return ""
    units = np.frombuffer(sample[: min(len(sample), 4096) // 2 * 2], np.uint8).reshape(-1, 2)
    first, second = (units == 0).mean(axis=0)
    if second > 0.7 and first < 0.1:  # noqa: PLR2004 - nearly all text of tables is ASCII
        return "utf-16-le"
    return "utf-16-be" if first > 0.7 and second < 0.1 else ""  # noqa: PLR2004


def _bytewise(sample: bytes) -> tuple[Encoding, Evidence]:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(sample)  # a character cut off at the end of the sample is no error
    except UnicodeDecodeError as error:
        return _legacy(sample, error.start)
    if sample.isascii():
        return Encoding("utf-8"), _told("utf-8", "every byte is ASCII")
    return Encoding("utf-8"), _told("utf-8", "every byte sequence is valid UTF-8")


def _legacy(sample: bytes, bad: int) -> tuple[Encoding, Evidence]:
    """Tell damaged UTF-8, GBK, whose high bytes come in pairs, and Windows-1252, in which they mostly stand alone."""
    lines = HIGH_LINE.findall(sample)
    sound = sum(map(_is_utf8, lines))
    # Accented letters of other encodings hardly ever make UTF-8: lines that are it tell what the file is meant to be.
    if sound >= UTF8_SHARE * len(lines):
        told = f"{sound} of the {len(lines)} lines with letters beyond ASCII are UTF-8; bytes of the others are no text"
        return Encoding("utf-8"), _told("utf-8", told)
    runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", sample)]
    # One damaged byte in a file of plain text is damage, not another encoding.
    if sum(runs) == 1 and len(sample) > 1000:  # noqa: PLR2004 - one byte in a long text
        return Encoding("utf-8"), _told("utf-8", f"all but byte {bad} is ASCII")
    if _in_pairs(sample, runs) and _decodes(sample, "gb18030"):
        return Encoding("gb18030"), _told("gb18030", "not UTF-8, and high bytes come in pairs as Chinese letters do")
    told = f"byte {bad} is not UTF-8, and high bytes stand alone"
    if sound:
        told += f"; {sound} lines are UTF-8 all the same, and their letters beyond ASCII are not read"
    return Encoding("cp1252", mixed=sound > 0), _told("cp1252", told)


def _in_pairs(sample: bytes, runs: Sequence[int]) -> bool:
    """Tell whether high bytes come in pairs, and not only as two accented letters in a row, as in `Größe`."""
    paired = sum(length % 2 == 0 for length in runs) >= GBK_SHARE * len(runs)
    return paired and (max(runs) > LONGEST_ACCENTED or bool(sample.translate(None, ACCENTED + ASCII)))


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decodes(sample: bytes, name: str) -> bool:
    decoder = codecs.getincrementaldecoder(name)()
    try:
        decoder.decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def separator_of(lines: Sequence[str], wanted: str = "") -> tuple[str, Evidence]:
    """Find the separator that gives the most lines the same number of columns, more than one."""
    if wanted:
        named = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}.get(wanted.lower(), wanted)
        if len(named) != 1:
            raise UsageError(f"{wanted!r} is no separator", remedy="give one character, or `tab`")
        return named, Evidence("separator", wanted, "given", "--separator")
    scores = {mark: _evenness(lines, mark) for mark in SEPARATORS}
    best = max(SEPARATORS, key=lambda mark: (round(scores[mark][0], 1), -SEPARATORS.index(mark)))
    share, columns = scores[best]
    if not share:
        raise UnreadableFile(
            "no separator gives the lines the same number of columns",
            remedy="say it with --separator, or check that this is a table",
        )
    shown = "tab" if best == "\t" else best
    return best, Evidence("separator", shown, f"{share:.0%} of the lines have {columns} columns by it", "--separator")


def _evenness(lines: Sequence[str], mark: str) -> tuple[float, int]:
    counts = Counter(len(row) for row in rows_of(lines, mark) if row)
    shared = [(number, columns) for columns, number in counts.items() if columns > 1]
    if not shared:
        return 0.0, 0
    number, columns = max(shared)
    return number / sum(counts.values()), columns


def rows_of(lines: Iterable[str], separator: str) -> list[list[str]]:
    """Split lines as RFC 4180 says; a row that cannot be split (a line too long) counts as one column."""
    rows: list[list[str]] = []
    reader = csv.reader(lines, delimiter=separator)
    while True:
        try:
            rows.append(next(reader))
        except StopIteration:
            return rows
        except csv.Error:
            rows.append([])


def is_open(lines: Iterable[str], separator: str) -> bool:
    """Tell whether a quote in the last field is never closed, so that nobody knows where it ends."""
    try:
        for _ in csv.reader(lines, delimiter=separator, strict=True):
            pass
    except csv.Error as error:
        return str(error) == "unexpected end of data"
    return False


def split_line(line: str, separator: str) -> list[str]:
    """Split one line."""
    rows = rows_of([line], separator)
    return rows[0] if rows else []


def shortened(text: str, most: int) -> str:
    """Return a text, or the beginning of a longer one."""
    return text if len(text) <= most else f"{text[:most]}…"


def is_no_value(text: str) -> bool:
    """Tell whether a text stands for "no value"."""
    return text.strip().lower() in NO_VALUE
