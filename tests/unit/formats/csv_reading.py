"""Reading a CSV text in tests, whole, and looking at what came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gridwright.domain.readings import Readings
from gridwright.formats.csv_reader import CsvDialect, CsvReader
from gridwright.formats.source import Decoded, ReadOptions

READER = CsvReader()


@dataclass(frozen=True, slots=True)
class Read:
    """A whole file as read."""

    dialect: CsvDialect
    pieces: tuple[Decoded, ...]

    @property
    def only(self) -> Readings:
        (series,) = [series for piece in self.pieces for series in piece.series]
        return series

    @property
    def starts(self) -> list[str]:
        return [str(np.datetime64(at, "s")) for at in self.only.at.tolist()]

    def told(self, what: str) -> str:
        return next(evidence.value for evidence in self.dialect.evidence if evidence.what == what)

    @property
    def rejects(self) -> list[tuple[int, str]]:
        return [(reject.line, reject.value) for piece in self.pieces for reject in piece.rejects]


def read(text: str | bytes, *, name: str = "meter.csv", **options: Any) -> Read:  # noqa: ANN401 - any option
    data = memoryview(text.encode() if isinstance(text, str) else text)
    dialect = READER.inspect(data, name, ReadOptions(**options))
    chunks = READER.chunks(data, dialect)
    return Read(dialect, tuple(READER.decode(data, chunk, dialect) for chunk in chunks))
