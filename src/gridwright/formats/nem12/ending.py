"""The end of a NEM12 or NEM13 file: a 900 record tells that it is whole; without one, the last day may be torn."""

from __future__ import annotations

import re

from gridwright.domain.verdict import Reject
from gridwright.formats.nem12.days import SHOWN, values_before_quality
from gridwright.formats.text import text_of

TAIL_BYTES = 1 << 16
END = re.compile(rb'(?:^|\n)[ \t]*"?900"?[ \t]*(?:,[^\n]*)?\s*\Z')
HEADLESS = "no 100 record begins the file: who sent it, and when, is not told"
CUT = "no 900 record ends the file: if it was cut off, readings are missing at its end"


def is_whole(data: memoryview) -> bool:
    """Tell whether the last record of a file is the one that ends it."""
    return END.search(bytes(data[-TAIL_BYTES:])) is not None


def untorn_length(data: memoryview) -> int:
    """Return how many bytes of a file stand before the day that is torn at its end; all, where none is."""
    start = max(len(data) - TAIL_BYTES, 0)
    return len(data) if is_whole(data) else start + len(without_torn_day(bytes(data[start:]), 0)[0])


def without_torn_day(text: bytes, first_line: int) -> tuple[bytes, Reject | None, int]:
    """Part a text without a 900 record from a day at its very end that has lost its quality method, with its values.

    What its last value was, and whether there was a value at all, the record no longer tells.
    """
    body, _, last = text.rpartition(b"\n")
    record = text_of(last).replace('"', "")
    if not record.startswith("300,") or any(field[:1].isalpha() for field in record.split(",")[2:]):
        return text, None, 0
    values = max(values_before_quality(record.rstrip(",\r ")), 1)
    reason = f"the file ends within this day, behind {values} values and before its quality method"
    line = first_line + text.count(b"\n")
    return body, Reject(line, reason, "fetch the file again", record.split(",")[1], record[:SHOWN]), values
