"""Fields of text in lines: a status, a name or a version beside the numbers of its line is no reading, and left out.

InfluxDB keeps them, so agents send them with each line. What could have been a reading is refused as ever: a text whose
name means one, a number in quotes, and a line that has no number at all.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gridwright.formats.line_protocol import LineFault

NUMERAL = re.compile(r"\s*[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?[iu]?\s*\Z", re.ASCII)
REMEMBERED = 1_000  # names of which the log was told


class LeftOut:
    """Names of text fields that were left out, each told to the log once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, names: Iterable[str]) -> None:
        """Take note of fields as measurement/field."""
        for name in names:
            if name not in self._told and len(self._told) < REMEMBERED:
                self._told.add(name)
                structlog.get_logger().warning(
                    "a text field of lines is left out",
                    field=name,
                    remedy="if it means a reading, send a number, and name it in [line_protocol.fields]",
                )


def is_numeral(fault: LineFault) -> bool:
    """Tell whether a text is a number in quotes, which its sender may have meant as one."""
    return NUMERAL.match(fault.value) is not None


def shown_name(fault: LineFault) -> str:
    """Return measurement/field of a text, cut to what a log can bear."""
    measurement = "" if fault.origin is None else fault.origin.measurement
    return f"{measurement[:80]}/{fault.field[:80]}"
