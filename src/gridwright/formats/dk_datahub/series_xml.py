"""CIM XML and ebIX time series: the same things under other names."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gridwright.domain.quality import Qualities
from gridwright.formats.dk_datahub.codes import Header, quality_byte
from gridwright.formats.dk_datahub.columns import Context, Mask, Plan, Points, columns, misplaced, plan_of, rows_of
from gridwright.formats.markup import Prolog, Records, Refusals, Tags, enclosing, read_tags, records
from gridwright.formats.markup.numbers import decimal_numbers, distinct, instants, whole_numbers
from gridwright.formats.markup.records import stripped
from gridwright.formats.markup.tags import CLOSE, OPEN, Index
from gridwright.formats.source import Decoded

LONGEST = 200


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of one dialect; of a pair, the first is the element that the second is directly in."""

    series: str
    point: str
    position: str
    quantity: str
    quality: str
    missing: str
    metering_point: tuple[str, str]
    kind: tuple[str, str]
    unit: tuple[str, str]
    resolution: tuple[str, str]
    start: tuple[str, str]
    end: tuple[str, str]

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that matters."""
        pairs = (self.metering_point, self.kind, self.unit, self.resolution, self.start, self.end)
        single = (self.series, self.point, self.position, self.quantity, self.quality, self.missing)
        return tuple(dict.fromkeys([*single, *(name for pair in pairs for name in pair if name)]))


CIM = Shape(
    series="Series",
    point="Point",
    position="position",
    quantity="quantity",
    quality="quality",
    missing="",
    metering_point=("", "marketEvaluationPoint.mRID"),
    kind=("", "marketEvaluationPoint.type"),
    unit=("", "quantity_Measure_Unit.name"),
    resolution=("", "resolution"),
    start=("timeInterval", "start"),
    end=("timeInterval", "end"),
)
EBIX = Shape(
    series="PayloadEnergyTimeSeries",
    point="IntervalEnergyObservation",
    position="Position",
    quantity="EnergyQuantity",
    quality="QuantityQuality",
    missing="QuantityMissing",
    metering_point=("MeteringPointDomainLocation", "Identification"),
    kind=("", "TypeOfMeteringPoint"),
    unit=("", "UnitType"),
    resolution=("ObservationTimeSeriesPeriod", "ResolutionDuration"),
    start=("ObservationTimeSeriesPeriod", "Start"),
    end=("ObservationTimeSeriesPeriod", "End"),
)


def decode_piece(data: bytes, first_line: int, shape: Shape, context: Context, prolog: Prolog) -> Decoded:
    """Decode a piece that holds whole series; what damage costs becomes rejects."""
    tags = read_tags(data, first_line, [name for name in shape.names if name])
    found, refusals = records(tags, shape.point), Refusals(tags)
    refusals.torn(found, shape.point)
    spans = (tags.start[tags.which(shape.series, OPEN)], tags.start[tags.which(shape.series, CLOSE)])
    owner = enclosing(*spans, found.places)
    plans = _plans(tags, spans, shape, context, prolog)
    keep = np.ones(found.size, np.bool_)
    for number, plan in [(-1, f"outside any {shape.series}"), *enumerate(plans)]:
        if isinstance(plan, str):
            which = owner == number
            refusals.group(found, which, (plan, "ask the sender for the message again"))
            keep &= ~which
    good = {number: plan for number, plan in enumerate(plans) if isinstance(plan, Plan)}
    points, keep = _points(found, owner, keep, (shape, good, refusals))
    series = columns(points, good, keep, context.zone)
    seen = found.size + int(found.torn.size)
    return Decoded(seen, series, refusals.sorted(), refusals.verdicts.count)


def _plans(tags: Tags, spans: tuple[Index, Index], shape: Shape, context: Context, prolog: Prolog) -> list[Plan | str]:
    """Return how each series is read, from the first of each of its header's texts."""
    count = spans[0].size
    pairs = (shape.metering_point, shape.kind, shape.unit, shape.resolution)
    texts = [_texts(tags, spans, pair, prolog) for pair in pairs]
    moments = [_moments(tags, spans, pair) for pair in (shape.start, shape.end)]
    plans: list[Plan | str] = []
    for number in range(count):
        point, kind, unit, resolution = (text.get(number, "") for text in texts)
        start, end = (at.get(number) for at in moments)
        plans.append(plan_of(Header(point, kind, unit, resolution, start, end), context))
    return plans


