"""EDIFACT text to segments: service characters, released characters, and where each segment and component lies."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gridwright.formats.nem12.numbers import LAST, PAD, WORD, Text, padded, words

Index = npt.NDArray[np.int64]
# The characters that the text is brought to: no sender writes these.
ELEMENT, COMPONENT, TERMINATOR = 0x1D, 0x1F, 0x1E
RELEASED = (b"\x01", b"\x02", b"\x03", b"\x04")
STAND_IN = re.compile(rb"[\x01-\x04]")
PLUS = RELEASED[1][0]  # a released +, as in the offset of a time
BLANKS = (10, 13, 32)
TAG = 4


@dataclass(frozen=True, slots=True)
class Marks:
    """The service characters of an interchange (UNA), one byte each."""

    component: bytes = b":"
    element: bytes = b"+"
    decimal: bytes = b"."
    release: bytes = b"?"
    terminator: bytes = b"'"

    @property
    def released(self) -> tuple[bytes, ...]:
        """What the released characters stand for."""
        return (self.release, self.element, self.component, self.terminator)

    def protect(self, data: bytes) -> bytes:
        """Bring the separators to ours; a released character becomes a stand-in that separates nothing."""
        if self.release.strip():
            for mark, stand_in in zip(self.released, RELEASED, strict=True):
                data = data.replace(self.release + mark, stand_in)
        source = self.element + self.component + self.terminator
        target = bytes((ELEMENT, COMPONENT, TERMINATOR))
        if self.decimal == b",":
            source, target = source + b",", target + b"."
        return data.translate(bytes.maketrans(source, target))

    def plain(self, data: bytes) -> str:
        """Return the text of a component, released characters restored; UNOC is ISO 8859-1."""
        if STAND_IN.search(data):
            for stand_in, mark in zip(RELEASED, self.released, strict=True):
                data = data.replace(stand_in, mark)
        return data.decode("latin-1").strip()

    def shown(self, data: bytes) -> str:
        """Return a piece of a text with its separators, as the sender wrote it but for released characters."""
        ours = bytes((ELEMENT, COMPONENT, TERMINATOR))
        theirs = self.element + self.component + self.terminator
        return self.plain(data.translate(bytes.maketrans(ours, theirs)))


def marks_of(head: bytes) -> Marks:
    """Return the service characters that UNA tells, the usual ones without it."""
    at = head.lstrip(b"\xef\xbb\xbf \r\n")
    if not at.startswith(b"UNA") or len(at) < 9:  # noqa: PLR2004 - UNA and six characters
        return Marks()
    component, element, decimal, release, _, terminator = (at[k : k + 1] for k in range(3, 9))
    return Marks(component, element, decimal, release, terminator)


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """The segments of a text: bytes [start, end) of each, its tag as a number, and the offset of every component mark.

    `rest`: what follows the last terminator.
    """

    text: Text
    start: Index
    end: Index
    tag: npt.NDArray[np.uint32]
    marks: Index
    rest: bytes

    def of(self, tag: bytes) -> npt.NDArray[np.bool_]:
        """Tell which segments have a tag."""
        return np.asarray(self.tag == int.from_bytes(tag + bytes((ELEMENT,)), "little"))

    def elements(self, at: int) -> list[list[bytes]]:
        """Return the elements of a segment, each as its components."""
        whole = self.text[self.start[at] : self.end[at]].tobytes()
        return [part.split(bytes((COMPONENT,))) for part in whole.split(bytes((ELEMENT,)))]

    def components(self, at: Index) -> tuple[Index, Index, Index]:
        """Return where the first element of each segment ends its first and second component, and the segment its text.

        A component that is absent is empty, at the segment's end.
        """
        end = self.end[at]
        place = np.searchsorted(self.marks, self.start[at])
        marks = np.r_[self.marks, self.text.size, self.text.size]
        first = np.minimum(marks[place], end)
        second = np.minimum(marks[np.minimum(place + 1, marks.size - 1)], end)
        return first, second, end

    def keys(self, start: Index, end: Index) -> npt.NDArray[np.uint64]:
        """Return up to eight characters of each field as one number, for comparing."""
        length = np.clip(end - start, 0, WORD)
        return np.asarray(words(self.text)[np.maximum(end - WORD, 0)] & LAST[length])


def key_of(word: str) -> int:
    """Return the number that `Segments.keys` gives for a word."""
    return int.from_bytes(word.encode().rjust(WORD, b"\0"), "little")


def word_of(key: int) -> str:
    """Return the word of a number that `Segments.keys` gave."""
    return key.to_bytes(WORD, "little").lstrip(b"\0").decode("latin-1")


def segments_in(data: bytes, marks: Marks) -> Segments:
    """Cut a text at its terminators; blanks and line ends before a segment do not count."""
    text = padded(marks.protect(data))
    end = np.flatnonzero(text == TERMINATOR)
    start = np.r_[PAD, end[:-1] + 1] if end.size else np.zeros(0, np.int64)
    for _ in range(8):
        blank = np.isin(text[start], BLANKS) & (start < end)
        if not blank.any():
            break
        start = start + blank
    behind = text[(int(end[-1]) + 1 if end.size else PAD) : -1].tobytes()
    tag = np.ndarray((text.size - TAG + 1,), np.dtype("<u4"), text, strides=(1,))[start]
    component = np.flatnonzero(text == COMPONENT)
    return Segments(text, start, end, tag, component, behind.strip())
