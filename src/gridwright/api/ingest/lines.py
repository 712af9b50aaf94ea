"""Line protocol to records: tags tell whose a value is, measurement and field what it means; both by a table."""

from __future__ import annotations

import threading
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gridwright.api.ingest.known import Numbered, Tags
from gridwright.api.ingest.meaning import Meaning, Said, Wrong, meaning_of
from gridwright.api.ingest.places import dense
from gridwright.api.ingest.rows_by import RowsBy
from gridwright.api.ingest.same_line import Alike, contradicting, contradiction, is_field_twice
from gridwright.api.ingest.table import Decoded, Places, Table, check
from gridwright.api.ingest.texts import LeftOut, is_numeral, shown_name
from gridwright.api.ingest.truths import truths_of
from gridwright.api.ingest.verdicts import Fault
from gridwright.domain.interval import MICRO, epoch_s
from gridwright.domain.reading_type import Accumulation
from gridwright.formats.line_protocol import (
    PRECISIONS,
    FieldValues,
    LineFault,
    Origin,
    Vocabulary,
    read_line_protocol,
    read_uniform,
)

if TYPE_CHECKING:
    from gridwright.settings import LineProtocolSettings

POINT_TAGS = ("usage_point", "meter", "meter_id", "device_id", "device", "serial", "host")
WORDS = ("unit", "flow", "quality", "reading_type", "interval_s")
VALUE = "value"
VOCABULARY = Vocabulary(threading.Lock())  # of all requests: a fleet's keys come again and again
LEFT_OUT = LeftOut()
HEARD = 4_096  # fields by name and words whose meaning is remembered
NO_POINT = Fault(
    "tags", "no tag tells whose reading it is", "send a tag usage_point or meter, or name yours in point_tags"
)
TRUE_OR_FALSE = Fault("field", "it is true or false, and no number", "send a number; a state may be true or false")
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
    _heard: dict[tuple[str, Words], Said | None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def said(self, name: str, words: Words) -> Said | None:
        """Return what a field says, its tags having the last word; None where nothing tells what it means."""
        key = (name, words)
        if key in self._heard:
            with suppress(KeyError):  # another thread has just forgotten it
                return self._heard[key]
        if len(self._heard) >= HEARD:
            self._heard.clear()
        said = self._heard[key] = self._say(name, words)
        return said

    def _say(self, name: str, words: Words) -> Said | None:
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

    def is_named(self, name: str, words: Words) -> bool:
        """Tell whether the name of a field means a reading, whatever it holds."""
        told = bool(words.unit or words.reading_type) and name.lower() == VALUE
        return told or self._named(name.lower(), words.measurement.lower()) is not None

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
    """A request of lines: the field of each record, for the verdicts; `left_out`: text fields, measurement/field."""

    names: tuple[str, ...] = ()
    name: npt.NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))
    left_out: dict[str, None] = field(default_factory=dict)

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
    text = files("gridwright.api.ingest").joinpath("line_fields.toml").read_text(encoding="utf-8")
    return {name: _said(entry) for name, entry in tomllib.loads(text).items()}


def _said(entry: dict[str, Any]) -> Said:
    return Said(register=entry.get("cumulative", False), **{word: entry[word] for word in WORDS if word in entry})


def decode_lines(body: bytes, mapping: LineMapping, precision: str, now: datetime) -> DecodedLines:
    """Decode lines; InputError for an unknown precision, all else is a verdict on the line and field."""
    values = read_line_protocol(body, precision=precision, received_us=epoch_s(now) * MICRO, vocabulary=VOCABULARY)
    return _decoded(body, values, mapping, now)


def decode_alike(body: bytes, mapping: LineMapping, precision: str, now: datetime) -> DecodedLines | None:
    """Decode lines that are all built alike, which is quick; None where they are not."""
    values = read_uniform(body, VOCABULARY.known(), epoch_s(now) * MICRO, PRECISIONS[precision])
    return None if values is None else _decoded(body, values, mapping, now)


def _decoded(body: bytes, values: FieldValues, mapping: LineMapping, now: datetime) -> DecodedLines:
    decoded = DecodedLines(records=values.lines, names=values.fields, name=values.field)
    decoded.places = Places(lines=values.line)
    numbered = set(np.unique(values.line).tolist()) if values.faults else set()
    for fault in values.faults:
        _refuse(fault, decoded, mapping, beside_number=fault.line in numbered)
    LEFT_OUT.tell(decoded.left_out)
    table = _Mapped(body, values, mapping, decoded).table()
    if table.index.size:
        check(table, decoded, now)
    return decoded


def _refuse(fault: LineFault, decoded: DecodedLines, mapping: LineMapping, *, beside_number: bool) -> None:
    """Give a fault its verdict; a text that is no reading is left out where its line has a number."""
    if fault.text and fault.origin is not None:
        measurement = fault.origin.measurement
        if mapping.is_ignored(fault.field, measurement):
            return
        _, words = whose(fault.origin, mapping.point_tags)
        means = isinstance(words, Words) and mapping.is_named(fault.field, words)
        if beside_number and not means and not is_numeral(fault):
            decoded.left_out[shown_name(fault)] = None
            return
    told = Fault(fault.field, fault.reason, fault.remedy)
    decoded.verdicts.reject((-1, fault.line), told, fault.value)


