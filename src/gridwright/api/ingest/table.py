"""Records in columns, checked all at once: what passes becomes readings, what does not is told with its reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.instants import written
from gridwright.api.ingest.meaning import Meaning, Said, Wrong, meaning_of
from gridwright.api.ingest.rows_by import RowsBy
from gridwright.api.ingest.samples import last_by_time
from gridwright.api.ingest.verdicts import Fault, Status, Verdicts
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.reading_type import LARGEST_EXACT
from gridwright.domain.readings import AHEAD, EARLIEST, Readings
from gridwright.domain.usage_point import FOLDERS, MAX_ID
from gridwright.formats.counts import to_counts

if TYPE_CHECKING:
    from gridwright.api.ingest.few import Few
    from gridwright.api.ingest.known import Numbered

Whole = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
QUARTER_S = 900
UNITS = "the unit of the instant: seconds or milliseconds in a record, in lines what precision says, else nanoseconds"
MAX_KINDS = 1_000  # of readings in one request; each is a series of its own to write
TOO_MANY = Fault("reading_type", f"the request has over {MAX_KINDS} kinds of readings", "send them in several requests")


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Where records stand in the source: `lines` by index, or, without, the index plus the first line."""

    first_line: int = 1
    lines: Whole | None = None

    def of(self, index: int) -> tuple[int, int]:
        """Return index and line of one record."""
        return index, index + self.first_line if self.lines is None else int(self.lines[index])


IN_ORDER = Places()


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """n rows: whose (int32 into `names`), when (microseconds), what (as written), meant how (int32 into `said`).

    `index`: the record each row belongs to; an empty name, or a value that is NaN, is a fault of the record.
    `taken_us`: when samples were taken, where `at_us` is the instant on the grid for which they are kept.
    """

    names: Sequence[str]
    name: npt.NDArray[np.int32]
    at_us: Whole
    value: Floats
    said: Sequence[Said]
    which: npt.NDArray[np.int32]
    index: Whole
    faulty: Mask | None = None  # which of the names are, where that is known
    taken_us: Whole | None = None

    def where(self, kept: Mask) -> Table:
        """Return the rows at `kept`."""
        return self if kept.all() else self.at(kept)

    def at(self, rows: Mask | npt.NDArray[np.intp]) -> Table:
        """Return some rows, told by a mask or by their places."""
        return replace(
            self,
            name=self.name[rows],
            at_us=self.at_us[rows],
            value=self.value[rows],
            which=self.which[rows],
            index=self.index[rows],
            taken_us=None if self.taken_us is None else self.taken_us[rows],
        )


@dataclass(slots=True, eq=False)
class Decoded:
    """A request's readings and the verdicts so far; their points are names as they were sent.

    `series`: in columns, `line` being the record's index; `few`: one by one, where they are only a handful.
    """

    series: list[Readings] = field(default_factory=list)
    few: list[Few] = field(default_factory=list)
    verdicts: Verdicts = field(default_factory=Verdicts)
    places: Places = IN_ORDER
    records: int = 0
    numbered: Numbered | None = None  # the names of all series, where they have numbers


