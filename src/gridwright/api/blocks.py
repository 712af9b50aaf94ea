"""Interval blocks on the wire: JSON, CSV and Arrow, in full or with the minimum, maximum and mean of columns."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from fastapi import Request
from starlette.responses import Response

from gridwright.api.listing import CSV, JSON, accepted
from gridwright.domain.panel import Panel
from gridwright.domain.quality import Method, Status
from gridwright.domain.units import amount, unit_of

ARROW = "application/vnd.apache.arrow.stream"
MAX_SLOTS = 600_000  # a year of minutes
Floats = npt.NDArray[np.float64]
NAMES = {
    (status, method): status.name.lower().replace("_", "-")
    + (f"/{method.name.lower().replace('_', '-')}" if method else "")
    for status in Status
    for method in Method
}


def amounts(panel: Panel) -> Floats:
    """Return the one row of a panel in the unit of `unit_of`, NaN where there is no value."""
    row: Floats = panel.values[0]
    return amount(row, panel.reading_type)


def names_of(qualities: npt.NDArray[np.uint8]) -> list[str]:
    """Return the status of each value by name, with the method of an estimate behind a slash."""
    table = [_name(byte) for byte in range(256)]
    return [table[byte] for byte in qualities.tolist()]


def _name(byte: int) -> str:
    try:
        return NAMES[Status(byte & 0x0F), Method(byte >> 4)]
    except ValueError:
        return "raw"


def starts(panel: Panel) -> list[str]:
    """Return the start of each interval as RFC 3339 text."""
    return [f"{text}Z" for text in np.datetime_as_string(panel.times, unit="s").tolist()]


def block_response(request: Request, panel: Panel, points: int | None) -> Response:
    """Return a one-row panel as the request wants it; `points`: at most so many columns."""
    if points is not None and panel.slots > points:
        return _columns_response(request, panel, points)
    media = accepted(request, (JSON, CSV, ARROW))
    told, quality = amounts(panel), panel.quality[0]
    headers = {"Vary": "Accept"}
    if media == ARROW:
        return Response(arrow_of(panel, told, quality), headers=headers, media_type=ARROW)
    if media == CSV:
        rows = zip(starts(panel), _texts(told), names_of(quality), strict=True)
        text = f"start,value_{unit_of(panel.reading_type)},quality\r\n" + "".join(
            f"{','.join(row)}\r\n" for row in rows
        )
        return Response(text, headers=headers, media_type=f"{CSV}; charset=utf-8; header=present")
    body = {**head(panel), "values": _nulls(told), "quality": names_of(quality)}
    return Response(json.dumps(body, ensure_ascii=False), headers=headers, media_type=JSON)


def head(panel: Panel) -> dict[str, Any]:
    """Return what a block tells besides its values."""
    return {
        "usage_point": panel.points[0],
        "reading_type": panel.reading_type.code,
        "unit": unit_of(panel.reading_type),
        "from": rfc3339(panel.start),
        "to": rfc3339(panel.end),
        "interval_s": panel.interval_s,
    }


def rfc3339(moment: datetime) -> str:
    """Return an instant with Z, as pydantic writes it."""
    return moment.isoformat().replace("+00:00", "Z")


def arrow_of(panel: Panel, told: Floats, quality: npt.NDArray[np.uint8]) -> bytes:
    """Return the block as an Arrow IPC stream: start, value, quality byte; the head is the schema's metadata."""
    import pyarrow as pa

    unit = unit_of(panel.reading_type)
    columns = {
        "start": pa.array(panel.times.astype("datetime64[s]"), pa.timestamp("s", tz="UTC")),
        f"value_{unit}": pa.array(told, from_pandas=True),
        "quality": pa.array(quality, pa.uint8()),
    }
    table = pa.table(columns).replace_schema_metadata({name: str(value) for name, value in head(panel).items()})
    out = io.BytesIO()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def _columns_response(request: Request, panel: Panel, points: int) -> Response:
    size = -(-panel.slots // points)
    low, high, mean = downsampled(amounts(panel), size)
    first = [rfc3339(panel.start + timedelta(seconds=panel.interval_s * size * at)) for at in range(len(low))]
    headers = {"Vary": "Accept"}
    if accepted(request, (JSON, CSV)) == CSV:
        rows = zip(first, _texts(low), _texts(high), _texts(mean), strict=True)
        text = "start,min,max,mean\r\n" + "".join(f"{','.join(row)}\r\n" for row in rows)
        return Response(text, headers=headers, media_type=f"{CSV}; charset=utf-8; header=present")
    body = {**head(panel), "columns": first, "min": _nulls(low), "max": _nulls(high), "mean": _nulls(mean)}
    return Response(json.dumps(body, ensure_ascii=False), headers=headers, media_type=JSON)


def downsampled(values: Floats, size: int) -> tuple[Floats, Floats, Floats]:
    """Return minimum, maximum and mean of every `size` values; NaN only where a column has no value at all."""
    padded = np.full(-(-values.size // size) * size, np.nan)
    padded[: values.size] = values
    columns = padded.reshape(-1, size)
    there = np.isfinite(columns)
    count = there.sum(axis=1)
    empty = count == 0
    low = np.where(empty, np.nan, np.where(there, columns, np.inf).min(axis=1))
    high = np.where(empty, np.nan, np.where(there, columns, -np.inf).max(axis=1))
    mean = np.where(empty, np.nan, np.where(there, columns, 0.0).sum(axis=1) / np.maximum(count, 1))
    return low, high, mean


def _nulls(values: Floats) -> list[float | None]:
    return [None if value != value else value for value in values.tolist()]  # noqa: PLR0124 - NaN alone is unequal to itself


def _text(value: float) -> str:
    """Return a number by as few digits as it takes to read it back."""
    short = f"{value:.15g}"
    return short if float(short) == value else repr(value)


def _texts(values: Floats) -> list[str]:
    return ["" if value is None else _text(value) for value in _nulls(values)]