def _leaves(tags: Tags, spans: tuple[Index, Index], pair: tuple[str, str]) -> tuple[Index, Index, Index]:
    """Return (series, start, end of the text) of every leaf of a name, directly in an element of the other name."""
    above, name = pair
    if above:
        around = records(tags, above)
        leaf = around.leaf(name, 1)
        return enclosing(*spans, around.places)[leaf.record], leaf.start, leaf.end
    at = tags.which(name, OPEN)
    at = at[(tags.kind[np.minimum(at + 1, tags.size - 1)] == CLOSE) & (at + 1 < tags.size)]
    return enclosing(*spans, tags.start[at]), *stripped(tags.text, tags.end[at] + 1, tags.start[at + 1])


def _texts(tags: Tags, spans: tuple[Index, Index], pair: tuple[str, str], prolog: Prolog) -> dict[int, str]:
    found: dict[int, str] = {}
    for number, start, end in zip(*(column.tolist() for column in _leaves(tags, spans, pair)), strict=True):
        found.setdefault(number, prolog.name(tags.text[start : min(end, start + LONGEST)].tobytes()))
    return found


def _moments(tags: Tags, spans: tuple[Index, Index], pair: tuple[str, str]) -> dict[int, int]:
    """Return the instant that each series tells; stamps of DataHub are UTC."""
    series, start, end = _leaves(tags, spans, pair)
    stamps = instants(tags.text, start, end)
    at = stamps.wall - np.where(stamps.has_offset, stamps.offset, 0)
    found: dict[int, int] = {}
    for number, moment, good in zip(series.tolist(), at.tolist(), stamps.good.tolist(), strict=True):
        if good:
            found.setdefault(number, moment)
    return found


def _points(
    found: Records, owner: Index, keep: Mask, how: tuple[Shape, dict[int, Plan], Refusals]
) -> tuple[Points, Mask]:
    """Read position, quantity and quality of each point; what is wrong costs the point alone."""
    shape, plans, refusals = how
    text, count = found.tags.text, found.size
    position_at, quantity_at = (found.leaf(name, 1).of(count) for name in (shape.position, shape.quantity))
    position, no_position = whole_numbers(text, np.maximum(position_at[0], 0), np.maximum(position_at[1], 0))
    places = np.zeros(count, np.int64)
    for number, rows in rows_of(owner, plans):
        places[rows] = plans[number].meaning.places
    value, no_value = decimal_numbers(text, np.maximum(quantity_at[0], 0), np.maximum(quantity_at[1], 0), places)
    quality, unknown, quality_at = _qualities(found, shape)
    points = Points(owner, position, value, quality, found.tags.lines(found.places) if count else position)
    outside = misplaced(points, plans)
    for wrong, advice, spans in (
        (no_position | position_at[2], (f"{shape.position} is no whole number", "correct it"), position_at[:2]),
        (outside, ("position lies outside the period, or comes twice", "is the resolution right?"), position_at[:2]),
        (no_value | quantity_at[2], (f"{shape.quantity} is no number", "correct it"), quantity_at[:2]),
        (unknown, ("quality code unknown", "A01 to A06; ebIX 56, 36, E01, D01"), quality_at),
    ):
        refusals.some(found, wrong & keep, advice, spans)
        keep = keep & ~wrong
    return points, keep


def _qualities(found: Records, shape: Shape) -> tuple[Qualities, Mask, tuple[Index, Index]]:
    """Return the quality byte of each point, which codes are unknown, and where they stand."""
    start, end, twice = found.leaf(shape.quality, 1).of(found.size)
    codes, which = distinct(found.tags.text, np.maximum(start, 0), np.maximum(end, 0))
    bytes_of = [quality_byte(code.decode("latin-1")) for code in codes]
    unknown = np.array([*(byte is None for byte in bytes_of), False], np.bool_)[which] | twice
    quality = np.array([*(byte or 0 for byte in bytes_of), 0], np.uint8)[which]
    if shape.missing:
        record, _, _ = found.inside(shape.missing, 1)
        quality[record] = quality_byte("A02") or 0
    return quality, unknown, (start, end)