class Faults:
    """What can be wrong with readings of one meaning, which their words told; made when it is needed."""

    def __init__(self, meaning: Meaning, said: Said) -> None:
        self._meaning = meaning
        named = said.named or said.register
        self._value = "value" if not named else "register_kwh" if meaning.is_register else "kwh"
        self._time = "at" if meaning.is_register else "start"

    @property
    def no_number(self) -> Fault:
        """It is empty, or infinite."""
        return Fault(self._value, "there is no finite number", "leave the record out")

    @property
    def negative(self) -> Fault:
        """It is a register below zero."""
        return Fault(self._value, "a register is never negative", "send what the meter shows")

    @property
    def future(self) -> Fault:
        """Its time is still to come."""
        return Fault(self._time, "it lies in the future", f"check the clock of the meter, the offset, and {UNITS}")

    @property
    def ancient(self) -> Fault:
        """Its time lies before there were such meters."""
        remedy = f"check the clock of the meter, and {UNITS}"
        return Fault(self._time, f"it lies before the year {EARLIEST.year}", remedy)

    @property
    def off_grid(self) -> Fault:
        """It does not start where intervals of its length do."""
        length = self._meaning.interval_s
        remedy = f"start at a multiple of {grid_of(length)} s from 00:00 UTC"
        return Fault(self._time, f"it does not start on the grid of {length} s", remedy)

    @property
    def finer(self) -> Fault:
        """It cannot be counted without rounding."""
        kind = self._meaning.reading_type
        reason = (
            f"it is finer than {kind.resolution:g} {kind.unit}, the resolution of the series, and was rounded to it"
        )
        finer = kind.finer(kind.exponent - 3).code
        return Fault(self._value, reason, f"to keep every digit, send it with reading_type {finer}")

    @property
    def too_large(self) -> Fault:
        """It is beyond what can be counted."""
        return Fault(self._value, "it is too large to be counted", "check the unit, and what the meter shows")


def grid_of(interval_s: int) -> int:
    """Return the seconds of which the start of an interval is a multiple; long ones may start at any quarter."""
    return interval_s if interval_s <= QUARTER_S or interval_s % QUARTER_S else QUARTER_S


def name_fault(name: str) -> Fault | None:
    """Tell what is wrong with a name, if anything."""
    if not name.strip():
        return Fault("usage_point", "nothing tells whose reading it is", "give usage_point or meter")
    if len(name) > MAX_ID:
        return Fault("usage_point", f"the name is longer than {MAX_ID} characters", "give usage_point or meter")
    if not name.isprintable():  # no database holds a NUL, nor half a character
        return Fault("usage_point", "the name has characters that cannot be printed", "send it as UTF-8 text")
    if name in FOLDERS:  # no address could hold it
        return Fault("usage_point", f"the name {name!r} means a folder in every address", "give another one")
    return None


def faulty_names(names: Sequence[str]) -> list[bool]:
    """Tell of which names something is wrong; quick for the many of which nothing is."""
    if "".join(names).isprintable() and max(map(len, names), default=0) <= MAX_ID:
        return [name in FOLDERS or not name.strip() for name in names]
    return [name_fault(name) is not None for name in names]


def check(table: Table, decoded: Decoded, now: datetime) -> None:
    """Take the sound rows of a table into the decoded request, and give the others their verdicts."""
    sound = _named(table, decoded)
    meant: set[Meaning] = set()
    for said, part in _by_words(table, sound):
        if not part.index.size:
            continue
        try:
            meaning = _one_more(said, meant)
        except Wrong as wrong:
            _tell(part, np.arange(part.index.size), decoded, wrong.fault, wrong.value)
            continue
        checks = _Checks(part, (said, meaning), decoded)
        readings = checks.run(now)
        if readings.size:
            decoded.verdicts.accepted += readings.size
            taken = checks.table.taken_us
            decoded.series.append(readings if taken is None else last_by_time(readings, taken))


def _one_more(said: Said, meant: set[Meaning]) -> Meaning:
    """Return what words mean, and note it; Wrong where that is nothing, or one too many for a request."""
    meaning = meaning_of(said)
    if len(meant) >= MAX_KINDS and meaning not in meant:
        raise Wrong(TOO_MANY, meaning.reading_type.code)
    meant.add(meaning)
    return meaning


def _by_words(table: Table, sound: Mask) -> Iterator[tuple[Said, Table]]:
    """Yield the sound rows of each kind of words."""
    if len(table.said) <= 1:
        yield from ((said, table.where(sound)) for said in table.said)
        return
    rows_by = RowsBy(table.which, len(table.said))
    for at, said in enumerate(table.said):
        rows = rows_by[at]
        yield said, table.at(rows[sound[rows]])


