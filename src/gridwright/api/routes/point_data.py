"""What is stored of a usage point: interval blocks as known at any time, registers, series, versions, events."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from gridwright.api.blocks import ARROW, MAX_SLOTS, block_response
from gridwright.api.cursor import from_cursor, to_cursor
from gridwright.api.door import Asking
from gridwright.api.listing import CSV, Page, cut, listed
from gridwright.api.parameters import (
    AsOf,
    CursorText,
    From,
    FromIf,
    Id,
    Kind,
    Limit,
    To,
    ToIf,
    kind_of,
    period_if,
    period_of,
)
from gridwright.api.problems import bad_parameter
from gridwright.api.shapes.points import (
    BlockShape,
    DeviceEventShape,
    DownsampledShape,
    RegisterShape,
    SeriesShape,
    VersionShape,
)
from gridwright.api.versions import version_shape
from gridwright.app import Platform
from gridwright.domain.errors import NotFound
from gridwright.domain.image import Image
from gridwright.domain.interval import Interval
from gridwright.domain.panel import Panel
from gridwright.domain.reading_type import DELIVERED_ENERGY, DELIVERED_REGISTER, Flow, Quantity, ReadingType
from gridwright.domain.register import RegisterReading
from gridwright.domain.units import amount, unit_of
from gridwright.jobs.load.any_resolution import kept_as, load_finest
from gridwright.store.instant import from_us, to_us

router = APIRouter(prefix="/usage-points/{name}", tags=["Readings"])
# What the rules of validation and estimation look back on.
BEFORE = timedelta(days=42)
LONGEST = timedelta(days=3 * 366)
Columns = Annotated[
    int | None, Query(ge=1, le=20_000, description="At most so many columns, each with its minimum, maximum and mean.")
]
Trusted = Annotated[bool, Query(description="As bills have it; what is not judged yet is estimated for this answer.")]
Which = Annotated[Image, Query(description="raw: as it came; final: as validation and edits left it.")]
BLOCK: dict[int | str, dict[str, Any]] = {200: {"content": {CSV: {}, ARROW: {}}}}


@router.get("/interval-blocks", summary="Read intervals", response_model=BlockShape | DownsampledShape, responses=BLOCK)
def read_block(  # noqa: PLR0913 - the parameters of the request
    request: Request,
    platform: Asking,
    name: Id,
    *,
    start: From,
    end: To,
    kind: Kind = DELIVERED_ENERGY.code,
    as_of: AsOf = None,
    points: Columns = None,
    trusted: Trusted = False,
    image: Which = Image.RAW,
) -> Response:
    """Return the intervals of a period as JSON, CSV or an Arrow stream, as Accept says.

    `as-of` answers what was known at an instant. `image=final` answers what validation, estimation and edits made of
    the readings, as bills take it; `trusted=true` answers the same, and adds what is not judged yet (delivered energy).
    Delivered energy that is there by channels alone (E1, E2) is their sum; the code of a channel answers that channel.
    Months that left the database are read in the archive; one whose file cannot be read is 503, and named.
    """
    period = period_of(start, end, longest=LONGEST)
    meaning = kind_of(kind)
    platform.store.registry.point(platform.access, name)
    interval = interval_of(platform, name, meaning, period, Image.FINAL if trusted else image)
    if trusted:
        return block_response(request, trusted_panel(platform, name, meaning, period, as_of=as_of), points)
    if interval is None and is_sum(platform, name, meaning):
        return block_response(request, platform.readings(name, period, as_of=as_of, image=image), points)
    load = partial(platform.store.readings.load, interval=interval, as_of=as_of, image=image)
    kinds = kept_as(platform.store, platform.access, [name], meaning)
    return block_response(request, load_finest(load, platform.access, name, period, kinds), points)


@router.get("/registers", summary="Read registers", response_model=Page[RegisterShape])
def list_registers(
    request: Request,
    platform: Asking,
    name: Id,
    *,
    start: From,
    end: To,
    kind: Kind = DELIVERED_REGISTER.code,
) -> Response:
    """Return the reads of a cumulative register within the period, in order of time."""
    period = period_of(start, end)
    reads = platform.store.registers.load(platform.access, name, period, kind_of(kind))
    rows = [each for each in reads if each.at in period]
    return listed(request, [register_shape(each) for each in rows])


def register_shape(read: RegisterReading) -> RegisterShape:
    """Return a read in the unit in which blocks tell theirs, not in counts."""
    kind = read.reading_type
    return RegisterShape.of(read, reading_type=kind.code, unit=unit_of(kind), value=amount(read.value, kind))


@router.get("/series", summary="List what is stored", response_model=Page[SeriesShape])
def list_series(request: Request, platform: Asking, name: Id) -> Response:
    """Return each series with its period, interval and number of readings."""
    rows = platform.store.readings.series(platform.access, name)
    return listed(
        request,
        [
            SeriesShape.of(
                each,
                reading_type=each.reading_type.code,
                interval_s=int(each.interval.total_seconds()),
                start=each.first,
                end=each.last,
            )
            for each in rows
        ],
    )


@router.get("/versions", summary="Show how a day became known", response_model=Page[VersionShape])
def list_versions(
    request: Request,
    platform: Asking,
    name: Id,
    *,
    day: Annotated[date, Query(description="A UTC day.", examples=["2025-03-30"])],
    kind: Kind = DELIVERED_ENERGY.code,
) -> Response:
    """Return every image of a UTC day, the oldest first: what was known when."""
    if not 1970 <= day.year < 2200:  # noqa: PLR2004 - what the store holds
        raise bad_parameter("query", "day", "the day lies outside 1970 to 2200", str(day))
    kinds = kept_as(platform.store, platform.access, [name], kind_of(kind))
    each = (platform.store.readings.versions(platform.access, name, day, one) for one in kinds)
    found = next((some for some in each if some), [])
    return listed(request, [version_shape(each) for each in found])


@router.get("/end-device-events", summary="List what devices reported", response_model=Page[DeviceEventShape])
def list_events(
    request: Request,
    platform: Asking,
    name: Id,
    *,
    start: FromIf = None,
    end: ToIf = None,
    limit: Limit = 100,
    cursor: CursorText = "",
) -> Response:
    """Return the events of the meters at a usage point, the newest first."""
    place = from_cursor("end-device-events", cursor, (0, "", ""))
    before = (from_us(int(place[0])), str(place[1]), str(place[2])) if place else None
    rows = platform.store.devices.events(
        platform.access, point=name, period=period_if(start, end), limit=limit + 1, before=before
    )
    page, last = cut(rows, limit)
    following = last and to_cursor("end-device-events", (to_us(last.at), last.end_device, last.type))
    return listed(request, [DeviceEventShape.of(each) for each in page], following)


def interval_of(
    platform: Platform, name: str, kind: ReadingType, period: Interval, image: Image = Image.RAW
) -> timedelta | None:
    """Return the interval of a series, None where it changed; what is not stored, or too much, is refused.

    A final image may be of a type that was not read, such as delivered energy where net energy was: None too.
    """
    stored = platform.store.readings.series(platform.access, name)
    own = {each.interval for each in stored if each.reading_type.finer(kind.exponent) == kind}
    parts = {each.interval for each in stored if is_channel_of(each.reading_type, kind)}
    intervals = own or parts or ({each.interval for each in stored} if image is Image.FINAL else set())
    if not intervals:
        known = ", ".join(sorted({each.reading_type.code for each in stored})) or "nothing"
        raise NotFound(f"{name} has no readings of {kind.code}", remedy=f"stored there: {known}")
    if period.length / min(intervals) > MAX_SLOTS:
        raise bad_parameter("query", "to", f"the period holds more than {MAX_SLOTS} intervals; ask for less at a time")
    return min(own) if len(own) == 1 else None


def is_channel_of(kind: ReadingType, whole: ReadingType) -> bool:
    """Tell whether a type is a channel of delivered energy, which is asked for as a whole."""
    return whole == DELIVERED_ENERGY and bool(kind.channel) and replace(kind, channel="", exponent=0) == whole


def is_sum(platform: Platform, name: str, kind: ReadingType) -> bool:
    """Tell whether what is asked for is there by channels alone."""
    stored = [each.reading_type for each in platform.store.readings.series(platform.access, name)]
    return all(each.finer(kind.exponent) != kind for each in stored) and any(
        is_channel_of(each, kind) for each in stored
    )


def trusted_panel(
    platform: Platform, name: str, kind: ReadingType, period: Interval, *, as_of: datetime | None = None
) -> Panel:
    """Return delivered energy as bills have it; what is not judged yet, by the weeks before the period too."""
    if (kind.quantity, kind.flow) != (Quantity.ENERGY, Flow.DELIVERED):
        raise bad_parameter("query", "trusted", "only delivered energy is estimated; leave it out for other types")
    whole = Interval(period.start - BEFORE, period.end)
    groups, _ = platform.usable([name], whole, as_of=as_of)
    panel: Panel = groups[0].trusted.between(period)
    return panel
