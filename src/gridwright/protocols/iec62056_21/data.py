"""Data lines: `address(value*unit)(value*unit)...`, one or many sets a line (clause 6.4)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gridwright.protocols.iec62056_21.errors import MalformedTelegram

SET = re.compile(r"([^()\r\n]*)\(([^()\r\n]*)\)")
ERROR = re.compile(r"\s*ER(R|ROR)?[ _-]?[0-9]{0,4}\s*", re.IGNORECASE)
BREAK = re.compile(r"\r\n|\n|\r")
LONG = re.compile(r"(?:[0-9]+-[0-9]+:)?(.+?)(?:\*255)?", re.DOTALL)
END_OF_READOUT = "!"


@dataclass(frozen=True, slots=True)
class DataSet:
    """One value; the `address` is empty where the set continues the one before it."""

    address: str
    value: str
    unit: str = ""

    def __str__(self) -> str:
        unit = f"*{self.unit}" if self.unit else ""
        return f"{self.address}({self.value}{unit})"


Line = tuple[DataSet, ...]


def parse_lines(text: str) -> tuple[Line, ...]:
    """Read a block's text; a readout ends at its `!`. What is neither set nor blank is a MalformedTelegram."""
    lines: list[Line] = []
    start = 0
    for mark in (*BREAK.finditer(text), None):
        end = len(text) if mark is None else mark.start()
        line = text[start:end]
        if line.strip() == END_OF_READOUT:
            break
        if line.strip():
            lines.append(_parse_line(line.rstrip(), start))
        start = end if mark is None else mark.end()
    return tuple(lines)


def _parse_line(line: str, offset: int) -> Line:
    sets: list[DataSet] = []
    at = 0
    while at < len(line):
        found = SET.match(line, at)
        if found is None:
            raise MalformedTelegram(f"{line[at : at + 24]!r} is no data set", offset=offset + at)
        value, star, unit = found[2].rpartition("*")
        sets.append(DataSet(found[1].strip(), *((value, unit.strip()) if star else (found[2], ""))))
        at = found.end()
    return tuple(sets)


def format_lines(lines: Iterable[Iterable[DataSet]], *, readout: bool = False) -> str:
    """Return the text of a block, each line ended, a readout by its `!`."""
    text = "".join(f"{''.join(map(str, line))}\r\n" for line in lines)
    return f"{text}{END_OF_READOUT}\r\n" if readout else text


def refusal(text: str) -> str | None:
    """Return the error a block tells (`(ERR)`, `(ER01)`, `P.01(ERROR)` ...), None where it holds data.

    Without an address whatever begins with ER is an error text (clause 6.3.12 leaves its words to the manufacturer).
    """
    found = SET.fullmatch(text.strip())
    if found is None:
        return None
    said = found[2].strip()
    free = not found[1] and said[:2].upper() == "ER"
    return said if free or ERROR.fullmatch(said) else None


def short(address: str) -> str:
    """Return an address without medium, channel and the `*255` that means "now": `1-0:1.8.0*255` is `1.8.0`."""
    found = LONG.fullmatch(address.strip())
    return (found[1] if found else address).upper()
