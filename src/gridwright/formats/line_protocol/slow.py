"""Lines with escapes, quotes or strange spaces, one by one."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from gridwright.formats.line_protocol.columns import NO_NUMBER, NUMBERS, FieldValues, LineFault, Mask, Unit, to_us
from gridwright.formats.line_protocol.fast import Lines
from gridwright.formats.line_protocol.line import FAR, LineWrong, Origin, Written, is_continued, read_line

LONGEST_TEXT = 64  # lines over which one quoted text may stretch


class Slow:
    """Lines with escapes, quotes or strange spaces, one by one."""

    def __init__(self, body: bytes, lines: Lines, received_us: int, unit: Unit) -> None:
        self.body, self.lines, self.received_us, self.unit = body, lines, received_us, unit
        self.rows: list[tuple[Origin, str, float, int, int]] = []
        self.faults: list[LineFault] = []

    def read(self, odd: npt.NDArray[np.intp]) -> Mask:
        """Read these lines, and return which lines they swallowed: a quoted text may go on over several."""
        gone = np.zeros(self.lines.number.size, np.bool_)
        for row in odd.tolist():
            if gone[row]:
                continue
            for last, text in self._longer(row):
                if not is_continued(text):
                    gone[row + 1 : last + 1] = True
                    break
            else:
                text = self.body[int(self.lines.start[row]) : int(self.lines.end[row])].decode(errors="replace")
            self._take(int(self.lines.number[row]), text)
        return gone

    def _longer(self, row: int) -> Iterator[tuple[int, str]]:
        """Yield the line, then it and the next, and so on."""
        start = int(self.lines.start[row])
        for last in range(row, min(row + LONGEST_TEXT, self.lines.number.size)):
            yield last, self.body[start : int(self.lines.end[last])].decode(errors="replace")

    def _take(self, number: int, text: str) -> None:
        try:
            line = read_line(text)
        except LineWrong as wrong:
            self.faults.append(LineFault(number, wrong.field, wrong.value[:120], wrong.reason, wrong.remedy))
            return
        if line is None:
            return
        at_us = self.received_us
        if line.stamp is not None:
            read, far = to_us(np.array([line.stamp], np.int64), self.unit)
            if far[0]:
                self.faults.append(LineFault(number, "timestamp", str(line.stamp), *FAR))
                return
            at_us = int(read[0])
        for name, value in line.fields:
            self._field(number, (line.origin, name), value, at_us)

    def _field(self, number: int, whose: tuple[Origin, str], value: Written, at_us: int) -> None:
        if isinstance(value, float) and np.isfinite(value):
            self.rows.append((*whose, value, at_us, number))
            return
        text = isinstance(value, str)
        reason = "it is text, not a number" if text else NO_NUMBER
        remedy = "send a number without quotes, or list its name under ignore" if text else NUMBERS
        origin = whose[0] if text else None
        self.faults.append(LineFault(number, whose[1], f"{value}"[:120], reason, remedy, text=text, origin=origin))

    def values(self) -> FieldValues:
        """Return what was read in columns."""
        origins: dict[Origin, int] = {}
        fields: dict[str, int] = {}
        origin = [origins.setdefault(row[0], len(origins)) for row in self.rows]
        name = [fields.setdefault(row[1], len(fields)) for row in self.rows]
        columns = [[row[at] for row in self.rows] for at in (2, 3, 4)]
        return FieldValues(
            tuple(origins),
            tuple(fields),
            np.array(origin, np.int32),
            np.array(name, np.int32),
            np.array(columns[0], np.float64),
            np.array(columns[1], np.int64),
            np.array(columns[2], np.int64),
            tuple(self.faults),
        )
