"""V02 of register reads: those of a meter that did not hang there then, and those with more digits than it has.

They speak of the register, not of the intervals: a read is set aside, and no interval is doubted by it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from gridwright.domain.finding import Finding, Severity
from gridwright.domain.hung import of_device
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import Installation
from gridwright.vee.counters import Laid
from gridwright.vee.registers import Registers
from gridwright.vee.rules.device import Ident

DAY = timedelta(days=1)
NEARLY = 1 - 1e-9  # of the range: a read as large is looked at, digit by digit
Days = dict[tuple[datetime, str], list[RegisterReading]]


def ident_findings(panel: Panel, registers: Registers, laid: Laid) -> list[Finding]:
    """Return one finding for each meter and UTC day whose reads, `laid` by `laid_of`, are not of what is installed."""
    if panel.reading_type.quantity is not Quantity.ENERGY:
        return []
    reads = laid.reads
    meters = [registers.meters.get(serial) if serial else None for serial in reads.serials]
    ranges = np.array([meter.range_wh if meter else np.inf for meter in meters], np.float64)
    wide = np.abs(reads.value) * reads.unit >= ranges[reads.counter] * NEARLY
    doubtful = wide | ~laid.hung.counts(reads, registers)
    rows = np.unique(reads.row[doubtful]).tolist()
    return [finding for row in rows for finding in _of_point(panel, panel.points[row], registers)]


def _of_point(panel: Panel, point: str, registers: Registers) -> Iterator[Finding]:
    reads, history = _of_direction(panel, registers.reads.get(point, ())), registers.history(point)
    foreign: Days = defaultdict(list)
    wide: Days = defaultdict(list)
    for read in reads:
        if not registers.counts(read):
            foreign[_day(read), read.end_device].append(read)
        elif read.end_device and _digits(read, registers) > (_dials(read, registers) or 0) > 0:
            wide[_day(read), read.end_device].append(read)
    for (day, serial), several in foreign.items():
        yield _finding(panel, point, day, _why_foreign(serial, several, history))
    for (day, _), several in wide.items():
        most = max(several, key=lambda read: _digits(read, registers))
        yield _finding(panel, point, day, _why_wide(most, registers))


def _of_direction(panel: Panel, reads: Sequence[RegisterReading]) -> list[RegisterReading]:
    """Return the reads that count in the panel's direction, those by time of use too."""
    wanted = panel.reading_type.register().finer(0)
    fits = {id(read.reading_type): replace(read.reading_type, channel=wanted.channel, exponent=0) for read in reads}
    return [read for read in reads if fits[id(read.reading_type)] == wanted]


def _day(read: RegisterReading) -> datetime:
    return read.at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _finding(panel: Panel, point: str, day: datetime, message: str) -> Finding:
    return Finding(Ident.code, point, Interval(day, day + DAY), Severity.FAIL, message, panel.reading_type)


def _why_foreign(serial: str, several: Sequence[RegisterReading], history: Sequence[Installation]) -> str:
    first = min(read.at for read in several)
    here = next((each for each in history if first in each.period), None)
    installed = f"installed is {here.end_device}" if here else "no meter is installed then"
    own = of_device(history, serial)
    hung = "; ".join(f"{each.period.start:%Y-%m-%d %H:%M}Z … {_end(each)}" for each in own) or "never"
    return (
        f"end device {serial}, {installed}: its register was read {_times(len(several))} from "
        f"{first:%Y-%m-%d %H:%M}Z, and it hung here {hung}. These reads count nothing, what was measured stays. "
        f"{_remedy(own, several[0].usage_point, first)}"
    )


def _end(each: Installation) -> str:
    return "now" if each.is_open else f"{each.period.end:%Y-%m-%d %H:%M}Z"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _remedy(own: Sequence[Installation], point: str, first: datetime) -> str:
    gone = [each for each in own if each.period.end < first]
    if gone:
        end = max(each.period.end for each in gone)
        return (
            f"If it hangs here still, gridwright usage-point cancel-exchange {point} --at {end:%Y-%m-%dT%H:%M:%S}Z; "
            "else have what sends its reads name the meter that is installed"
        )
    return f"Record when it came with gridwright usage-point exchange {point} --serial …, or find whose reads these are"


def _dials(read: RegisterReading, registers: Registers) -> int | None:
    meter = registers.meters.get(read.end_device)
    return None if meter is None else meter.dials


def _digits(read: RegisterReading, registers: Registers) -> int:
    meter = registers.meters.get(read.end_device)
    shown = abs(read.value) * read.reading_type.resolution
    return 0 if meter is None else len(str(int(shown // meter.lsb_wh)))


def _why_wide(read: RegisterReading, registers: Registers) -> str:
    return (
        f"dials {_digits(read, registers)}, installed is {_dials(read, registers)}: the register of {read.end_device} "
        f"showed {read.value * read.reading_type.resolution / 1000:,.3f} kWh at {read.at:%Y-%m-%d %H:%M}Z. The "
        f"intervals stay as they are. Tell how many it has: gridwright usage-point dials {read.usage_point} --dials …"
    )
