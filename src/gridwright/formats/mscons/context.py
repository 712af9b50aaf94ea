"""The segments around the values: message, metering point, line, OBIS code; and what the counts at the ends say."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt

from gridwright.domain.interval import epoch_s
from gridwright.domain.usage_point import SHOWN, id_fault
from gridwright.formats.mscons.codes import Meaning, meaning_of
from gridwright.formats.mscons.segments import Marks, Segments
from gridwright.formats.text import shortened

UNITS_OF_LENGTH = {"806": 60, "802": 86_400, "803": 604_800, "805": 3600, "807": 1}
# Segments of the message and its envelope that tell nothing we need.
SILENT = frozenset(b"UNA UNB BGM RFF CTA COM UNS CCI CAV STS CUX CNT IDE AGR MEA FTX PAC UNZ UNE UNG SEQ ADR".split())
KNOWN = frozenset(b"LOC LIN PIA DTM UNH UNT NAD QTY".split())
BEGIN, END, LENGTH = "163", "164", "672"


@dataclass(frozen=True, slots=True)
class Context:
    """What holds for the values that follow: point, meaning, and where it is told, the first start and the length.

    `wrong`: why the values cannot be taken; `value`: what shows it.
    """

    point: str = ""
    meaning: Meaning | None = None
    begin: int | None = None
    step_s: int = 0
    wrong: str = "no OBIS code (PIA) stands before the value"
    value: str = ""


@dataclass(slots=True)
class Contexts:
    """The contexts of a text, and the segment each begins with."""

    marks: Marks
    decimals: int
    first: list[int] = field(default_factory=lambda: [0])
    found: list[Context] = field(default_factory=lambda: [Context()])
    notes: list[str] = field(default_factory=list)
    strange: list[tuple[int, str]] = field(default_factory=list)
    location: Context = field(default_factory=Context)
    message: str = ""
    foreign: str = ""
    opened: int | None = None
    messages: int = 0

    def add(self, at: int, context: Context) -> None:
        """Begin a context at a segment."""
        self.first.append(at)
        self.found.append(context)

    def take(self, segments: Segments, at: int) -> None:
        """Read one segment that is no value and no time of one."""
        elements = segments.elements(at)
        tag = elements[0][0]
        texts = [[self.marks.plain(part) for part in element] for element in elements[1:]]
        if tag == b"LOC" and len(texts) > 1:
            self._locate(at, texts[1])
        elif tag == b"LIN":
            self.add(at, self.location)
        elif tag == b"PIA" and len(texts) > 1:
            self._identify(at, texts[1][0])
        elif tag == b"DTM" and texts:
            self._date(at, texts[0])
        elif tag == b"UNH":
            self._close(at)
            self.opened, self.messages = at, self.messages + 1
            self.message = texts[0][0] if texts else ""
            self._refuse_other(texts)
        elif tag == b"UNT":
            self._check(at, texts)
        elif tag == b"NAD":
            # The next delivery point: should its LOC be damaged, its values must not go to the one before.
            self.location = replace(self.location, point="", meaning=None, begin=None, step_s=0)
            self.add(at, self.location)
        elif tag not in SILENT | KNOWN:
            self.strange.append((at, self.marks.plain(tag[:20])))

    def _refuse_other(self, texts: list[list[str]]) -> None:
        kind = texts[1][0] if len(texts) > 1 else ""
        self.foreign = "" if kind in {"", "MSCONS"} else f"message {kind} is no MSCONS"

    def _locate(self, at: int, parts: list[str]) -> None:
        point = parts[0] or parts[-1]
        fault = id_fault(point)
        named = f"LOC {shortened(point, SHOWN)!r} {fault}" if point else "LOC names no metering point"
        wrong = named if fault else "no OBIS code (PIA) stands before the value"
        wrong = self.foreign or wrong
        self.location = Context(point, wrong=wrong)
        self.add(at, self.location)

    def _identify(self, at: int, code: str) -> None:
        meaning = meaning_of(code, self.decimals)
        here = self.location
        if self.foreign:
            here = replace(here, wrong=self.foreign)
        elif id_fault(here.point):
            here = replace(
                here, wrong=here.wrong if "PIA" not in here.wrong else "no metering point (LOC) stands before"
            )
        elif meaning is None:
            here = replace(here, wrong=f"OBIS code {code!r} is none we read (energy and its registers)", value=code)
        else:
            here = replace(here, meaning=meaning, wrong="")
        self.add(at, here)

    def _date(self, at: int, parts: list[str]) -> None:
        """Take note of a location's period and the length of its intervals."""
        if len(parts) < 2:  # noqa: PLR2004 - qualifier and value
            return
        code, text, form = parts[0], parts[1], parts[2] if len(parts) > 2 else ""  # noqa: PLR2004
        here = self.found[-1]
        if code == BEGIN:
            here = replace(here, begin=instant(text, form))
        elif code == LENGTH and text.isascii() and text.isdigit():
            here = replace(here, step_s=int(text) * UNITS_OF_LENGTH.get(form, 60))
        else:
            return
        self.location = replace(self.location, begin=here.begin, step_s=here.step_s)
        self.add(at, here)

    def _check(self, at: int, texts: list[list[str]]) -> None:
        """Compare the count and the reference of UNT with what there is."""
        if self.opened is None:
            self.notes.append("UNT without UNH: the beginning of a message is missing")
            return
        told = texts[0][0] if texts else ""
        count = at - self.opened + 1
        if told != str(count):
            self.notes.append(f"message {self.message}: UNT tells {told or 'no'} segments, there are {count}")
        reference = texts[1][0] if len(texts) > 1 else ""
        if reference != self.message:
            self.notes.append(f"message {self.message}: UNT closes {reference!r}")
        self.opened, self.location = None, Context()
        self.add(at, self.location)

    def _close(self, at: int) -> None:
        if self.opened is not None:
            self.notes.append(f"message {self.message}: no UNT at its end, it may be cut short")
        self.location = Context()
        self.add(at, self.location)

    def finish(self, rest: bytes) -> None:
        """Say what the end of the text lacks."""
        if self.opened is not None:
            self.notes.append(f"message {self.message}: no UNT at its end, it may be cut short")
        if rest:
            shown = self.marks.shown(rest[:40])
            self.notes.append(f"the last segment has no terminator and was left out: {shown!r}")

    def of(self, segments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of the context that holds for each segment."""
        return np.asarray(np.searchsorted(self.first, segments, side="right") - 1)


def instant(text: str, form: str) -> int | None:
    """Read one time, format 303, 203 or 102, as epoch seconds; without an offset it is UTC; None when it is none."""
    sign = max(text.find("+"), text.find("-"))
    digits, offset = (text[:sign], text[sign:]) if sign > 0 else (text, "")
    digits = digits.ljust(12, "0") if form == "102" else digits
    try:
        moment = datetime.strptime(digits[:12], "%Y%m%d%H%M").replace(tzinfo=UTC)
        hours, minutes = (int(offset[1:3]), int(offset[3:5] or 0)) if offset else (0, 0)
    except ValueError:
        return None
    shift = hours * 3600 + minutes * 60
    return epoch_s(moment) - (-shift if offset.startswith("-") else shift)
