"""Line protocol to records: tags tell whose a value is, measurement and field what it means; both by a table."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest_meaning import Said, Wrong, meaning_of
from gridwright.api.ingest_table import MICRO, Decoded, Places, Table, check
from gridwright.api.verdicts import Fault
from gridwright.domain.interval import epoch_s
from gridwright.domain.reading_type import Accumulation
from gridwright.formats.line_protocol import FieldValues, LineFault, Origin, read_line_protocol

if TYPE_CHECKING:
    from gridwright.settings import LineProtocolSettings

POINT_TAGS = ("usage_point", "meter", "meter_id", "device_id", "device", "serial", "host")
WORDS = ("unit", "flow", "quality", "reading_type", "interval_s")
VALUE = "value"
NO_POINT = Fault(
    "tags", "no tag tells whose reading it is", "send a tag usage_point or meter, or name yours in point_tags"
)
UNKNOWN = Fault(
    "field", "nothing tells what this field means", "name it in [line_protocol.fields], or list it in ignore"
)


@dataclass(frozen=True, slots=True)
class LineMapping:
    """How lines become readings: tags by which points are named, what fields mean by name, and what is ignored.

    `interval_s`: of energy that does not tell it; `sample_s`: the grid on which instantaneous values are kept.
    """

    fields: Mapping[str, Said]
    point_tags: tuple[str, ...] = POINT_TAGS
    ignore: frozenset[str] = frozenset()
    interval_s: int = 900
    sample_s: int = 60

    def said(self, name: str, words: Words) -> Said | None:
        """Return what a field says, its tags having the last word; None where nothing tells what it means."""
        found = self._named(name.lower(), words.measurement.lower())
        if found is None and not (words.unit or words.reading_type):
            return None
        said = found or Said()
        told = {word: text for word in WORDS if (text := getattr(words, word))}
        if told.get("unit", "") and found is not None and found.reading_type and not words.reading_type:
            told["reading_type"] = found.reading_type
        said = replace(said, **told)
        return said if said.interval_s else replace(said, interval_s=self._length(said))

    def _named(self, name: str, measurement: str) -> Said | None:
        names = [f"{measurement}/{name}", *([measurement] if name == VALUE else [name, f"{measurement}_{name}"])]
        return next((self.fields[one] for one in names if one in self.fields), None)

    def _length(self, said: Said) -> int:
        """Return the grid of a value: that of samples for what is read at an instant."""
        try:
            kind = meaning_of(replace(said, interval_s=self.interval_s)).reading_type
        except Wrong:
            return self.interval_s
        return self.sample_s if kind.accumulation is Accumulation.INSTANTANEOUS else self.interval_s

    def is_ignored(self, name: str, measurement: str) -> bool:
        """Tell whether a field, or all of a measurement, is left out without a word."""
        return bool(self.ignore & {name, measurement, f"{measurement}/{name}"})


@dataclass(frozen=True, slots=True)
class Words:
    """What measurement and tags say about the meaning of fields."""

    measurement: str
    unit: str = ""
    flow: str = ""
    quality: str = ""
    reading_type: str = ""
    interval_s: int = 0


@dataclass(slots=True, eq=False)
class DecodedLines(Decoded):
    """A request of lines: the field of each record, for the verdicts."""

    names: tuple[str, ...] = ()
    name: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))

    def field_of(self, index: int) -> str:
        """Return the name of the field that a record is."""
        return self.names[self.name[index]] if 0 <= index < self.name.size else ""


def mapping_of(chosen: LineProtocolSettings, interval_s: int) -> LineMapping:
    """Return the mapping of the settings, on top of the one that comes with Gridwright."""
    told = {name.lower(): _said(entry.model_dump()) for name, entry in chosen.fields.items()}
    return LineMapping(usual_fields() | told, chosen.point_tags, frozenset(chosen.ignore), interval_s, chosen.sample_s)


@lru_cache(maxsize=1)
def usual_fields() -> dict[str, Said]:
    """Return what the usual names mean."""
    text = files("gridwright.api").joinpath("line_fields.toml").read_text(encoding="utf-8")
    return {name: _said(entry) for name, entry in tomllib.loads(text).items()}


def _said(entry: dict[str, Any]) -> Said:
    return Said(register=entry.get("cumulative", False), **{word: entry[word] for word in WORDS if word in entry})


def decode_lines(body: bytes, mapping: LineMapping, precision: str, now: datetime) -> DecodedLines:
    """Decode lines; InputError for an unknown precision, all else is a verdict on the line and field."""
    values = read_line_protocol(body, precision=precision, received_us=epoch_s(now) * MICRO)
    decoded = DecodedLines(records=values.lines, names=values.fields, name=values.field)
    decoded.places = Places(lines=values.line)
    for fault in values.faults:
        _refuse(fault, decoded, mapping)
    table = _Mapped(values, mapping, decoded).table()
    if table.index.size:
        check(table, decoded, now)
    return decoded


def _refuse(fault: LineFault, decoded: Decoded, mapping: LineMapping) -> None:
    if not (fault.text and mapping.is_ignored(fault.field, "")):
        told = Fault(fault.field, fault.reason, fault.remedy)
        decoded.verdicts.reject((-1, fault.line), told, fault.value)


class _Mapped:
    """The values of a request with what they mean."""

    def __init__(self, values: FieldValues, mapping: LineMapping, decoded: DecodedLines) -> None:
        self.values, self.mapping, self.decoded = values, mapping, decoded

    def table(self) -> Table:
        """Return the rows that mean something; the others get their verdict, or are ignored."""
        values = self.values
        names: dict[str, int] = {}
        words: dict[Words | Wrong, int] = {}
        pairs = [whose(origin, self.mapping.point_tags) for origin in values.origins]
        name_of = np.array([names.setdefault(name, len(names)) for name, _ in pairs] or [0], np.int32)
        words_of = np.array([words.setdefault(word, len(words)) for _, word in pairs] or [0], np.int32)
        said, which = self._meanings(tuple(words), words_of[values.origin])
        name = name_of[values.origin]
        kept = (which >= 0) & self._named(tuple(names), name, which)
        at_us = self._sampled(said, which)
        index = np.arange(values.value.size)
        table = Table(tuple(names), name, at_us, values.value, said, which.astype(np.int32), index)
        return table if kept.all() else table.rows(kept)

    def _meanings(
        self, words: tuple[Words | Wrong, ...], word: npt.NDArray[np.int32]
    ) -> tuple[list[Said], npt.NDArray[np.int64]]:
        """Return what is said, and for each value which of it; below 0 where it means nothing."""
        fields = self.values.fields
        pair = word.astype(np.int64) * max(len(fields), 1) + self.values.field
        pairs, code = (np.unique(pair, return_inverse=True)) if pair.size else (pair, pair)
        said: dict[Said, int] = {}
        table = np.full(pairs.size, -1, np.int64)
        for at, number in enumerate(pairs.tolist()):
            which, name = divmod(number, max(len(fields), 1))
            spoken = words[which]
            if isinstance(spoken, Wrong):
                self._tell(np.flatnonzero(code == at), spoken.fault, f"{spoken.value}")
            elif self.mapping.is_ignored(fields[name], spoken.measurement):
                continue
            elif (meant := self.mapping.said(fields[name], spoken)) is None:
                self._tell(np.flatnonzero(code == at), replace(UNKNOWN, field=fields[name]))
            else:
                table[at] = said.setdefault(meant, len(said))
        return list(said), table[code]

    def _named(
        self, names: tuple[str, ...], name: npt.NDArray[np.int32], which: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.bool_]:
        """Tell which values say whose they are."""
        if "" not in names:
            return np.ones(name.size, np.bool_)
        nobody = name == names.index("")
        self._tell(np.flatnonzero(nobody & (which >= 0)), NO_POINT)
        named: npt.NDArray[np.bool_] = ~nobody
        return named

    def _tell(self, rows: npt.NDArray[np.intp], fault: Fault, value: str | None = None) -> None:
        for row in rows.tolist():
            shown = f"{self.values.value[row]:.15g}" if value is None else value
            self.decoded.verdicts.reject(self.decoded.places.of(row), fault, shown)

    def _sampled(self, said: list[Said], which: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the instants, those of samples set on their grid: what a meter shows now is no interval's energy."""
        at_us = self.values.at_us
        steps = np.array([_step_us(one) for one in said] or [1], np.int64)
        if (steps == 1).all():
            return at_us
        return at_us - at_us % np.where(which >= 0, steps[np.maximum(which, 0)], 1)


def sampled_us(at_us: int, said: Said) -> int:
    """Return the instant of one value, that of a sample set on its grid."""
    return at_us - at_us % _step_us(said)


def _step_us(said: Said) -> int:
    try:
        meaning = meaning_of(said)
    except Wrong:
        return 1
    sampled = meaning.reading_type.accumulation is Accumulation.INSTANTANEOUS
    return meaning.interval_s * MICRO if sampled else 1


@lru_cache(maxsize=1 << 16)
def whose(origin: Origin, point_tags: tuple[str, ...]) -> tuple[str, Words | Wrong]:
    """Return the name in the first of the tags that is there, and what the other tags say about meaning."""
    tags = dict(origin.tags)
    name = next((tags[tag].strip() for tag in point_tags if tag in tags), "")
    told = {word: tags[word] for word in WORDS if word in tags}
    length = told.pop("interval_s", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 6):  # noqa: PLR2004 - a day has 86,400 s
        return name, Wrong(Fault("interval_s", "this is no length in seconds", "use 900 or 3600"), length)
    return name, Words(origin.measurement, interval_s=int(length), **told)