class _Mapped:
    """The values of a request with what they mean."""

    def __init__(self, body: bytes, values: FieldValues, mapping: LineMapping, decoded: DecodedLines) -> None:
        self.body, self.values, self.mapping, self.decoded = body, values, mapping, decoded
        self.told = tags_of(mapping.point_tags).read(values.origins)

    def table(self) -> Table:
        """Return the rows that mean something; the others get their verdict, or are ignored."""
        values, told = self.values, self.told
        said, which = self._meanings(told.word[values.origin])
        number = told.name[values.origin]
        kept = (which >= 0) & self._named(number, which)
        truths = truths_of(self.body, values, said, np.where(kept, which, np.int32(-1)))
        for row in truths.tolist():
            written = "true" if values.value[row] else "false"
            self.decoded.verdicts.reject(self.decoded.places.of(row), TRUE_OR_FALSE, written)
        kept[truths] = False
        used, name = dense(number, len(told.names.all))
        self.decoded.numbered = Numbered(told.names, used)
        at_us = self._sampled(said, which)
        table = Table(
            names=told.names.some(used),
            name=name,
            at_us=at_us,
            value=values.value,
            said=said,
            which=which,
            index=np.arange(values.value.size),
            faulty=told.names.faulty[used],
            taken_us=None if at_us is values.at_us or (at_us == values.at_us).all() else values.at_us,
        )
        return table.where(kept)

    def _meanings(self, word: npt.NDArray[np.int32]) -> tuple[list[Said], npt.NDArray[np.int32]]:
        """Return what is said, and for each value which of it; below 0 where it means nothing."""
        fields = self.values.fields
        many = max(len(fields), 1)
        pairs, code = dense(word * np.int32(many) + self.values.field, len(self.told.words) * many)
        said: dict[Said, int] = {}
        alike = Alike()
        table, rows_by = np.full(pairs.size, -1, np.int32), RowsBy(code, pairs.size)
        for at, number in enumerate(pairs.tolist()):
            which, name = divmod(number, many)
            spoken = self.told.words[which]
            if isinstance(spoken, Wrong):
                self._tell(rows_by[at], spoken.fault, f"{spoken.value}")
            elif self.mapping.is_ignored(fields[name], spoken.measurement):
                continue
            elif (meant := self.mapping.said(fields[name], spoken)) is None:
                self._tell(rows_by[at], replace(UNKNOWN, field=fields[name]))
            else:
                table[at] = said.setdefault(meant, len(said))
                alike.add(which, at, meant)
        which_of = table[code]
        for group in alike.groups(alone=is_field_twice(self.values.field, self.values.line)):
            self._contradict([(rows_by[at], meaning) for at, meaning in group], which_of)
        return list(said), which_of

    def _contradict(self, parts: list[tuple[npt.NDArray[np.intp], Meaning]], which: npt.NDArray[np.int32]) -> None:
        """Refuse the values of lines in which fields that mean the same differ, a verdict for each line."""
        values, verdicts = self.values, self.decoded.verdicts
        for rows in contradicting(parts, values.value, values.line):
            which[rows] = -1
            names = [values.fields[name] for name in values.field[rows].tolist()]
            told = ", ".join(f"{name}={value:.15g}" for name, value in zip(names, values.value[rows], strict=True))
            verdicts.reject(self.decoded.places.of(int(rows[0])), contradiction(names, parts[0][1]), told)

    def _named(self, number: npt.NDArray[np.int32], which: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
        """Tell which values say whose they are."""
        if self.told.names.nameless < 0:
            return np.ones(number.size, np.bool_)
        named: npt.NDArray[np.bool_] = number != self.told.names.nameless
        self._tell(np.flatnonzero(~named & (which >= 0)), NO_POINT)
        return named

    def _tell(self, rows: npt.NDArray[np.intp], fault: Fault, value: str | None = None) -> None:
        for row in rows.tolist():
            shown = f"{self.values.value[row]:.15g}" if value is None else value
            self.decoded.verdicts.reject(self.decoded.places.of(row), fault, shown)

    def _sampled(self, said: list[Said], which: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
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


@lru_cache(maxsize=8)
def tags_of(point_tags: tuple[str, ...]) -> Tags[Words | Wrong]:
    """Return what is known of origins, whose points are named by some tags."""
    return Tags(partial(whose, point_tags=point_tags), point_tags)


def whose(origin: Origin, point_tags: tuple[str, ...]) -> tuple[str, Words | Wrong]:
    """Return the name in the first of the tags that is there, and what the other tags say about meaning."""
    ranks, name, rank = _ranks(point_tags), "", len(point_tags)
    told: list[tuple[str, str]] = []
    for tag, value in origin.tags:
        found = ranks.get(tag)
        if found is None:
            continue
        if found < rank:
            name, rank = value, found
        if tag in WORDS:
            told.append((tag, value))
    return name.strip(), _words(origin.measurement, tuple(told))


@lru_cache(maxsize=8)
def _ranks(point_tags: tuple[str, ...]) -> dict[str, int]:
    """Return which tag goes before which in telling the name; those that say something about meaning tell none."""
    return dict.fromkeys(WORDS, len(point_tags)) | {tag: rank for rank, tag in reversed([*enumerate(point_tags)])}


@lru_cache(maxsize=HEARD)
def _words(measurement: str, tags: tuple[tuple[str, str], ...]) -> Words | Wrong:
    """Return what a measurement and its tags say about the meaning of fields."""
    told = dict(tags)
    length = told.pop("interval_s", "0")
    if not (length.isascii() and length.isdigit() and len(length) < 6):  # noqa: PLR2004 - a day has 86,400 s
        return Wrong(Fault("interval_s", "this is no length in seconds", "use 900 or 3600"), length)
    return Words(measurement, interval_s=int(length), **told)
