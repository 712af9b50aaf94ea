"""What requests bring in query, path and headers, with the rules that hold for all of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_origin

from fastapi import Path, Query, Request, params
from fastapi.dependencies.utils import get_flat_params
from fastapi.routing import APIRoute
from pydantic import AfterValidator, BeforeValidator, StringConstraints

from gridwright.api.problems import bad_parameter
from gridwright.api.query import twice_in
from gridwright.domain.errors import GridwrightError
from gridwright.domain.interval import Interval
from gridwright.domain.reading_type import DELIVERED_ENERGY, ReadingType, from_code

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
DEFAULT_LIMIT, MOST = 100, 1000
# A plus sign in a query that was not escaped arrives as a space.
LOST_PLUS = re.compile(r" (?=\d\d:?\d\d$)")
# No control characters: a database would refuse NUL, and a log line must stay one.
PLAIN = r"^[^\x00-\x1f\x7f]*$"
Units = {"min": "minutes", "h": "hours", "d": "days"}


def only_known_query(request: Request) -> None:
    """Refuse a query parameter the endpoint does not have: left unseen, `as_of` would be answered as of now."""
    known = sorted(queries_of(request.scope["route"]))
    for name in request.query_params:
        if name not in known:
            named = f"this address takes {', '.join(known)}" if known else "this address takes none"
            raise bad_parameter("query", name, f"there is no such parameter; {named}", request.query_params[name])
    several = lists_of(request.scope["route"])
    twice = twice_in(name for name, _ in request.query_params.multi_items() if name not in several)
    if twice:
        raise bad_parameter("query", twice, "it is there twice; send it once", request.query_params[twice])


def queries_of(route: APIRoute) -> frozenset[str]:
    """Return the names of the query parameters of an endpoint, and of what it depends on."""
    if route.unique_id not in _queries:
        every = get_flat_params(route.dependant)
        names = (param.alias for param in every if isinstance(param.field_info, params.Query))
        _queries[route.unique_id] = frozenset(names)
    return _queries[route.unique_id]


def lists_of(route: APIRoute) -> frozenset[str]:
    """Return the names of the query parameters that may be given several times."""
    if route.unique_id not in _lists:
        every = get_flat_params(route.dependant)
        several = [param.alias for param in every if get_origin(param.field_info.annotation) is Sequence]
        _lists[route.unique_id] = frozenset(several)
    return _lists[route.unique_id]


_queries: dict[str, frozenset[str]] = {}  # by id of the endpoint, which its module's code tells
_lists: dict[str, frozenset[str]] = {}  # likewise


def to_instant(value: Any) -> datetime:  # noqa: ANN401 - whatever a client sent
    """Read an RFC 3339 instant; one without an offset, or beyond 1970 to 2200, is refused."""
    if isinstance(value, datetime):
        moment = value
    else:
        try:
            moment = datetime.fromisoformat(LOST_PLUS.sub("+", str(value)[:64]))
        except ValueError:
            raise ValueError("write an RFC 3339 instant such as 2025-03-30T00:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("the instant has no offset; add Z or +01:00")
    # Compared as naive times first: an extreme year leaves the calendar when its offset is taken off.
    if not EARLIEST.year < moment.year + 1 <= LATEST.year:
        raise ValueError(f"the instant lies outside {EARLIEST.year} to {LATEST.year}")
    return moment.astimezone(UTC)


def to_duration(value: Any) -> timedelta:  # noqa: ANN401 - whatever a client sent
    """Read a length of time such as `48h`, `90min` or `2d`, up to 31 days."""
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch(r"(\d{1,5})(min|h|d)", str(value), re.ASCII)
    length = timedelta(**{Units[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta(0) < length <= timedelta(days=31):
        raise ValueError("write a length of time such as 48h, 90min or 2d, up to 31d")
    return length


def visible(text: str) -> str:
    """Refuse text of nothing but spaces."""
    if not text.strip():
        raise ValueError("it is empty")
    return text


Instant = Annotated[datetime, BeforeValidator(to_instant, json_schema_input_type=datetime)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=PLAIN), AfterValidator(visible)]
Text = Annotated[str, StringConstraints(max_length=2000, pattern=PLAIN)]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=PLAIN), AfterValidator(visible)]

Id = Annotated[Name, Path(description="The id, as the list shows it.", examples=["UP-1042"])]
Limit = Annotated[int, Query(ge=1, le=MOST, description="Most items to return.")]
CursorText = Annotated[
    str,
    Query(alias="cursor", max_length=600, pattern=PLAIN, description="Where to go on: `next` of the page before."),
]
From = Annotated[
    Instant, Query(alias="from", description="Start of the period, included.", examples=["2025-03-30T00:00:00Z"])
]
To = Annotated[
    Instant, Query(alias="to", description="End of the period, not included.", examples=["2025-03-31T00:00:00Z"])
]
FromIf = Annotated[Instant | None, Query(alias="from", description="Start of the period, included.")]
ToIf = Annotated[Instant | None, Query(alias="to", description="End of the period, not included.")]
AsOf = Annotated[Instant | None, Query(alias="as-of", description="Answer what was known at this instant.")]
PointIf = Annotated[Name | None, Query(alias="point", description="Only this usage point.")]
Horizon = Annotated[
    timedelta,
    BeforeValidator(to_duration, json_schema_input_type=str),
    Query(description="How far ahead: `48h`, `90min`, `2d`.", json_schema_extra={"default": "48h"}),
]
Kind = Annotated[
    Name,
    Query(alias="reading-type", description="Code of the reading type.", examples=[DELIVERED_ENERGY.code]),
]


def period_of(start: datetime, end: datetime, *, longest: timedelta | None = None) -> Interval:
    """Return the half-open period; one that ends before it starts, or is too long, names the parameter `to`."""
    if end <= start:
        raise bad_parameter("query", "to", "the period ends before it starts; it is half-open [from, to)")
    if longest is not None and end - start > longest:
        raise bad_parameter("query", "to", f"the period is longer than {longest.days} days")
    return Interval(start, end)


def period_if(start: datetime | None, end: datetime | None) -> Interval | None:
    """Return the period, open sides reaching to the ends of time; None when neither side is given."""
    if start is None and end is None:
        return None
    return period_of(start or EARLIEST, end or LATEST)


def kind_of(code: str) -> ReadingType:
    """Return a reading type by its code; another text names the parameter `reading-type`."""
    try:
        kind = from_code(code)
    except GridwrightError as error:
        raise bad_parameter("query", "reading-type", str(error), code) from error
    if abs(kind.exponent) > 9:  # noqa: PLR2004 - nano to giga
        raise bad_parameter("query", "reading-type", "its exponent lies outside -9 to 9", code)
    return kind
