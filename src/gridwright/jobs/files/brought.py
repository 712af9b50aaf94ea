"""Which channels a whole file brings of a usage point's energy, however it is cut into pieces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

import numpy as np

from gridwright.domain.reading_type import ReadingType
from gridwright.domain.readings import Readings
from gridwright.jobs.files.read_file import OpenFile
from gridwright.jobs.load.counted_once import energy_of

Key = tuple[str, ReadingType]


@dataclass(slots=True)
class Brought:
    """Looks through a file once, and only where it has several pieces and one alone cannot tell.

    A name that depended on where a file is cut would make another series of the same readings as CSV and as Parquet,
    and after an interruption.
    """

    file: OpenFile
    _several: set[Key] = field(default_factory=set)
    _looked: bool = False

    def only(self, key: Key) -> bool:
        """Tell whether the file brings no more than one channel of a usage point's energy."""
        if not self._looked:
            self._look()
        return key not in self._several

    def _look(self) -> None:
        self._looked = True
        file, channels = self.file, dict[Key, str]()
        if len(list(islice(file.reader.chunks(file.content.data, file.dialect), 2))) < 2:  # noqa: PLR2004 - one piece
            return
        for _, decoded in file.chunks():
            for (point, energy), channel in keys_of(decoded.series):
                if channels.setdefault((point, energy), channel) != channel:
                    self._several.add((point, energy))


def keys_of(series: Sequence[Readings]) -> Iterator[tuple[Key, str]]:
    """Yield each usage point and energy of which there are readings, with their channel."""
    for each in series:
        energy, channel = energy_of(each.reading_type), each.reading_type.channel
        for point in named(each):
            yield (point, energy), channel


def named(series: Readings) -> list[str]:
    """Return the usage points that have readings; all that it names where the readings themselves are gone."""
    if not series.size:
        return list(series.points)
    return [series.points[entry] for entry in np.unique(series.point).tolist()]
