"""CIM JSON time series, series by series; of a damaged file, the points before the damage are kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gridwright.domain import quality as q
from gridwright.domain.verdict import Reject
from gridwright.formats.counts import to_counts
from gridwright.formats.dk_datahub.codes import Header, quality_byte
from gridwright.formats.dk_datahub.columns import Context, Plan, Points, columns, misplaced, plan_of, rows_of
from gridwright.formats.nem12.days import Verdicts
from gridwright.formats.source import Decoded
from gridwright.formats.stamps import read_stamps

SERIES = re.compile(r'"Series"\s*:\s*(\[?)')
POINTS = re.compile(r'"Point"\s*:\s*\[')
BETWEEN = re.compile(r"[\s,]*")
TEXT = r'"{}"\s*:\s*(?:\{{[^{{}}]*?"value"\s*:\s*)?"([^"\x00-\x1f]{{1,200}})"'
FIELDS = {
    "point": "marketEvaluationPoint.mRID",
    "kind": "marketEvaluationPoint.type",
    "unit": "quantity_Measure_Unit.name",
    "resolution": "resolution",
    "start": "start",
    "end": "end",
}
KEYS = {"position", "quantity", "quality"}
LONGEST = 400  # digits of a whole number, far beyond any reading; Python refuses to read some thousand
LOST = "the JSON is damaged here; what follows is left out"


@dataclass(frozen=True, slots=True)
class NoNumber:
    """NaN, an infinity or endless digits: neither number nor text, so that it costs its point and not its series."""

    written: str

    def __str__(self) -> str:
        return self.written


@dataclass(slots=True)
class _Found:
    """The points of a text as they are read: series, position, quantity, quality, line; and what is wrong."""

    text: str
    plans: dict[int, Plan] = field(default_factory=dict)
    rows: list[tuple[int, int, float, int, int]] = field(default_factory=list)
    verdicts: Verdicts = field(default_factory=Verdicts)
    seen: int = 0
    counted: tuple[int, int] = (0, 1)

    def line(self, place: int) -> int:
        """Return the line number of a place; places mostly rise, so that the text is counted once."""
        before, line = self.counted if place >= self.counted[0] else (0, 1)
        self.counted = (place, line + self.text.count("\n", before, place))
        return self.counted[1]

    def refuse(self, place: int, advice: tuple[str, str], value: str = "", readings: int = 1) -> None:
        """Take note of what cannot be taken."""
        shown = " ".join(self.text[place : place + 200].split())[:80]
        self.verdicts.add(Reject(self.line(place), *advice, value, shown), readings)


def decode_text(text: str, context: Context) -> Decoded:
    """Decode the series of a message."""
    found = _Found(text)
    for number, (place, series, end) in enumerate(_series(found)):
        plan = plan_of(_header(series if series is not None else text[place:end]), context)
        if isinstance(plan, str):
            count = len(re.findall(r'"position"', text[place:end]))
            found.seen += count
            plan += " before the damage" if series is None else ""
            found.refuse(place, (plan, "ask the sender for the message again"), readings=max(count, 1))
            continue
        found.plans[number] = plan
        _take_points(found, number, place, end)
    points, keep = _points(found)
    series_of = columns(points, found.plans, keep, context.zone)
    rejects = tuple(sorted(found.verdicts.kept, key=lambda reject: reject.line))
    return Decoded(found.seen, series_of, rejects, found.verdicts.count)


def _series(found: _Found) -> Iterator[tuple[int, Mapping[str, Any] | None, int]]:
    """Yield (place, series, end) of each series; a damaged one is None and reaches to the damage."""
    text, opening = found.text, SERIES.search(found.text)
    if opening is None:
        found.refuse(len(text), ("no Series: the message is cut off or empty", "fetch it again"))
        return
    place, decoder = opening.end(), json.JSONDecoder(parse_constant=NoNumber, parse_int=_whole)
    while True:
        place = _behind(text, place)
        if place >= len(text):
            found.refuse(place, ("the message ends before its Series does", "fetch it again; what came before is kept"))
        if place >= len(text) or text[place] in "]}":
            _refuse_rest(found, place)
            return
        try:
            series, end = decoder.raw_decode(text, place)
        except (ValueError, RecursionError) as error:
            at = error.pos if isinstance(error, json.JSONDecodeError) else place
            yield place, None, at
            lost = text.count('"position"', at)
            found.seen += lost
            found.refuse(min(at, len(text)), (LOST, "fetch it again; what came before is kept"), readings=max(lost, 1))
            return
        if isinstance(series, dict):
            yield place, series, end
        else:
            found.refuse(place, ("a series is no JSON object", "ask the sender for the message again"))
        place = end
        if not opening.group(1):
            if text[_behind(text, place) :][:1] != "}":
                found.refuse(place, (LOST, "fetch it again; what came before is kept"))
            _refuse_rest(found, place)
            return


def _refuse_rest(found: _Found, place: int) -> None:
    """Refuse the points that stand behind the Series of the message, as of a second message in the same file."""
    lost = found.text.count('"position"', place)
    if lost:
        found.seen += lost
        advice = ("these points stand behind the end of the Series", "give each message a file of its own")
        found.refuse(place, advice, readings=lost)


def _behind(text: str, place: int) -> int:
    match = BETWEEN.match(text, place)
    return match.end() if match else place


def _whole(digits: str) -> int | NoNumber:
    return int(digits) if len(digits) <= LONGEST else NoNumber(digits)


def _header(series: Mapping[str, Any] | str) -> Header:
    """Return what a series says of itself; of a damaged one, what its text still shows."""
    if isinstance(series, str):
        texts = {name: re.search(TEXT.format(re.escape(key)), series) for name, key in FIELDS.items()}
        # Start and end are objects of an object: their value comes a little later.
        told = {name: match.group(1) if match else "" for name, match in texts.items()}
    else:
        period = series.get("Period")
        period = period if isinstance(period, dict) else {}
        span = period.get("timeInterval")
        span = span if isinstance(span, dict) else {}
        whole = {**series, "resolution": period.get("resolution"), "start": span.get("start"), "end": span.get("end")}
        told = {name: _text(whole.get(key)) for name, key in FIELDS.items()}
    return Header(told["point"], told["kind"], told["unit"], told["resolution"], _at(told["start"]), _at(told["end"]))


def _text(value: object) -> str:
    """Return a text, be it written as such or as the value of an object; anything else is none."""
    inner = value.get("value") if isinstance(value, dict) else value
    return inner[:200] if isinstance(inner, str) else ""


def _plain(value: object) -> str:
    """Return a text or number as it is written; what is neither is shown as it is, and is no code."""
    if value is None:
        return ""
    inner = value.get("value") if isinstance(value, dict) else value
    return str(inner if isinstance(inner, str | int | float) else value)[:200]


def _at(text: str) -> int | None:
    import pyarrow as pa

    stamps = read_stamps(pa.array([text.encode()], pa.binary()), "ymd")
    return int(stamps.wall[0] - (stamps.offset[0] if stamps.has_offset[0] else 0)) if stamps.good[0] else None


def _take_points(found: _Found, number: int, place: int, end: int) -> None:
    """Read the points of one series up to the damage, if there is any."""
    opening = POINTS.search(found.text, place, end)
    if opening is None:
        lost = found.text.count('"position"', place, end)
        found.refuse(place, ("a series without Point", "ask the sender for the message again"), readings=max(lost, 1))
        return
    decoder, at = json.JSONDecoder(parse_constant=NoNumber, parse_int=_whole), opening.end()
    while True:
        at = _behind(found.text, at)
        if at >= end or found.text[at] == "]":
            return
        try:
            point, behind = decoder.raw_decode(found.text, at)
        except (ValueError, RecursionError):
            return  # the series told of the damage already
        found.seen += 1
        _take_point(found, number, at, point)
        at = behind


def _take_point(found: _Found, number: int, place: int, point: object) -> None:
    told = point if isinstance(point, dict) else {}
    position, code, quantity = _plain(told.get("position")), _plain(told.get("quality")), told.get("quantity")
    quality, unknown = quality_byte(code), sorted(told.keys() - KEYS)
    if unknown:
        found.refuse(place, ("a point has a field that the schema does not know", "correct it"), unknown[0][:40])
    elif not (position.isascii() and position.isdigit()) or len(position) > 6:  # noqa: PLR2004 - 999999 at most
        found.refuse(place, ("position is no whole number", "correct it"), position)
    elif quality is None:
        found.refuse(place, ("quality code unknown", "A01 to A06"), code)
    elif quantity is not None and (isinstance(quantity, bool) or not isinstance(quantity, int | float)):
        found.refuse(place, ("quantity is no number", "correct it"), str(quantity)[:40])
    elif quantity is None and quality != q.MISSING:
        found.refuse(place, ("no quantity, and no quality that says so", "A02 = not available"), code)
    elif quantity is not None and abs(quantity) > 1e15:  # noqa: PLR2004 - more than all the world uses
        found.refuse(place, ("quantity is impossibly large", "correct it"), str(quantity)[:40])
    else:
        value = float("nan") if quantity is None else float(quantity)
        found.rows.append((number, int(position), value, quality, found.line(place)))


def _points(found: _Found) -> tuple[Points, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]]:
    """Return the points as columns, values in counts, and which of them lie within their period."""
    table = np.array(found.rows, np.float64).reshape(-1, 5)
    series, position, line = (table[:, column].astype(np.int64) for column in (0, 1, 4))
    value = table[:, 2].copy()
    for number, rows in rows_of(series, found.plans):
        value[rows] = to_counts(value[rows], found.plans[number].meaning.places).value
    points = Points(series, position, value, table[:, 3].astype(np.uint8), line)
    wrong = misplaced(points, found.plans)
    for row in np.flatnonzero(wrong).tolist():
        advice = ("position lies outside the period, or comes twice", "is the resolution right?")
        found.verdicts.add(Reject(int(line[row]), *advice, str(position[row])))
    return points, ~wrong
