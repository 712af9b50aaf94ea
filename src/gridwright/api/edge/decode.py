"""A request that an edge has kept, decoded as the entrance would have that it came to."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from msgspec import structs

from gridwright.api.answer import Refused, refuse
from gridwright.api.entrance import decode, defaults_of, media_kind
from gridwright.api.entrance_lines import V1, V2
from gridwright.api.ingest.form import decode_form
from gridwright.api.ingest.lines import decode_lines, mapping_of
from gridwright.api.ingest.table import Decoded
from gridwright.api.query import query_in
from gridwright.domain.errors import InputError
from gridwright.domain.interval import DAY_S, epoch_s
from gridwright.domain.quality import Status

if TYPE_CHECKING:
    from gridwright.settings import Settings

METER_READING, READINGS = "/meter_reading", "/v1/readings"
PATHS = (METER_READING, READINGS, V1, V2)
# Told as the time of receipt, it stands out in what has no time of its own, and nothing lies in its future.
FAR = datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """A request of a device: the address it came to, its content type, its query and its body."""

    path: str
    media: str
    query: str
    body: bytes


class Decoders:
    """Decodes requests by the settings; Refused, or InputError, for one that no entrance would take."""

    def __init__(self, settings: Settings) -> None:
        self._interval_s = settings.server.interval_s
        self._limit = settings.server.max_body_mb << 20
        self._mapping = mapping_of(settings.line_protocol, self._interval_s)

    def decode(self, kept: Kept, now: datetime) -> Decoded:
        """Return the readings of a request that came in at `now`."""
        if kept.path == METER_READING:
            return decode_form(kept.body, kept.media, now)
        if kept.path in (V1, V2):
            precision = query_in(kept.query).get("precision") or "ns"
            return decode_lines(kept.body, self._mapping, precision, now)
        if kept.path != READINGS:
            raise refuse(HTTPStatus.NOT_FOUND, f"no readings are taken at {kept.path[:80]!r}", remedy=f"use {PATHS}")
        defaults = defaults_of({"query_string": kept.query.encode()}, self._interval_s)
        return decode(media_kind(kept.media), kept.body, defaults, now, limit=self._limit)


def has_receipt_time(decoded: Decoded) -> bool:
    """Tell whether readings that were decoded at FAR got that as their time."""
    late = epoch_s(FAR) - DAY_S
    return any(one.at_s >= late for one in decoded.few) or any(bool((part.at >= late).any()) for part in decoded.series)


def as_estimated(decoded: Decoded) -> Decoded:
    """Return readings marked as estimated: their values were measured, their time is a guess."""
    quality = int(Status.ESTIMATED)
    decoded.few = [structs.replace(one, meaning=replace(one.meaning, quality=quality)) for one in decoded.few]
    for part in decoded.series:
        part.quality[:] = quality
    return decoded


def faults_of(work: Callable[[], Decoded]) -> Decoded | dict[str, Any]:
    """Return what was decoded, or the problem (detail and remedy) where the whole request is refused."""
    try:
        return work()
    except Refused as refused:
        told: dict[str, Any] = json.loads(refused.answer.body)
        return told
    except InputError as error:
        return {"detail": error.message, "remedy": error.remedy}
