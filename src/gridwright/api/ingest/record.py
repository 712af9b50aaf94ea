"""A reading as clients write it in JSON: which names its fields may have."""

from __future__ import annotations

import msgspec

Number = float | list[float | None] | None
WORDS = ("unit", "flow", "reading_type", "quality", "interval_s")


# They refer to nothing that could refer back, so the collector need not walk over a million of them.
class Record(msgspec.Struct, frozen=True, gc=False):
    """A reading as clients write it; the names in each of these groups mean the same."""

    usage_point: str | None = None
    meter: str | None = None
    meter_id: str | None = None
    start: str | int | float | None = None
    at: str | int | float | None = None
    timestamp: str | int | float | None = None
    time: str | int | float | None = None
    end: str | int | float | None = None
    kwh: Number = None
    value: Number = None
    register_kwh: float | None = None
    reading: float | None = None
    interval_s: int | None = None
    unit: str | None = None
    flow: str | None = None
    quality: str | None = None
    reading_type: str | None = None


FIELDS = Record.__struct_fields__