def _named(table: Table, decoded: Decoded) -> Mask:
    """Tell which rows say whose they are."""
    if table.faulty is None:
        names: Sequence[int] = range(len(table.names))
    else:
        names = np.flatnonzero(table.faulty).tolist()
    faults = {at: fault for at in names if (fault := name_fault(table.names[at])) is not None}
    if not faults:
        return np.ones(table.name.size, np.bool_)
    wrong = np.isin(table.name, np.array(list(faults), np.int32))
    code = table.name[wrong].tolist()
    for fault in set(faults.values()):
        mine = np.array([faults[at] == fault for at in code], np.bool_)
        rows = np.flatnonzero(wrong)[mine]
        _tell(table, rows, decoded, fault, [table.names[at] for at in table.name[rows].tolist()])
    return ~wrong


def _tell(
    table: Table, rows: npt.NDArray[np.intp], decoded: Decoded, fault: Fault, value: object | Sequence[object]
) -> None:
    """Refuse rows; of a record with several wrong rows each is counted."""
    indices = table.index[rows].tolist()
    values = value if isinstance(value, list) else [value] * len(indices)
    decoded.verdicts.several(Status.REJECTED, [decoded.places.of(index) for index in indices], fault, values)


class _Checks:
    """The checks of rows that mean the same; each takes out the rows that fail it."""

    def __init__(self, table: Table, meant: tuple[Said, Meaning], decoded: Decoded) -> None:
        said, meaning = meant
        self.table, self.meaning, self.decoded = table, meaning, decoded
        self.faults = Faults(meaning, said)

    def run(self, now: datetime) -> Readings:
        """Return the readings that pass all checks."""
        self._value()
        self._time(now)
        counts = self._counts()
        table = self.table
        return Readings(
            points=tuple(table.names),
            point=table.name,
            at=table.at_us // MICRO,
            value=counts,
            quality=np.full(counts.size, self.meaning.quality, np.uint8),
            line=table.index,
            interval_s=self.meaning.interval_s,
            reading_type=self.meaning.reading_type,
        )

    def _drop(self, wrong: Mask, fault: Fault, values: Floats | None = None) -> None:
        if wrong.any():
            rows = np.flatnonzero(wrong)
            if values is None:
                shown: list[object] = [written(at) for at in self.table.at_us[rows].tolist()]
            else:
                shown = [f"{value:.15g}" for value in values[rows].tolist()]
            _tell(self.table, rows, self.decoded, fault, shown)
            self.table = self.table.where(~wrong)

    def _value(self) -> None:
        value = self.table.value
        self._drop(~np.isfinite(value), self.faults.no_number, value)
        if self.meaning.is_register:
            value = self.table.value
            self._drop(value < 0, self.faults.negative, value)

    def _time(self, now: datetime) -> None:
        self._drop(self.table.at_us > epoch_s(now + AHEAD) * MICRO, self.faults.future)
        self._drop(self.table.at_us < epoch_s(EARLIEST) * MICRO, self.faults.ancient)
        if self.meaning.interval_s:
            grid_us = grid_of(self.meaning.interval_s) * MICRO
            at_us = self.table.at_us
            self._drop(at_us // grid_us * grid_us != at_us, self.faults.off_grid)  # a remainder takes longer

    def _counts(self) -> Floats:
        """Return the values in counts; what is too large is refused, what is finer than a count rounded, and told."""
        values = self.table.value
        counted = to_counts(values, self.meaning.power)
        wrong = np.abs(counted.value) > LARGEST_EXACT
        finer = counted.finer & ~wrong
        if finer.any():
            told = np.flatnonzero(finer)[: self.decoded.verdicts.room]
            shown: list[object] = [f"{value:.15g}" for value in values[told].tolist()]
            places = [self.decoded.places.of(index) for index in self.table.index[told].tolist()]
            self.decoded.verdicts.several(Status.ROUNDED, places, self.faults.finer, shown)
            self.decoded.verdicts.rounded += int(np.count_nonzero(finer)) - told.size
        self._drop(wrong, self.faults.too_large, values)
        return counted.value[~wrong] if wrong.any() else counted.value
