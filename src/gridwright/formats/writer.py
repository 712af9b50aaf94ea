"""What every writer of a format takes and gives, and how counts become decimal text again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from gridwright.domain import quality as q
from gridwright.domain.errors import UsageError
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import Quantity, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.usage_point import UsagePoint
from gridwright.formats.keeps import Keeps

# Quantities that the trade writes in thousands of their base unit.
KILO = (
    Quantity.ENERGY,
    Quantity.REACTIVE_ENERGY,
    Quantity.APPARENT_ENERGY,
    Quantity.POWER,
    Quantity.REACTIVE_POWER,
)


class Writer(Protocol):
    """A file format that stored readings can be given away in; pure, and streaming as its panels are."""

    @property
    def name(self) -> str:
        """The word `reading export --format` takes."""
        ...

    @property
    def suffix(self) -> str:
        """The usual ending of such a file, with its dot."""
        ...

    @property
    def keeps(self) -> Keeps:
        """What comes back of readings when the file is read again."""
        ...

    def written_channel(self, kind: ReadingType) -> str:
        """Return what the format writes of a series' channel: series alike in it and in all else look the same."""
        ...

    def why_not(self, kind: ReadingType, interval_s: int, phase_s: int) -> str:
        """Say why the format cannot hold a series; empty when it can.

        `interval_s`: 0 for register reads; `phase_s`: seconds after midnight UTC, modulo the interval, at which
        intervals begin.
        """
        ...

    def write(
        self, panels: Sequence[Panel], registers: Sequence[RegisterReading], points: Mapping[str, UsagePoint]
    ) -> Iterator[bytes]:
        """Yield the pieces of one file. Both sequences are gone through once and in order, so they may be lazy.

        `points` tells the zone of each usage point. A series that the format cannot hold is a UsageError.
        """
        ...


def holds_everything(writer: object, kind: ReadingType, interval_s: int, phase_s: int) -> str:
    """Say nothing against any series: the `why_not` of a format that can hold them all."""
    del writer, kind, interval_s, phase_s
    return ""


def every_channel(writer: object, kind: ReadingType) -> str:
    """Return the channel as it is: the `written_channel` of a format that tells all of them apart."""
    del writer
    return kind.channel


def written_exponent(kind: ReadingType) -> int:
    """Return the power of ten of the unit a quantity is written in: 3 for kWh, 0 for V."""
    return 3 if kind.quantity in KILO else 0


def decimal_places(kind: ReadingType) -> int:
    """Return how many decimals show every count of a reading type in its written unit."""
    return max(0, written_exponent(kind) - kind.exponent)


def written_values(kind: ReadingType, values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return counts in the written unit: the nearest double of each, which `decimal_places` digits print exactly."""
    power = written_exponent(kind) - kind.exponent
    scaled = values / 10.0**power if power >= 0 else values * 10.0**-power
    # A zero has no sign.
    return np.asarray(scaled + 0.0)


def pattern_of(kind: ReadingType) -> str:
    """Return the printf pattern of a value of a reading type, such as `%.3f`."""
    return f"%.{decimal_places(kind)}f"


def phase_of(panel: Panel) -> int:
    """Return the seconds after midnight UTC, modulo the interval, at which a panel's intervals begin."""
    return int(panel.start.timestamp()) % panel.interval_s


WRITTEN_UNIT: Mapping[Quantity, str] = {
    Quantity.ENERGY: "kWh",
    Quantity.REACTIVE_ENERGY: "kvarh",
    Quantity.APPARENT_ENERGY: "kVAh",
    Quantity.POWER: "kW",
    Quantity.REACTIVE_POWER: "kvar",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.POWER_FACTOR: "pf",
    Quantity.TEMPERATURE: "°C",
    Quantity.VOLUME: "m³",
    Quantity.STATE: "1",
}


def quality_word(quality: int) -> str:
    """Return the word of a quality byte, such as `actual` or `estimated:linear`."""
    status, method = quality & 0x0F, quality >> 4
    if status > max(q.Status) or method > max(q.Method):
        return "rejected"
    word = q.Status(status).name.lower().replace("_", "-")
    return f"{word}:{q.Method(method).name.lower().replace('_', '-')}" if method else word


QUALITY_WORDS: tuple[str, ...] = tuple(map(quality_word, range(256)))
QUALITY_OF_WORD: Mapping[str, int] = {
    quality_word(q.pack(status, method)): q.pack(status, method)
    for status in q.Status
    for method in q.Method
    if method not in q.PROVISIONAL  # no source says what an archive that cannot be read may have
}


def require(refusal: str) -> None:
    """Raise UsageError with a reason that `why_not` gave; do nothing for an empty one."""
    if refusal:
        raise UsageError(refusal, remedy="export it as csv or parquet")


def plain_id(point: str, forbidden: str, name: str) -> str:
    """Return a usage point's id, or raise UsageError where a format without quoting cannot hold it."""
    wrong = next((mark for mark in point if mark in forbidden or not mark.isprintable()), None)
    if wrong is not None:
        raise UsageError(
            f"usage point {point!r} has the character {wrong!r}, for which {name} has no quoting",
            remedy="export it as csv or parquet",
        )
    return point
